// SPDX-License-Identifier: GPL-3.0-or-later
// How long to wait before a server that died is started again. Never starts one.
#ifndef DG_KEEPER_RESTART_H
#define DG_KEEPER_RESTART_H

#include "base/time_value.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_RESTART_FIRST_WAIT (100 * DG_MILLISECOND)
#define DG_RESTART_LONGEST_WAIT (5 * DG_SECOND)
#define DG_RESTART_LIVED_LONG (10 * DG_SECOND) // being ready for so long, it was no loop

struct dg_restart {
    uint32_t in_all;  // deaths since the keeper began
    uint32_t in_row;  // deaths of servers that had not lived long
};

// A death; ready_for: how long it had served, 0: it never did. Returns the wait: none after the first death, then
// doubling. It never gives up: what is kept would be lost.
dg_time dg_restart_after_death(struct dg_restart *restart, dg_time ready_for);

#endif
