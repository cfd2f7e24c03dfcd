// SPDX-License-Identifier: GPL-3.0-or-later
// How long to wait before dialling again: 1 s, doubling to 60 s, each with jitter, so that many clients of a
// server that restarts do not come back in one moment. Never reads a clock.
#ifndef DG_CLIENT_BACKOFF_H
#define DG_CLIENT_BACKOFF_H

#include "base/time_value.h"

#include <stdint.h>

#define DG_BACKOFF_FIRST DG_SECOND
#define DG_BACKOFF_LAST DG_MINUTE

struct dg_backoff {
    uint32_t failures; // in a row; 0: none
};

// Notes a failure. Returns how long to wait now: between half of the step and the step; chance is any number.
dg_time dg_backoff_fail(struct dg_backoff *backoff, uint64_t chance);
void dg_backoff_reset(struct dg_backoff *backoff);

#endif
