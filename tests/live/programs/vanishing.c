// A father that ignores SIGCHLD ends as soon as its child has vanished by itself, long before the kernel frees the
// child's task_struct. Above them rests a subreaper.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t father = fork();
    if (!father) {
        signal(SIGCHLD, SIG_IGN);
        pid_t child = fork();
        if (!child)
            _exit(5);
        while (!kill(child, 0))
            ;
        _exit(6);
    }
    waitpid(father, NULL, 0);
    if (write(1, "", 1) != 1)
        return 1;
    for (;;)
        pause();
}
