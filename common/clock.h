/* The clock, real or set by a test. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Wall clock in microseconds since 1970. */
uint64_t clock_us(void);

/* Wall clock in seconds since 1970. */
time_t clock_s(void);

/* Milliseconds, microseconds that only grow; origin unspecified. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);

/* Tests: fixes the wall clock at `us`; 0 gives the real one back. */
void clock_set(uint64_t us);

#endif
