// SPDX-License-Identifier: GPL-3.0-or-later
// Connection IDs beyond the first of each side (RFC 9147 9): what lies in their flight side slot, and what the
// engine asks of connection_ids.c. Never the ID that the handshake negotiated, nor the one in use: those are the
// slot's.
#ifndef DG_CORE_CONNECTION_IDS_H
#define DG_CORE_CONNECTION_IDS_H

#include "base/wire.h"
#include "core/result.h"
#include "core/side.h"
#include "core/slot.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_CID_SPARES 4 // of each side's, at a time

enum dg_own_cid {
    DG_OWN_CID_NONE = 0,
    DG_OWN_CID_ROUTABLE = 1, // found by the index, and perhaps not in any message yet
    DG_OWN_CID_GIVEN = 2,    // in a NewConnectionId of ours
    DG_OWN_CID_SEEN = 3,     // and a record of the peer with it has opened
};

struct dg_peer_cid {
    uint8_t size;
    uint8_t bytes[DG_SLOT_PEER_CID];
};

struct dg_side_cids {
    uint8_t own[DG_CID_SPARES][DG_CID_SIZE_MAX];
    _Atomic uint8_t own_state[DG_CID_SPARES]; // dg_own_cid; stored after the ID, and NONE before it is wiped
    struct dg_peer_cid peer[DG_CID_SPARES];   // a ring: the n-th that was kept lies at n % DG_CID_SPARES
    struct dg_peer_cid change;                // on its way into the slot
    _Atomic uint32_t peer_kept, peer_taken;   // since the association began; wrap together
    _Atomic uint32_t is_changing;             // change is whole, and not yet whole in the slot
    uint8_t newest;                           // own: the one of the peer's newest record + 1; 0: the first ID
    uint8_t before;                           // own: the one before that
    uint8_t requests_in_vain;                 // in a row
    uint8_t is_requested;                     // we asked, and were not answered yet
};
_Static_assert(sizeof(struct dg_side_cids) <= DG_FLIGHT_BYTES, "connection IDs fit into a flight side slot");

static inline struct dg_side_cids *dg_side_cids_of(struct dg_side_flight *flight)
{
    return (struct dg_side_cids *)(void *)flight->bytes;
}
static inline uint32_t dg_side_cids_peer_count(const struct dg_side_cids *cids)
{
    return atomic_load_explicit(&cids->peer_kept, memory_order_relaxed) -
           atomic_load_explicit(&cids->peer_taken, memory_order_relaxed);
}

struct dg_association;

// Messages of the peer.
DG_MUST_USE struct dg_result dg_connection_id_requested(const struct dg_association *association,
                                                        struct dg_bytes body);
DG_MUST_USE struct dg_result dg_connection_id_received(const struct dg_association *association,
                                                       struct dg_bytes body);
// A record with this ID of ours has opened; is_newest: its number is above all before it.
void dg_connection_id_seen(const struct dg_association *association, const uint8_t *cid, bool is_newest);
// What we send goes a new path from now on: with an ID that nobody has seen on the path before (RFC 9147 9,
// RFC 9853 9), if the peer gave us one to spare. False: with the ID as before.
bool dg_connection_id_fresh(const struct dg_association *association);
// Asks the peer for more, unless there are some, or it was asked already, or it wants none in what we send.
void dg_connection_id_request(const struct dg_association *association);

#endif
