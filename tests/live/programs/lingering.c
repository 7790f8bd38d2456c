// A subreaper whose child has a child and so much memory that to free it takes long: as long as one likes, since it runs only
// when nobody else wants its processor, the last one. Prints the child's number, and the grandchild's.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (256L << 20)

int main(void)
{
    int ends[2];
    pid_t born;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (pipe(ends))
        return 1;
    born = fork();
    if (!born) {
        struct sched_param none = {0};
        cpu_set_t last;
        char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pid_t grandchild = fork();

        if (memory == MAP_FAILED || madvise(memory, SIZE, MADV_NOHUGEPAGE))
            return 1;
        for (long i = 0; grandchild && i < SIZE; i += 4096)
            memory[i] = 1;
        CPU_ZERO(&last);
        CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
        if (grandchild && (sched_setaffinity(0, sizeof(last), &last) || sched_setscheduler(0, SCHED_IDLE, &none)))
            return 1;
        if (grandchild && write(ends[1], &grandchild, sizeof(grandchild)) < 0)
            return 1;
        for (;;)
            pause();
    }
    pid_t grandchild;
    if (read(ends[0], &grandchild, sizeof(grandchild)) < 0)
        return 1;
    printf("%d %d\n", born, grandchild);
    fflush(stdout);
    if (getchar() == 'w')
        waitpid(born, NULL, 0);
    for (;;)
        pause();
}
