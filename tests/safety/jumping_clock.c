/* LD_PRELOAD: the wall clock goes back by an hour each second, as if somebody set it again and again. */
#define _GNU_SOURCE
#include <time.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static long shift(void)
{
	struct timespec up;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &up);
	return up.tv_sec % 1000 * 3600;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = syscall(SYS_clock_gettime, id, ts);
	if (!result && id == CLOCK_REALTIME)
		ts->tv_sec -= shift();
	return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
