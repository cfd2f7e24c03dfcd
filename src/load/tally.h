// SPDX-License-Identifier: GPL-3.0-or-later
// What a thread of load counts, as one list from which names and reports are made. One thread writes its own, any may
// read meanwhile.
#ifndef DG_LOAD_TALLY_H
#define DG_LOAD_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

// X(enum suffix, name in the JSON report)
#define DG_LOAD_TALLY_LIST(X)                                                                          \
    X(HANDSHAKES_STARTED, "handshakes_started")                                                        \
    X(HANDSHAKES_DONE, "handshakes_done")                                                              \
    X(HANDSHAKES_RESUMED, "handshakes_resumed")     /* of these, with a ticket */                      \
    X(HANDSHAKES_FAILED, "handshakes_failed")                                                          \
    X(HANDSHAKE_TIMEOUTS, "handshake_timeouts")     /* flights that we had to repeat */                \
    X(ASSOCIATIONS_ENDED, "associations_ended")     /* by the server, or by an error */                \
    X(ASSOCIATIONS_CLOSED, "associations_closed")   /* by us */                                        \
    X(MESSAGES_SENT, "messages_sent")                                                                  \
    X(MESSAGES_ANSWERED, "messages_answered")                                                          \
    X(MESSAGES_LOST, "messages_lost")               /* no answer in time */                            \
    X(MESSAGES_UNSENT, "messages_unsent")           /* our own record layer refused them */            \
    X(OMITTED, "omitted")                           /* messages or handshakes that were due and never begun */ \
    X(ANSWERS_LATE, "answers_late")                 /* to what counts as lost already */               \
    X(ANSWERS_REPEATED, "answers_repeated")         /* the same answer once more */                    \
    X(ANSWERS_FOREIGN, "answers_foreign")           /* that are no answer to any message of ours */    \
    X(MOVES, "moves")                               /* changes of an association's address */

enum dg_load_tally_item {
#define DG_LOAD_TALLY_ENUM(suffix, name) DG_LOAD_##suffix,
    DG_LOAD_TALLY_LIST(DG_LOAD_TALLY_ENUM)
#undef DG_LOAD_TALLY_ENUM
    DG_LOAD_TALLY_COUNT
};

struct dg_load_tally {
    _Atomic uint64_t values[DG_LOAD_TALLY_COUNT];
};

static inline uint64_t dg_load_tally_read(const struct dg_load_tally *tally, enum dg_load_tally_item item)
{
    return atomic_load_explicit(&tally->values[item], memory_order_relaxed);
}

static inline void dg_load_tally_by(struct dg_load_tally *tally, enum dg_load_tally_item item, uint64_t amount)
{
    atomic_store_explicit(&tally->values[item], dg_load_tally_read(tally, item) + amount, memory_order_relaxed);
}

static inline void dg_load_tally(struct dg_load_tally *tally, enum dg_load_tally_item item)
{
    dg_load_tally_by(tally, item, 1);
}

#endif
