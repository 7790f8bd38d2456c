// kernel/pid_namespace.c, zap_pid_ns_processes(): the init of a pid namespace that was killed stays in do_exit(), no
// zombie yet, while a member is not reaped: that one's parent is outside, and rests. Prints the init's number.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t fork_resting(unsigned long flags)
{
    pid_t child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    while (!child)
        pause();
    return child;
}

int main(void)
{
    char path[64];
    pid_t init = fork_resting(CLONE_NEWPID);

    snprintf(path, sizeof path, "/proc/%d/ns/pid", init);
    if (init < 0 || setns(open(path, O_RDONLY | O_CLOEXEC), CLONE_NEWPID) || fork_resting(0) < 0)
        return 1;
    kill(init, SIGKILL);
    printf("%d\n", init);
    fflush(stdout);
    for (;;)
        pause();
}
