// A process of two threads, which rests. With an argument its second thread runs it again, without.
#include <pthread.h>
#include <unistd.h>

static void *rest(void *program)
{
    if (program)
        execl(program, program, (char *)NULL);
    for (;;)
        pause();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, rest, argc > 1 ? argv[0] : NULL))
        return 1;
    rest(NULL);
}
