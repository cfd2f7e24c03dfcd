// SPDX-License-Identifier: GPL-3.0-or-later
// An address that a client with a connection ID has begun to send from, until it is proven or given up: what
// lies in its flight side slot, and what the engine asks of path.c. Never the address itself: that is the slot's.
#ifndef DG_CORE_PATH_H
#define DG_CORE_PATH_H

#include "core/address.h"
#include "core/side.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

// The one word by which an attaching process knows what it may believe of the rest: stored last when an address
// is written, RESTING before it is written over.
enum dg_path_phase {
    DG_PATH_RESTING = 0,   // no address: only paces the next check
    DG_PATH_OLD_CHECK = 1, // RRC: the proven address is asked first (RFC 9853 5.2)
    DG_PATH_NEW_CHECK = 2, // RRC: the new address is asked (RFC 9853 5.1)
    DG_PATH_PROBE = 3,     // DTLS 1.3 without RRC: waits for an acknowledgement from there
    DG_PATH_NEWEST = 4,    // DTLS 1.2 without RRC: waits for another record from there
    DG_PATH_MOVING = 5,    // proven: on its way into the slot, which whoever attaches completes
};

#define DG_PATH_COOKIES 3      // challenges sent in one check at most
#define DG_PATH_FAILURES_MAX 5 // that are counted: T doubles up to 32 times, for links slower than T

#define DG_KEPT_PARTS 3 // side slots that an answer is kept in at most (path_kept.c)

// Proofs by acknowledgement (path_probe.c). An address takes so many, one after the other: 33 bits in all that
// somebody who does not receive there would have to guess, each wrong guess at the price of the association.
#define DG_PATH_PROOFS 3
// The number of each is drawn from a range of its own that begins at a multiple of its size...
#define DG_HIDDEN_BITS 11
#define DG_HIDDEN_RANGE (UINT64_C(1) << DG_HIDDEN_BITS)
// ...and lies among the first of its epoch. A peer finds a number from its low 16 bits while that is less than 2^15
// above what it has seen (RFC 9147 4.2.2): so it does when it has seen nothing of the epoch yet and as many records
// again were lost besides. Beyond, a KeyUpdate without proof comes first: it brings an epoch that begins at 0.
#define DG_HIDDEN_END (UINT64_C(1) << 14)

struct dg_side_path {
    _Atomic uint32_t phase; // dg_path_phase
    uint16_t failures;      // checks in a row that nobody answered: each doubles the time of the next
    uint8_t old_is_gone;    // the proven address was asked in vain, or told us to go
    uint8_t cookie_count;
    struct dg_address peer;
    struct dg_address local;
    uint64_t received;      // bytes of opened records that came from there
    uint64_t sent;          // bytes of datagrams that went there: never above three times as many
    uint64_t cookies[DG_PATH_COOKIES];
    dg_time challenged_at[DG_PATH_COOKIES];
    dg_time challenge_after; // RFC 9853 5.5: at most one challenge in a round trip
};
_Static_assert(sizeof(struct dg_side_path) <= DG_FLIGHT_BYTES, "a path fits into a flight side slot");

static inline struct dg_side_path *dg_side_path_of(struct dg_side_flight *flight)
{
    return (struct dg_side_path *)(void *)flight->bytes;
}
static inline uint32_t dg_side_path_phase(struct dg_side_flight *flight)
{
    return atomic_load_explicit(&dg_side_path_of(flight)->phase, memory_order_relaxed);
}

#endif
