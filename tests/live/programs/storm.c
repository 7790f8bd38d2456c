// A tree that changes all the time until fd 0 reports a hang-up; then every process that lives stays as it is.
// Children fork, orphan their children, start threads that fork, exec (themselves), and die. Nobody lives for more
// than half a minute, and births are few enough for some tens of processes at a time.
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEPTH 3

static char **self;
static unsigned seed;

static unsigned dice(unsigned sides)
{
    return rand_r(&seed) % sides;
}

static void rest_if_over(void)
{
    struct pollfd end = {.fd = 0};

    if (poll(&end, 1, 0) > 0 && end.revents & POLLHUP)
        for (;;)
            pause();
}

static void nap(void)
{
    struct timespec t = {0, 1000000L + dice(9000) * 1000L};

    nanosleep(&t, NULL);
    rest_if_over();
}

static void life(int depth);

static void give_birth(int depth)
{
    unsigned next = seed * 2654435761u + dice(1000);

    if (fork() == 0) {
        seed = next;
        life(depth + 1);
    }
}

static void *thread_life(void *depth)
{
    nap();
    if ((long)depth < MAX_DEPTH)
        give_birth((long)depth);
    nap();
    return NULL;
}

static void life(int depth)
{
    char text[16], *args[] = {self[0], "again", text, NULL};

    alarm(30);
    if (dice(6) == 0)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (unsigned steps = 1 + dice(4); steps; steps--) {
        rest_if_over();
        switch (dice(6)) {
        case 0:
        case 1:
            if (depth < MAX_DEPTH)
                give_birth(depth);
            break;
        case 2: {
            pthread_t thread;
            if (!pthread_create(&thread, NULL, thread_life, (void *)(long)depth))
                pthread_detach(thread);
            break;
        }
        case 3:
            if (dice(3) == 0) {
                text[0] = '0' + depth % 10;
                text[1] = 0;
                execv(self[0], args);
            }
            break;
        case 4:
            waitpid(-1, NULL, WNOHANG);
            break;
        default:
            break;
        }
        nap();
    }
    _exit(dice(3));
}

int main(int argc, char **argv)
{
    self = argv;
    seed = getpid();
    if (argc > 2)
        life(atoi(argv[2]) + 1);
    alarm(60);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    seed = 42;
    for (;;) {
        unsigned next = ++seed;
        pid_t child = fork();
        if (!child) {
            seed = next * 7919;
            life(0);
        }
        for (int i = 0; i < 5; i++)
            nap();
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
