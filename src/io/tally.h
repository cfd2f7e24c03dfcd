// SPDX-License-Identifier: GPL-3.0-or-later
// How many associations an identity and a network have at once, over all workers: the one table that they share, behind a
// lock that is held for some loads and stores, and for the message to the worker of one that must end, at take-overs,
// ends and reviews alone. It cannot fill up before the slots do: each slot has its place in it. Made anew by each
// process. Ends nothing itself, never reads a slot.
#ifndef DG_IO_TALLY_H
#define DG_IO_TALLY_H

#include "base/attributes.h"
#include "base/hash.h"
#include "core/address.h"
#include "core/association_ref.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_tally;

// Room for as many associations as the memory has slots; what nobody is counted in stays untouched. NULL: memory is short.
struct dg_tally *dg_tally_new(uint32_t shard_count, uint32_t slots_per_shard);
void dg_tally_free(struct dg_tally *tally); // NULL is fine

// Whose associations are counted together.
uint64_t dg_tally_identity_key(const struct dg_tally *tally, uint64_t listener, uint8_t identity_kind,
                               const void *identity, size_t identity_size);
uint64_t dg_tally_prefix_key(const struct dg_tally *tally, const struct dg_address *peer); // IPv4 /32, IPv6 /64

struct dg_tally_entry {
    struct dg_ref ref;
    uint32_t opened_tick;  // dg_slot_tick
    uint32_t now_tick;
    uint64_t key;
    uint32_t max;          // at once, at least 1
    bool replaces_oldest;  // above max the oldest ends, else the youngest
    // Called under the lock: the association is to end, soon. False: it cannot be told, so the one that joins ends.
    bool (*end)(void *context, struct dg_ref ref);
    void *context;
};
// Counts it, unless it is there already, then ends whoever is above the maximum: for any order in which a set of
// associations joins the same ones stay. False: it is not one of those, and must end. For the thread whose association it is.
DG_MUST_USE bool dg_tally_join(struct dg_tally *tally, const struct dg_tally_entry *entry);
// It has ended, or is not counted any more: by identity; by network.
void dg_tally_leave(struct dg_tally *tally, struct dg_ref ref);

// By network: one that moves there is counted and never refused. max 0: no limit for now.
DG_MUST_USE bool dg_tally_prefix_join(struct dg_tally *tally, struct dg_ref ref, uint64_t key, uint32_t max,
                                      bool is_new);
void dg_tally_prefix_leave(struct dg_tally *tally, struct dg_ref ref);

// For status and tests.
uint32_t dg_tally_count(struct dg_tally *tally, uint64_t key);
uint32_t dg_tally_prefix_count(struct dg_tally *tally, uint64_t key);

#endif
