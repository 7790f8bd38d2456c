// One of each event, strictly one after the other: test_events.py has the list of what must be seen.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char **self;

static long raw_clone(unsigned long flags)
{
    return syscall(SYS_clone, flags, 0, 0, 0, 0);
}

static void *thread_that_names_itself(void *number)
{
    prctl(PR_SET_NAME, "a-thread");
    *(pid_t *)number = syscall(SYS_gettid);
    return NULL;
}

static void *thread_that_execs(void *arg)
{
    execl(self[0], self[0], "after-exec", "", "end", NULL);
    return arg;
}

static void wait_for(pid_t child)
{
    while (waitpid(child, NULL, 0) < 0)
        ;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pid_t child;

    self = argv;
    if (argc > 1)
        _exit(0);

    if (!(child = fork()))
        _exit(7);
    wait_for(child);

    if (!(child = fork())) { // dies by a signal; no core, for its limit is 0
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        raise(SIGKILL);
    }
    wait_for(child);

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_NAME, "renamed \033[31m");
    prctl(PR_SET_CHILD_SUBREAPER, 1, 1, 1, 1); // fails on new kernels only, if at all: not looked at
    prctl(PR_SET_PDEATHSIG, 12345); // fails: no event

    pthread_create(&thread, NULL, thread_that_names_itself, &child);
    pthread_join(thread, NULL);
    while (!syscall(SYS_tgkill, getpid(), child, 0)) // exit_mm() ends the join, and may come before the tracepoint
        usleep(1000);

    signal(SIGUSR1, SIG_IGN);
    if (!(child = raw_clone(SIGUSR1))) // exit_signal is not SIGCHLD: needs __WALL
        _exit(0);
    while (waitpid(child, NULL, __WALL) < 0)
        ;

    if (!(child = fork())) { // a child that makes a brother
        raw_clone(CLONE_PARENT | SIGCHLD);
        _exit(0); // both of them end here
    }
    wait_for(child);
    wait_for(-1);

    signal(SIGCHLD, SIG_IGN);
    if (!(child = fork()))
        _exit(3);
    while (!kill(child, 0)) // reaped by itself: nothing to wait for
        usleep(1000);
    signal(SIGCHLD, SIG_DFL);

    if (!(child = fork())) {
        unshare(CLONE_NEWPID);
        if (!(child = fork())) {
            if (!(child = fork()))
                _exit(0);
            wait_for(child);
            _exit(0);
        }
        wait_for(child);
        _exit(0);
    }
    wait_for(child);

    pthread_create(&thread, NULL, thread_that_execs, NULL);
    for (;;)
        pause();
}
