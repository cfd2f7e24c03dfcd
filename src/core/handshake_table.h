// SPDX-License-Identifier: GPL-3.0-or-later
// Which handshakes are under way, by the peer's address and by the connection ID offered, and which ended
// so lately that repeats of their records may still arrive. Fixed in size, indexed by place; knows nothing
// of records and never calls a handshake.
#ifndef DG_CORE_HANDSHAKE_TABLE_H
#define DG_CORE_HANDSHAKE_TABLE_H

#include "base/hash.h"
#include "base/timer_heap.h"
#include "base/wire.h"
#include "core/cid.h"
#include "core/handover.h"
#include "core/handshake.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_NO_ENTRY UINT32_MAX

enum dg_entry_state {
    DG_ENTRY_UNUSED,
    DG_ENTRY_RUNNING,  // the handshake wants records
    DG_ENTRY_PROVEN,   // it is done; its result is still inside it
    DG_ENTRY_TAKEN,    // the result is in the pending hand-over; the handshake is freed
    DG_ENTRY_FINISHED, // handed over; kept for a while so that repeats start nothing
};

struct dg_handshake_entry {
    enum dg_entry_state state;
    struct dg_path path;
    struct dg_handshake *handshake; // RUNNING and PROVEN
    uint8_t random[32];             // of the hello that began it
    uint8_t cid[DG_CID_SIZE_MAX];   // offered
    uint8_t cid_size;               // 0: none; all others of a table have one size
    uint8_t early_count;
    uint16_t early[DG_EARLY_MAX];   // buffers of held application data, in order
    uint8_t returns_left;           // FINISHED: datagrams that a worker passed on and may get back
    uint32_t pending;               // TAKEN: which pending hand-over
    dg_time begun_at;
    dg_time give_up_at;
    bool offers_13;                 // the hello did
    uint16_t hello_seq;             // its message_seq
    bool has_claimed;               // an identity, which may try
    uint64_t plain_next;            // number of the next unprotected record that is given to it
    dg_time repeat_at;              // earliest time at which a repeated hello is given to it again
    uint32_t peer_chain, cid_chain, prefix;
    uint32_t older, newer;          // FINISHED, by age
};

struct dg_handshake_table {
    struct dg_handshake_entry *entries;
    uint32_t capacity;
    uint32_t *peer_heads, *cid_heads;
    uint32_t head_mask;
    // How many are busy of each prefix: there are never more prefixes than busy handshakes.
    struct dg_prefix_count {
        uint64_t number;
        uint32_t busy;
        uint32_t chain;
    } *prefixes;
    uint32_t *prefix_heads;
    uint32_t prefix_unused_first;
    uint32_t unused_first;
    uint32_t oldest, newest; // FINISHED
    uint32_t busy;           // RUNNING, PROVEN or TAKEN
    uint32_t busy_max;
    struct dg_timer_heap timers; // by place
    struct dg_hash_key key;
};

// finished_max: how many ended ones are remembered; beyond that the oldest is forgotten first.
DG_MUST_USE bool dg_handshake_table_init(struct dg_handshake_table *table, uint32_t busy_max, uint32_t finished_max);
void dg_handshake_table_clear(struct dg_handshake_table *table); // fine on a zeroed struct

uint32_t dg_handshake_table_find(const struct dg_handshake_table *table, const struct dg_path *path);
uint32_t dg_handshake_table_find_cid(const struct dg_handshake_table *table, struct dg_bytes cid);
// How many are busy of the peer's prefix (/32, /64).
uint32_t dg_handshake_table_of_prefix(const struct dg_handshake_table *table, const struct dg_address *peer);
// A RUNNING entry; the caller has removed the path's former one. DG_NO_ENTRY: busy_max are busy. cid may be
// of size 0.
uint32_t dg_handshake_table_add(struct dg_handshake_table *table, const struct dg_path *path, struct dg_bytes cid);
// The handshake has been freed by the caller: the entry is only remembered.
void dg_handshake_table_finish(struct dg_handshake_table *table, uint32_t place);
void dg_handshake_table_remove(struct dg_handshake_table *table, uint32_t place);

#endif
