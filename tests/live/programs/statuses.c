// kernel/exit.c, wait_task_zombie(): with what status does a process end whose leader and threads end with different
// ones? `statuses ROUNDS` makes so many processes, waits for each, prints "PID STATUS KIND" (STATUS as wait(2) fills it
// in), and rests. The kinds follow upon each other.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LEADER_FIRST, LEADER_LAST, TOGETHER, THREE_TOGETHER, GROUP, KILLED, SELF, ALONE, KINDS };
static const char *const names[] = {
    "leader-first", "leader-last", "together", "three-together", "exit_group", "killed", "killed-by-itself", "alone"};
static const int threads[] = {1, 1, 1, 2, 1, 1, 1, 0};
static atomic_int arrived;
static int kind, leader;

static void nap(long us)
{
    struct timespec t = {0, us * 1000};
    nanosleep(&t, NULL);
}

static void end(int code)
{
    if (kind == LEADER_FIRST ? code != leader : kind == LEADER_LAST && code == leader)
        nap(2000);
    atomic_fetch_add(&arrived, 1);
    while (kind >= TOGETHER && atomic_load(&arrived) <= threads[kind])
        ;
    if (kind == SELF && code != leader)
        kill(getpid(), SIGTERM);
    syscall(kind == GROUP && code != leader ? SYS_exit_group : SYS_exit, code);
}

static void *run(void *code)
{
    end((int)(long)code);
    return NULL;
}

static void process(void)
{
    for (int i = 1; i <= threads[kind]; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, (void *)(long)(leader + i)))
            abort();
    }
    end(leader);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 100;

    srandom(1);
    for (int i = 0; i < rounds; i++) {
        int status;
        kind = i % KINDS;
        leader = 1 + i % 100;
        pid_t child = fork();
        if (!child)
            process();
        if (kind == KILLED || kind == ALONE) {
            nap(random() % 400);
            kill(child, SIGKILL);
        }
        if (waitpid(child, &status, 0) != child)
            abort();
        printf("%d %d %s\n", child, status, names[kind]);
    }
    printf("done\n");
    fflush(stdout);
    for (;;)
        pause();
}
