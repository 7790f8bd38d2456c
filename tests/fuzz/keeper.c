/*
 * keeper MODE PID_MAX SECONDS CONTROL COMMAND...: runs COMMAND so that nothing of it can outlive or leave this process.
 *
 * MODE `pidns`: the command runs in a new pid namespace whose init is the keeper's child; PID_MAX > 0 sets the
 * namespace's pid_max (Linux 6.14). MODE `plain`: the command runs here, the keeper is a subreaper.
 * Prints the number of the reaper (in the caller's namespace), then reaps until it is killed; ends everything at
 * SIGTERM, after SECONDS, or when its own parent dies.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"

static pid_t namespace_init;

static void die(const char *what)
{
    perror(what);
    _exit(120);
}

/* Kill the children until there are none: orphans come to us, so nobody is missed. */
static void end_all(int sig)
{
    (void)sig;
    for (int tries = 0; tries < 2000; tries++) {
        char path[64], list[65536];
        snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, list, sizeof list - 1);
        close(fd);
        if (n <= 0)
            break;
        list[n] = 0;
        for (char *p = strtok(list, " "); p; p = strtok(NULL, " "))
            kill(atoi(p), SIGKILL);
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
            ;
        usleep(1000);
    }
    _exit(0);
}

static void reap_forever(const char *seconds)
{
    struct sigaction act = {.sa_handler = end_all};
    sigfillset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGALRM, &act, NULL);
    alarm((unsigned)atoi(seconds));
    for (;;)
        if (waitpid(-1, NULL, __WALL) < 0 && errno == ECHILD)
            pause();
}

/* Its death ends the namespace; main waits until that is done. */
static void end_namespace(int sig)
{
    (void)sig;
    kill(namespace_init, SIGKILL);
}

static void tell_number(const char *control)
{
    int32_t number = getpid();
    int fd = open(control, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, &number, sizeof number, offsetof(struct control, keeper)) != sizeof number)
        die("control");
    close(fd);
}

static void run(char **command)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    dup2(2, 1);
    execvp(command[0], command);
    die(command[0]);
}

static void set_pid_max(const char *value)
{
    int fd = open("/proc/sys/kernel/pid_max", O_WRONLY);
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        die("pid_max");
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int ns = !strcmp(argv[1], "pidns");
    if (ns) {
        if (unshare(CLONE_NEWPID | CLONE_NEWNS))
            die("unshare");
        pid_t init = fork();
        if (init < 0)
            die("fork");
        if (init) {
            namespace_init = init;
            signal(SIGTERM, end_namespace);
            printf("%d\n", init);
            fflush(stdout);
            fclose(stdout);
            while (waitpid(init, NULL, 0) < 0 && errno == EINTR)
                ;
            return 0;
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("proc", "/proc", "proc", 0, NULL))
            die("mount");
        if (atoi(argv[2]) > 0)
            set_pid_max(argv[2]);
    } else {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        printf("%d\n", getpid());
        fflush(stdout);
    }
    tell_number(argv[4]);
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(argv + 5);
    }
    reap_forever(argv[3]);
}
