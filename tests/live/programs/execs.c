// A thread runs the program again, which ends the leader, as often as the argument says; then it rests.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *program, left[16];

static void *again(void *unused)
{
    (void)unused;
    execl(program, program, left, (char *)NULL);
    return NULL;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
    pthread_t thread;

    program = argv[0];
    snprintf(left, sizeof(left), "%d", count - 1);
    if (count && pthread_create(&thread, NULL, again, NULL))
        return 1;
    for (;;)
        pause();
}
