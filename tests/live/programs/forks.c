// forks N [KEEP]: N children, one after the other, each of which ends at once and is reaped; then KEEP children and
// as many orphans that stay. Writes a byte to stdout when it is done, and rests.
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long count = atol(argv[1]), keep = argc > 2 ? atol(argv[2]) : 0;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (long i = 0; i < count; i++) {
        pid_t child = vfork();
        if (!child)
            _exit(0);
        waitpid(child, NULL, 0);
    }
    for (long i = 0; i < keep; i++) {
        pid_t child = fork();
        if (!child) {
            if (!fork())
                for (;;)
                    pause();
            if (i % 2)
                _exit(0);
            for (;;)
                pause();
        }
        if (i % 2)
            waitpid(child, NULL, 0);
    }
    if (write(1, "", 1) != 1)
        return 1;
    for (;;)
        pause();
}
