// SPDX-License-Identifier: GPL-3.0-or-later
// From a key to the slot that has it: a process-local hash table of slot numbers, four bytes an entry.
// Holds no key: it asks its owner what key a slot has. Never in memory that outlives the process.
#ifndef DG_CORE_INDEX_H
#define DG_CORE_INDEX_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

struct dg_slot_index;

#define DG_NO_SLOT UINT32_MAX
#define DG_INDEX_SLOT_MAX ((UINT32_C(1) << 24) - 2) // highest slot number that an entry can name

// The keyed hash of the key that a slot has. Must give for a slot, as long as it is in the index, what
// the slot was inserted under.
typedef uint64_t (*dg_slot_hash)(const void *context, uint32_t slot);
// Has this slot the key that is looked for?
typedef bool (*dg_slot_match)(const void *context, uint32_t slot, const void *key);

// For slots 0..slot_count-1. The table begins small and doubles as it fills, inside insert. NULL: memory short.
DG_MUST_USE struct dg_slot_index *dg_slot_index_new(uint32_t slot_count, dg_slot_hash hash, dg_slot_match match,
                                                    const void *context);
void dg_slot_index_free(struct dg_slot_index *index); // NULL is fine

// Makes an empty index as large as it would grow for so many. Pages that stay empty cost nothing. False: memory short.
DG_MUST_USE bool dg_slot_index_reserve(struct dg_slot_index *index, uint32_t count);

// Asks for the entry where a search for the hash begins, without waiting for it.
void dg_slot_index_prefetch(const struct dg_slot_index *index, uint64_t hash);
// The first slot that the entries do not exclude: probably the one. DG_NO_SLOT: certainly none.
uint32_t dg_slot_index_guess(const struct dg_slot_index *index, uint64_t hash);
// DG_NO_SLOT: no slot has the key.
uint32_t dg_slot_index_find(const struct dg_slot_index *index, uint64_t hash, const void *key);
// A slot that is not in yet. False: the table is full and memory is short; nothing has changed.
DG_MUST_USE bool dg_slot_index_insert(struct dg_slot_index *index, uint32_t slot);
// Takes it out while it still has its key. False: it was not in.
bool dg_slot_index_remove(struct dg_slot_index *index, uint32_t slot);
uint32_t dg_slot_index_count(const struct dg_slot_index *index);

#endif
