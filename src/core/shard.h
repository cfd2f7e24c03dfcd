// SPDX-License-Identifier: GPL-3.0-or-later
// One shard as its worker sees it: the persistent slots and side slots, and beside them, rebuilt at every
// attach, the indexes by connection ID and by address, the books of vacant places and the deadlines. Used by one
// thread. Never opens a record, never sends.
#ifndef DG_CORE_SHARD_H
#define DG_CORE_SHARD_H

#include "base/hash.h"
#include "base/timer_heap.h"
#include "base/wire.h"
#include "core/association_ref.h"
#include "core/counters.h"
#include "core/handover.h"
#include "core/memory.h"
#include "core/path.h"
#include "core/vacancy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_slot_index;    // index.h
struct dg_side_cids;     // connection_ids.h
struct dg_shard_backlog; // shard_private.h

// The soonest of all shards' timers: asking each of them in each turn would cost more than a record.
struct dg_soonest {
    dg_time at;    // no timer is before this
    bool is_stale; // perhaps none is at this either
};

// Must not move in memory between init and clear: the indexes point back to it.
struct dg_shard {
    const struct dg_memory *memory;
    struct dg_counters *counters;
    struct dg_memory_shard_head *head;  // these four lie in the region
    struct dg_slot *slots;
    struct dg_side_wide *wides;
    struct dg_side_flight *flights;
    struct dg_shard_backlog *backlog;   // slots and side slots of the process before, not yet judged; NULL: none
    struct dg_hash_key hash_key;        // of both indexes, fresh at every attach
    uint32_t number;
    uint32_t cid_size;                  // bytes of our connection IDs
    _Atomic uint32_t live;              // slots in use; any thread may read it
    uint32_t quarantined;               // slots that are never used again
    struct dg_slot_index *by_cid;       // slots with a connection ID of ours
    struct dg_slot_index *by_address;   // slots without
    struct dg_slot_index *by_spare;     // further connection IDs of ours, by flight side slot and place in it
    struct dg_vacancy vacant_slots, vacant_wides, vacant_flights; // below the first never used:
    uint32_t fresh_slot, fresh_wide, fresh_flight;
    bool wants_trim;                    // places became vacant since all were gone through
    uint32_t trim_area, trim_at;        // where giving memory back goes on
    uint32_t sweep_at;                  // where the scan for idle and expired slots goes on
    struct dg_timer_heap timers;        // by flight side slot: the next of its two times
    struct dg_soonest *soonest;         // its engine's. NULL: nobody asks
};

// Attaches to the region's shard. All live slots are found when one is first looked for, or by dg_shard_settle; each is
// judged the first time that it is used, and all of them, bit by bit, by dg_shard_settle: one that fails its check is quarantined alone
// (SLOTS_QUARANTINED), dead ones are wiped, side slots that nobody refers to are freed. False: memory is short.
DG_MUST_USE bool dg_shard_attach(struct dg_shard *shard, const struct dg_memory *memory, uint32_t number,
                                 struct dg_counters *counters);
// Finds the live slots, or judges about so many more slots and side slots. False: there are none left.
bool dg_shard_settle(struct dg_shard *shard, uint32_t budget);
bool dg_shard_is_found(const struct dg_shard *shard); // its live slots are; until then `live` is what the region says
// Both at once.
DG_MUST_USE bool dg_shard_init(struct dg_shard *shard, const struct dg_memory *memory, uint32_t number,
                               struct dg_counters *counters);
void dg_shard_clear(struct dg_shard *shard); // frees the process-local part; the slots stay

// NULL: none. RFC 9146 3: by connection ID alone (the first one or a spare), or by path alone. What they return has
// been judged.
struct dg_slot *dg_shard_find_cid(struct dg_shard *shard, const uint8_t *cid); // cid_size bytes
struct dg_slot *dg_shard_find_address(struct dg_shard *shard, const struct dg_address *peer, uint64_t listener);
struct dg_slot *dg_shard_find_ref(struct dg_shard *shard, struct dg_ref ref);
struct dg_ref dg_shard_ref(const struct dg_shard *shard, const struct dg_slot *slot);
uint32_t dg_shard_slot_number(const struct dg_shard *shard, const struct dg_slot *slot);

// A handover comes from another thread, later from another process: before anything else is read of it, its sizes and
// numbers are checked.
DG_MUST_USE bool dg_shard_handover_is_sane(const struct dg_shard *shard, const struct dg_handover *handover);
// Fills a free slot from the handover and makes it live, last of all. NULL with ret_reason TABLE_FULL,
// CID_COLLISION or, where a size or number in the handover is out of range, FAIL_TAKEOVER; not counted
// here. A final flight that finds no side slot is left out (SIDE_FULL, counted here); an identity or peer
// ID that needs one and finds none refuses the take-over. A CID-less association at the same path must
// have been given back before.
struct dg_slot *dg_shard_take_over(struct dg_shard *shard, dg_time now, const struct dg_handover *handover,
                                   enum dg_counter *ret_reason);
// Says in the shard's head that this slot is being served (NULL: none is), so that a crash is known to have happened
// with it. Returns what it said before, for dg_shard_served.
uint32_t dg_shard_serve(struct dg_shard *shard, const struct dg_slot *slot);
void dg_shard_served(struct dg_shard *shard, uint32_t before);

