// SPDX-License-Identifier: GPL-3.0-or-later
// A region that several processes of a test can share, handovers to fill it with, and an accountant that
// counts every slot and side slot of a shard and says what does not add up. Never a memory file: that has
// tests of its own.
#ifndef DG_TESTS_SHARD_REGION_H
#define DG_TESTS_SHARD_REGION_H

#include "core/shard.h"
#include "support/random.h"

struct shard_region {
    void *base; // MAP_SHARED: a child's stores are seen after its death
    size_t size_bytes;
    struct dg_memory memory;
    struct dg_counters counters;
};

// With connection IDs of the default length, or of another.
bool shard_region_make(struct shard_region *region, uint32_t shards, uint32_t slots, uint32_t flights);
bool shard_region_make_as(struct shard_region *region, const struct dg_memory_shape *shape);
void shard_region_free(struct shard_region *region);

// What the handover is to be like.
#define HANDOVER_13 1u
#define HANDOVER_WIDE 2u          // AES-256-GCM with SHA-384
#define HANDOVER_CID 4u           // we issued an ID
#define HANDOVER_FLIGHT 8u        // a final flight of 1.2, a ticket of 1.3
#define HANDOVER_LONG_IDENTITY 16u
#define HANDOVER_LONG_PEER_CID 32u
#define HANDOVER_KINDS 64u
// Random keys and numbers; the address and the ID are made of `who` alone, so that they can be looked for.
void handover_make(struct dg_handover *handover, struct test_random *random, unsigned kind, uint32_t who);

// Every slot below the mark is free and wiped, or live with sane places, or quarantined; every side slot is
// free and wiped, or of a live slot that refers to it; the books of vacant ones hold all the rest; the counts fit.
// Checks with the harness and says how many are live.
uint32_t shard_account(struct dg_shard *shard);

#endif
