/* Preloaded by the tests: the kernel says that something keeps the clock right, whatever machine they run on. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

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
