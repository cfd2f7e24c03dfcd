// SPDX-License-Identifier: GPL-3.0-or-later
// The back-off of a crash loop: at once, 100 ms, 200 ms, and so on to 5 s.
#include "keeper/restart.h"

dg_time dg_restart_after_death(struct dg_restart *restart, dg_time ready_for)
{
    restart->in_all++;
    restart->in_row = ready_for >= DG_RESTART_LIVED_LONG ? 1 : restart->in_row + 1;
    if (restart->in_row <= 1)
        return 0;
    dg_time wait = DG_RESTART_FIRST_WAIT;
    for (uint32_t i = 2; i < restart->in_row && wait < DG_RESTART_LONGEST_WAIT; i++)
        wait *= 2;
    return wait < DG_RESTART_LONGEST_WAIT ? wait : DG_RESTART_LONGEST_WAIT;
}
