// SPDX-License-Identifier: GPL-3.0-or-later
// The messages under way, by number: when each was due, which association sent it, whether its answer has come. What
// is not answered in time is lost, and said to be, once. Numbers go up by one; time is an argument.
#ifndef DG_LOAD_PENDING_H
#define DG_LOAD_PENDING_H

#include "base/attributes.h"
#include "base/time_value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_load_message {
    dg_time due_at;     // when it was to be sent: latency counts from here
    dg_time give_up_at; // never before that of the message before it
    uint32_t seat;
    bool is_answered;
};

struct dg_load_pending {
    struct dg_load_message *ring;
    size_t capacity;       // a power of two
    uint64_t first, next;  // numbers in the ring: first <= n < next
    uint64_t open;         // of these, not answered
};

// False: memory is short.
DG_MUST_USE bool dg_load_pending_init(struct dg_load_pending *pending, size_t capacity);
void dg_load_pending_clear(struct dg_load_pending *pending);

// Notes a message; its number is pending->next as it was before. False: memory is short, nothing was noted.
DG_MUST_USE bool dg_load_pending_put(struct dg_load_pending *pending, dg_time due_at, dg_time give_up_at,
                                     uint32_t seat);

enum dg_load_answer {
    DG_LOAD_ANSWERED,
    DG_LOAD_ANSWERED_AGAIN,  // it had been answered, and is still remembered
    DG_LOAD_ANSWERED_LATE,   // it is not remembered any more: given up, or answered long ago
    DG_LOAD_ANSWERS_NOTHING, // there was no such message
};
// ret: the message, with ANSWERED.
enum dg_load_answer dg_load_pending_answer(struct dg_load_pending *pending, uint64_t number, uint32_t seat,
                                           struct dg_load_message *ret);
// Takes out one that is given up by now. False: there is none.
DG_MUST_USE bool dg_load_pending_expire(struct dg_load_pending *pending, dg_time now, struct dg_load_message *ret);
dg_time dg_load_pending_deadline(const struct dg_load_pending *pending); // DG_NEVER: nothing is under way

#endif
