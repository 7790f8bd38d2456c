// Does what it is told, a letter of stdin each, and writes a byte when that is done. Ends with stdin.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char *program;
static int ready[2];

static void rest(void)
{
    close(ready[1]); // whoever reads the other end goes on; so does an exec, which closes it, too
    for (;;)
        pause();
}

static void *brief(void *unused)
{
    return unused;
}

static void *steady(void *unused)
{
    rest();
    return unused;
}

static void child(char what)
{
    switch (what) {
    case 'x': // runs another program
        execl(program, "resting", NULL);
        _exit(1);
    case 's': // marks and names itself
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        prctl(PR_SET_NAME, "subreaper");
        rest();
    case 'o': // leaves an orphan
        if (fork())
            _exit(0);
        rest();
    case 'T': { // has a thread when it ends
        pthread_t thread;
        pthread_create(&thread, NULL, steady, NULL);
        _exit(4);
    }
    default:
        _exit(3);
    }
}

static void obey(char what)
{
    siginfo_t info;
    pthread_t thread;
    pid_t born;
    char byte;

    if (what == 't') {
        pthread_create(&thread, NULL, brief, NULL);
        pthread_join(thread, NULL);
        return;
    }
    if (pipe2(ready, O_CLOEXEC))
        _exit(1);
    born = fork();
    if (!born) {
        close(ready[0]);
        child(what);
    }
    close(ready[1]);
    if (what == 'g' || what == 'T' || what == 'o') // gone, once it is waited for
        waitpid(born, NULL, 0);
    if (what == 'z') // a zombie that stays
        waitid(P_PID, born, &info, WEXITED | WNOWAIT);
    while (read(ready[0], &byte, 1) > 0)
        ;
    close(ready[0]);
}

int main(int argc, char **argv)
{
    char what;

    if (!strcmp(argv[0], "resting"))
        for (;;)
            pause();
    program = argv[0];
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    while (read(0, &what, 1) == 1) {
        obey(what);
        if (write(1, "", 1) != 1)
            return 1;
    }
    return 0;
}
