// The leader ends, a thread goes on until its stdin is closed.
#include <pthread.h>
#include <unistd.h>

static void *rest(void *unused)
{
    char byte;

    (void)unused;
    while (read(0, &byte, 1) > 0)
        ;
    return NULL;
}

int main(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, rest, NULL))
        return 1;
    pthread_exit(NULL);
}
