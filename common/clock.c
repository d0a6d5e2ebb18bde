/* The clock, real or set by a test. */
#include "common/clock.h"

static uint64_t fixed_us;

uint64_t
clock_us(void)
{
	struct timespec ts;

	if (fixed_us != 0)
		return fixed_us;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

time_t
clock_s(void)
{
	return (time_t)(clock_us() / 1000000);
}

uint64_t
clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

void
clock_set(uint64_t us)
{
	fixed_us = us;
}
