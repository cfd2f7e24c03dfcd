// SPDX-License-Identifier: GPL-3.0-or-later
// Wakes a thread out of epoll_wait: an eventfd, watched edge-triggered and never read, and a word that says whether
// it may be asleep, so that a busy thread costs its writers no system call. Never carries data.
#ifndef DG_IO_WAKE_H
#define DG_IO_WAKE_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>

struct dg_wake {
    int fd; // each write is an edge
    _Alignas(DG_CACHE_LINE) _Atomic bool may_sleep;
};

DG_MUST_USE bool dg_wake_init(struct dg_wake *wake); // false: no descriptor left
void dg_wake_clear(struct dg_wake *wake);

// Any thread, after it has published what the sleeper should see.
void dg_wake_up(struct dg_wake *wake);
// The same for what the sleeper does not look at before it sleeps: ends its next sleep in any case.
void dg_wake_surely(struct dg_wake *wake);
// The sleeper: before its last look at what may have been published, and after it woke.
void dg_wake_will_sleep(struct dg_wake *wake);
void dg_wake_is_awake(struct dg_wake *wake);

#endif
