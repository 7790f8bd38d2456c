// A tree that changes all the time until fd 0 reports a hang-up; then every process that lives stays as it is.
// Children fork, orphan their children, start threads that fork, exec (themselves), and die. Nobody lives for more
// than half a minute, and a birth takes one of a few tokens, which the child gives back when it dies.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEPTH 3
#define TOKENS 40
#define TAKE 98 // ends of a pipe that holds a byte for each process that may still be born
#define GIVE 99

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
    char token;

    if (read(TAKE, &token, 1) == 1 && fork() == 0) {
        seed = next;
        life(depth + 1);
    }
}

static void die(int code)
{
    if (write(GIVE, "", 1) == 1)
        _exit(code);
    _exit(99);
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
    die(dice(3));
}

int main(int argc, char **argv)
{
    int ends[2];

    self = argv;
    seed = getpid();
    if (argc > 2)
        life(atoi(argv[2]) + 1);
    alarm(60);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    seed = 42;
    if (pipe2(ends, O_NONBLOCK) || dup2(ends[0], TAKE) < 0 || dup2(ends[1], GIVE) < 0)
        return 1;
    for (int i = 0; i < TOKENS; i++)
        if (write(GIVE, "", 1) != 1)
            return 1;
    for (;;) {
        seed++;
        give_birth(-1);
        for (int i = 0; i < 5; i++)
            nap();
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
