// SPDX-License-Identifier: GPL-3.0-or-later
// The one place where time is read; everything else is given it as `now`. Never sleeps.
#ifndef DG_IO_CLOCK_H
#define DG_IO_CLOCK_H

#include "base/time_value.h"

#include <stdint.h>

// CLOCK_MONOTONIC in nanoseconds: never goes back, counts on when the wall clock is set. Never 0.
dg_time dg_clock_now(void);
// CLOCK_REALTIME, for log lines and certificates' dates only.
uint64_t dg_clock_wall_ns(void);
uint32_t dg_clock_wall_seconds(void); // ends in 2106

#endif
