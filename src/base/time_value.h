// SPDX-License-Identifier: GPL-3.0-or-later
// Time as an argument: nanoseconds of one monotonic clock, passed in as `now`. Never reads a clock.
#ifndef DG_BASE_TIME_VALUE_H
#define DG_BASE_TIME_VALUE_H

#include <stdint.h>

typedef uint64_t dg_time; // nanoseconds, monotonic; 0 is "never happened"

#define DG_MICROSECOND UINT64_C(1000)
#define DG_MILLISECOND UINT64_C(1000000)
#define DG_SECOND UINT64_C(1000000000)
#define DG_MINUTE (60 * DG_SECOND)
#define DG_HOUR (60 * DG_MINUTE)
#define DG_NEVER UINT64_MAX // a deadline that does not come

static inline dg_time dg_time_min(dg_time a, dg_time b) { return a < b ? a : b; }
// a - b, or 0 when b is later
static inline dg_time dg_time_since(dg_time now, dg_time then) { return now > then ? now - then : 0; }

#endif
