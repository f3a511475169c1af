/* Preloaded by the tests: the kernel says that something keeps the clock right, whatever machine they run on. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/timex.h>

int adjtimex(struct timex *state)
{
	memset(state, 0, sizeof *state);
	return TIME_OK;
}
