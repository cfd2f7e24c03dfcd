// SPDX-License-Identifier: GPL-3.0-or-later
// Bits by a keyed hash over prefix and identity. Allocates once; an entry is pushed out by the eighth newer one of its
// set, which costs its client one more try.
#include "core/key_turns.h"

#include "base/hash.h"
#include "core/prefix.h"
#include "core/set_table.h"

#include <stdlib.h>

// An entry's rank says when it was changed last, its count which key's turn it is.
struct dg_key_turns {
    struct dg_hash_key hash_key;
    uint64_t changes;
    struct dg_set_table table;
};

struct dg_key_turns *dg_key_turns_new(uint32_t entries_max)
{
    struct dg_key_turns *turns = calloc(1, sizeof *turns);
    if (turns == NULL || !dg_set_table_init(&turns->table, entries_max)) {
        free(turns);
        return NULL;
    }
    turns->hash_key = dg_hash_key_new();
    return turns;
}

void dg_key_turns_free(struct dg_key_turns *turns)
{
    if (turns != NULL)
        dg_set_table_clear(&turns->table);
    free(turns);
}

static uint64_t number_of(const struct dg_key_turns *turns, const struct dg_address *peer, struct dg_bytes identity)
{
    return dg_prefix_identity_number(&turns->hash_key, peer, DG_PREFIX_VALIDATED, identity);
}

unsigned dg_key_turns_next(const struct dg_key_turns *turns, const struct dg_address *peer, struct dg_bytes identity)
{
    const struct dg_set_entry *entry = dg_set_table_find(&turns->table, number_of(turns, peer, identity));
    return entry != NULL ? (unsigned)entry->count : 0;
}

void dg_key_turns_set(struct dg_key_turns *turns, const struct dg_address *peer, struct dg_bytes identity, unsigned key)
{
    uint64_t number = number_of(turns, peer, identity);
    struct dg_set_entry *entry = dg_set_table_find(&turns->table, number);
    if (entry == NULL)
        entry = dg_set_table_add(&turns->table, number);
    entry->rank = ++turns->changes;
    entry->count = key != 0;
}
