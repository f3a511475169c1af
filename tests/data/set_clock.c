/* Preloaded by tests/http/golden.rs: the wall clock is the monotonic one and WALL_OFFSET_US microseconds, and is right. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, clock, t);
	int failed = (int)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, t);
	long long us = atoll(getenv("WALL_OFFSET_US")) + t->tv_sec * 1000000LL + t->tv_nsec / 1000;
	t->tv_sec = (time_t)(us / 1000000);
	t->tv_nsec = (long)(us % 1000000) * 1000;
	return failed;
}

int gettimeofday(struct timeval *t, void *zone)
{
	(void)zone;
	struct timespec now;
	int failed = clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return failed;
}

time_t time(time_t *t)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t)
		*t = now.tv_sec;
	return now.tv_sec;
}

int adjtimex(struct timex *state)
{
	memset(state, 0, sizeof *state);
	return TIME_OK;
}

/* No interface can be chosen, so that no tallycam of this machine's network is found. */
int setsockopt(int socket, int level, int name, const void *value, socklen_t size)
{
	if (level == SOL_SOCKET && name == SO_BINDTODEVICE) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, socket, level, name, value, size);
}
