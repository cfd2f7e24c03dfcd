// SPDX-License-Identifier: GPL-3.0-or-later
// Stands in front of three functions of the C library: what a program defines itself comes before the
// shared library's. Owns one process-wide state; used by one thread.
#include "support/sim_clock.h"

#include "support/random.h"

#include <stdbool.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool is_virtual;
    dg_time now;
    struct test_random random;
} state;

void sim_clock_start(uint64_t seed)
{
    state.is_virtual = true;
    state.now = 0;
    state.random.state = ~seed; // not the numbers that the network draws
}

void sim_clock_set(dg_time now) { state.now = now; }
void sim_clock_stop(void) { state.is_virtual = false; }

static struct timespec wall(void)
{
    struct timespec at;
    if (state.is_virtual) {
        at.tv_sec = SIM_WALL_START + (time_t)(state.now / DG_SECOND);
        at.tv_nsec = (long)(state.now % DG_SECOND);
    } else {
        clock_gettime(CLOCK_REALTIME, &at);
    }
    return at;
}

uint32_t sim_clock_wall_seconds(void) { return (uint32_t)wall().tv_sec; }

time_t time(time_t *ret)
{
    time_t seconds = wall().tv_sec;
    if (ret != NULL) {
        *ret = seconds;
    }
    return seconds;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    (void)zone;
    struct timespec at = wall();
    *ret = (struct timeval){.tv_sec = at.tv_sec, .tv_usec = at.tv_nsec / 1000};
    return 0;
}

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    if (!state.is_virtual) {
        return syscall(SYS_getrandom, buffer, size, flags);
    }
    test_random_fill(&state.random, buffer, size);
    return (ssize_t)size;
}
