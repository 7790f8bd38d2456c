/* Children that die with a thread: each asks for PR_SET_PDEATHSIG, and its creator is a thread.
 *
 *   one thread stays, so its child lives on with the signal above it
 *   one thread ends, so its child is killed though this process lives on
 *   the main thread has a child, too, with nothing to fear
 *
 * Writes the three children's pids, waits for SIGTERM; nothing is reaped before that.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start_child(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		_exit(1);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		_exit(1);
	return pid;
}

static void *stay(void *pid)
{
	*(pid_t *)pid = start_child();
	while (1)
		pause();
	return NULL;
}

static void *end(void *pid)
{
	*(pid_t *)pid = start_child();
	return NULL;
}

int main(void)
{
	pid_t main_child = start_child(), staying = 0, ended = 0;
	pthread_t first, second;
	siginfo_t info;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&first, NULL, stay, &staying) || pthread_create(&second, NULL, end, &ended))
		return 1;
	pthread_join(second, NULL);
	waitid(P_PID, ended, &info, WEXITED | WNOWAIT);
	while (!*(volatile pid_t *)&staying)
		usleep(1000);
	printf("%d %d %d\n", main_child, staying, ended);
	fflush(stdout);
	sigwait(&set, &sig);
	kill(main_child, SIGKILL);
	kill(staying, SIGKILL);
	return 0;
}
