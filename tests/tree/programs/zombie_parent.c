/* A parent that never waits: one child ends at once and stays a zombie. Ends on SIGTERM. */
#include <unistd.h>

int main(void)
{
	if (fork() == 0)
		_exit(3);
	for (;;)
		pause();
}
