// SPDX-License-Identifier: GPL-3.0-or-later
// The steps of the back-off. Owns no state but a count.
#include "client/backoff.h"

dg_time dg_backoff_fail(struct dg_backoff *backoff, uint64_t chance)
{
    dg_time step = DG_BACKOFF_FIRST;
    for (uint32_t i = 0; i < backoff->failures && step < DG_BACKOFF_LAST; i++)
        step *= 2;
    if (step > DG_BACKOFF_LAST)
        step = DG_BACKOFF_LAST;
    if (backoff->failures < UINT32_MAX)
        backoff->failures++;
    return step / 2 + chance % (step / 2 + 1);
}

void dg_backoff_reset(struct dg_backoff *backoff)
{
    backoff->failures = 0;
}
