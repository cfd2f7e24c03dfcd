// SPDX-License-Identifier: GPL-3.0-or-later
// The sliding window of record numbers of one epoch (RFC 9147 4.5.1, RFC 6347 4.1.2.6). Plain data.
// Never moved before the record has opened: check first, accept after the AEAD.
#ifndef DG_CORE_REPLAY_H
#define DG_CORE_REPLAY_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DG_REPLAY_WIDTH 128 // numbers; RFC 6347 4.1.2.6 asks for at least 32 and prefers 64

// `next` is the highest number accepted + 1 (0: none yet), kept by the owner beside the window. A number's
// bit lies at number % DG_REPLAY_WIDTH, so that nothing shifts: a process that dies between two stores
// leaves a window that refuses too much, never one that takes a record twice.
struct dg_replay {
    uint64_t seen[DG_REPLAY_WIDTH / 64];
};

// True when `number` was not seen and is not older than the window.
DG_MUST_USE bool dg_replay_is_fresh(const struct dg_replay *replay, uint64_t next, uint64_t number);
// Marks number as seen: stores `next` first, then clears the bits that it passed over, then sets the
// number's own. The caller has checked that it is fresh and delivers nothing before this returns.
void dg_replay_accept(struct dg_replay *replay, _Atomic uint64_t *next, uint64_t number);

#endif
