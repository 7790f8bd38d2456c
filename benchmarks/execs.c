// execs N: when a byte comes on stdin, N times vfork + exec of /bin/true + exit, two at a time; prints the seconds.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void work(long count)
{
    for (long i = 0; i < count; i++) {
        pid_t child = vfork();
        if (!child) {
            execl("/bin/true", "true", NULL);
            _exit(127);
        }
        waitpid(child, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000;
    char byte;

    if (read(0, &byte, 1) != 1)
        return 1;
    double began = now();
    pid_t other = fork();
    work(count / 2);
    if (!other)
        _exit(0);
    waitpid(other, NULL, 0);
    printf("%.4f\n", now() - began);
    return 0;
}
