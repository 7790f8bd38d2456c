/* The application of the test pods: a master with two workers, like a small web server.
 *
 *   app [EXIT_CODE]
 *
 *   SIGUSR1   makes a living orphan (a child forks a grandchild and ends; the grandchild waits for a signal)
 *   SIGUSR2   makes an orphan that ends at once: a zombie for ever where it comes back to this program,
 *             which like most applications waits only for what it started itself
 *   SIGTERM   ends the workers, waits for them, and exits with EXIT_CODE (default 0)
 *
 * Names (comm): app, app-worker, app-orphan.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 2

static sigset_t handled;

static void become(const char *name)
{
	prctl(PR_SET_NAME, name);
	sigprocmask(SIG_UNBLOCK, &handled, NULL);
}

static void wait_for_the_end(void)
{
	for (;;)
		pause();
}

static pid_t start_worker(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		become("app-worker");
		wait_for_the_end();
	}
	return pid;
}

static void make_orphan(int living)
{
	pid_t middle = fork();

	if (middle == 0) {
		if (fork() == 0) {
			become("app-orphan");
			if (living)
				wait_for_the_end();
			/* Ends only once it is an orphan, so that its zombie is the reaper's from the start. */
			for (pid_t parent = getppid(); getppid() == parent;)
				usleep(1000);
			_exit(3);
		}
		usleep(20000); /* let the grandchild see its first parent */
		_exit(0);
	}
	waitpid(middle, NULL, 0);
}

int main(int argc, char **argv)
{
	pid_t workers[WORKERS];
	int sig;

	sigemptyset(&handled);
	sigaddset(&handled, SIGUSR1);
	sigaddset(&handled, SIGUSR2);
	sigaddset(&handled, SIGTERM);
	sigaddset(&handled, SIGINT);
	sigprocmask(SIG_BLOCK, &handled, NULL);

	for (int i = 0; i < WORKERS; i++)
		workers[i] = start_worker();

	while (sigwait(&handled, &sig) == 0 && (sig == SIGUSR1 || sig == SIGUSR2))
		make_orphan(sig == SIGUSR1);

	for (int i = 0; i < WORKERS; i++)
		kill(workers[i], SIGTERM);
	for (int i = 0; i < WORKERS; i++)
		waitpid(workers[i], NULL, 0);
	return argc > 1 ? atoi(argv[1]) : 0;
}