// Ends it: dying first, out of the indexes, keys and side slots wiped, free last.
void dg_shard_give_back(struct dg_shard *shard, struct dg_slot *slot);

// Memory of vacant places goes back to the system: about so many pages of 4096 bytes. True: all places have been gone
// through. Where the memory's owner gives nothing back (memory.h, release), always true.
bool dg_shard_trim(struct dg_shard *shard, uint32_t pages);
bool dg_shard_may_trim(const struct dg_shard *shard); // is there perhaps something to give back?

// Keysets. tx and rx are never NULL for a live slot, rx_old may be. A change of keys in the order of stores
// that docs/memory.md asks for:
//   place = keyset_new; fill it; DG_STORE_ORDER; [rx_old_place = rx_place;] tx_place or rx_place = place;
//   later rx_old_place = DG_PLACE_NONE; DG_STORE_ORDER; keyset_free(the old place).
struct dg_keyset *dg_shard_keyset(const struct dg_shard *shard, const struct dg_slot *slot, uint32_t place);
// A place for another keyset of this slot, not yet used by it, all zeros; DG_PLACE_NONE: none to be had
// (SIDE_FULL, counted here). Store it into the slot before asking for another: an inline place is known to
// be taken only by that.
uint32_t dg_shard_keyset_new(struct dg_shard *shard, struct dg_slot *slot);
// Wipes. The slot must no longer refer to it (a bug otherwise): whoever attached then would find a live
// slot without keys.
void dg_shard_keyset_free(struct dg_shard *shard, struct dg_slot *slot, uint32_t place);

// Flight side slots of a slot, linked from slot->side.
struct dg_side_flight *dg_shard_flight(const struct dg_shard *shard, uint32_t number);
// Fill the returned one (all zeros but kind and deadline DG_NEVER), then dg_shard_flight_link, which also
// sets its timer. NULL: none to be had (SIDE_FULL, counted here).
struct dg_side_flight *dg_shard_flight_new(struct dg_shard *shard, struct dg_slot *slot, enum dg_flight_kind kind);
void dg_shard_flight_link(struct dg_shard *shard, struct dg_slot *slot, struct dg_side_flight *flight);
void dg_shard_flight_free(struct dg_shard *shard, struct dg_slot *slot, struct dg_side_flight *flight); // unlinks, wipes
struct dg_side_flight *dg_shard_flight_find(const struct dg_shard *shard, const struct dg_slot *slot,
                                            enum dg_flight_kind kind); // first of this kind, or NULL
struct dg_side_flight *dg_shard_flight_next(const struct dg_shard *shard, const struct dg_side_flight *flight);
uint32_t dg_shard_flight_number(const struct dg_shard *shard, const struct dg_side_flight *flight);
// After deadline or next_send changed: sets the timer to the earlier of those that matter for its kind:
// both for FLIGHT_MESSAGE and PATH, deadline alone for FINAL_12, EPOCH_2, CLOSING and KEPT, none for IDENTITY and PEER_CID.
void dg_shard_flight_schedule(struct dg_shard *shard, const struct dg_side_flight *flight);

// The address in a side slot of kind PATH becomes the slot's, and the side slot is freed. Whenever the process
// dies in between, whoever attaches finds the old address or the new one, whole (docs/memory.md).
void dg_shard_path_move(struct dg_shard *shard, struct dg_slot *slot, struct dg_side_flight *flight);
void dg_shard_path_phase(struct dg_side_flight *flight, enum dg_path_phase phase); // stored after all before it

// Connection IDs beyond the first of each side (RFC 9147 9).
struct dg_side_cids *dg_shard_cids(const struct dg_shard *shard, const struct dg_slot *slot); // NULL: there are none
// The same, made where there is none. NULL: none to be had (SIDE_FULL, counted here).
struct dg_side_cids *dg_shard_cids_make(struct dg_shard *shard, struct dg_slot *slot);
// One more of ours in an empty place: random, of this shard, nobody else's, found from now on, also by whoever
// attaches. False: memory is short; nothing has changed.
DG_MUST_USE bool dg_shard_cid_add(struct dg_shard *shard, const struct dg_slot *slot, uint32_t place);
void dg_shard_cid_mark(struct dg_side_cids *cids, uint32_t place, uint8_t state); // dg_own_cid but NONE
void dg_shard_cid_retire(struct dg_shard *shard, const struct dg_slot *slot, uint32_t place); // no longer found
// The peer's ID in what we send, at most DG_SLOT_PEER_CID bytes. Where the slot has a side slot of IDs, whoever
// attaches finds the old one or the new one, whole; else perhaps neither until the peer repeats its message.
void dg_shard_peer_cid_change(struct dg_shard *shard, struct dg_slot *slot, struct dg_bytes cid);

// Identity bytes, wherever they lie.
struct dg_bytes dg_shard_identity(const struct dg_shard *shard, const struct dg_slot *slot);
struct dg_bytes dg_shard_peer_cid(const struct dg_shard *shard, const struct dg_slot *slot);
// The live slots one after the other: NULL ends. For sweeps, drains, status. start at 0.
struct dg_slot *dg_shard_next_live(struct dg_shard *shard, uint32_t *cursor);
// The same among the slots below end. What is above was not looked at.
struct dg_slot *dg_shard_next_live_before(struct dg_shard *shard, uint32_t *cursor, uint32_t end);

#endif
