// SPDX-License-Identifier: GPL-3.0-or-later
// Open addressing with linear probing over 32-bit entries: 8 bits of the hash as a tag, 24 bits of slot
// number + 1. Deletion shifts the entries behind back, so that there are no tombstones and a table that
// has seen a million associations is as fast as a new one. Strangers choose addresses and may see
// connection IDs: hence the owner's hash is keyed.
#include "core/index.h"

#include <stdlib.h>

#define ENTRIES_FIRST 16u
#define TAG_SHIFT 24
#define SLOT_MASK ((UINT32_C(1) << TAG_SHIFT) - 1)

struct dg_slot_index {
    uint32_t *entries; // 0: empty
    uint32_t mask;     // entries - 1; their number is a power of two
    uint32_t count;
    uint32_t slot_count;
    dg_slot_hash hash;
    dg_slot_match match;
    const void *context;
};

static uint32_t entry_of(uint64_t hash, uint32_t slot)
{
    return (uint32_t)(hash >> 56) << TAG_SHIFT | (slot + 1);
}

static uint32_t slot_of(uint32_t entry)
{
    return (entry & SLOT_MASK) - 1;
}

static uint32_t home_of(const struct dg_slot_index *index, uint64_t hash)
{
    return (uint32_t)hash & index->mask;
}

struct dg_slot_index *dg_slot_index_new(uint32_t slot_count, dg_slot_hash hash, dg_slot_match match,
                                        const void *context)
{
    DG_BUG_UNLESS(slot_count <= DG_INDEX_SLOT_MAX + 1);
    struct dg_slot_index *index = calloc(1, sizeof *index);
    uint32_t *entries = calloc(ENTRIES_FIRST, sizeof *entries);
    if (index == NULL || entries == NULL) {
        free(entries);
        free(index);
        return NULL;
    }
    *index = (struct dg_slot_index){.entries = entries,
                                    .mask = ENTRIES_FIRST - 1,
                                    .slot_count = slot_count,
                                    .hash = hash,
                                    .match = match,
                                    .context = context};
    return index;
}

void dg_slot_index_free(struct dg_slot_index *index)
{
    if (index == NULL) {
        return;
    }
    free(index->entries);
    free(index);
}

bool dg_slot_index_reserve(struct dg_slot_index *index, uint32_t count)
{
    DG_BUG_UNLESS(index->count == 0 && count <= index->slot_count);
    uint32_t size = index->mask + 1;
    while (count > size - size / 8) {
        size *= 2;
    }
    if (size == index->mask + 1) {
        return true;
    }
    uint32_t *entries = calloc(size, sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    free(index->entries);
    index->entries = entries;
    index->mask = size - 1;
    return true;
}

void dg_slot_index_prefetch(const struct dg_slot_index *index, uint64_t hash)
{
    __builtin_prefetch(&index->entries[home_of(index, hash)]);
}

uint32_t dg_slot_index_guess(const struct dg_slot_index *index, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 56);
    for (uint32_t at = home_of(index, hash); index->entries[at] != 0; at = (at + 1) & index->mask) {
        if (index->entries[at] >> TAG_SHIFT == tag) {
            return slot_of(index->entries[at]);
        }
    }
    return DG_NO_SLOT;
}

uint32_t dg_slot_index_find(const struct dg_slot_index *index, uint64_t hash, const void *key)
{
    uint32_t tag = (uint32_t)(hash >> 56);
    for (uint32_t at = home_of(index, hash); index->entries[at] != 0; at = (at + 1) & index->mask) {
        uint32_t entry = index->entries[at];
        if (entry >> TAG_SHIFT == tag && index->match(index->context, slot_of(entry), key)) {
            return slot_of(entry);
        }
    }
    return DG_NO_SLOT;
}

static void put(struct dg_slot_index *index, uint64_t hash, uint32_t slot)
{
    uint32_t at = home_of(index, hash);
    while (index->entries[at] != 0) {
        at = (at + 1) & index->mask;
    }
    index->entries[at] = entry_of(hash, slot);
}

static bool grow(struct dg_slot_index *index)
{
    uint32_t old_count = index->mask + 1;
    uint32_t *old = index->entries;
    uint32_t *entries = calloc((size_t)old_count * 2, sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    index->entries = entries;
    index->mask = old_count * 2 - 1;
    for (uint32_t at = 0; at < old_count; at++) {
        if (old[at] != 0) {
            uint32_t slot = slot_of(old[at]);
            put(index, index->hash(index->context, slot), slot);
        }
    }
    free(old);
    return true;
}

bool dg_slot_index_insert(struct dg_slot_index *index, uint32_t slot)
{
    DG_BUG_UNLESS(slot < index->slot_count);
    // Full at seven eighths: an entry then costs 4.6 to 9.1 bytes. Where memory is short it goes on to the
    // last entry but one, the empty one that ends every search.
    uint32_t size = index->mask + 1;
    if (index->count >= size - size / 8 && !grow(index) && index->count + 1 >= size) {
        return false;
    }
    put(index, index->hash(index->context, slot), slot);
    index->count++;
    return true;
}

bool dg_slot_index_remove(struct dg_slot_index *index, uint32_t slot)
{
    uint32_t hole = home_of(index, index->hash(index->context, slot));
    while (index->entries[hole] != 0 && slot_of(index->entries[hole]) != slot) {
        hole = (hole + 1) & index->mask;
    }
    if (index->entries[hole] == 0) {
        return false;
    }
    // An entry behind the hole moves into it unless its home lies between the two: a search for it would
    // then begin behind the hole.
    for (uint32_t at = (hole + 1) & index->mask; index->entries[at] != 0; at = (at + 1) & index->mask) {
        uint32_t home = home_of(index, index->hash(index->context, slot_of(index->entries[at])));
        uint32_t distance_home = (at - home) & index->mask;
        uint32_t distance_hole = (at - hole) & index->mask;
        if (distance_home >= distance_hole) {
            index->entries[hole] = index->entries[at];
            hole = at;
        }
    }
    index->entries[hole] = 0;
    index->count--;
    return true;
}

uint32_t dg_slot_index_count(const struct dg_slot_index *index)
{
    return index->count;
}
