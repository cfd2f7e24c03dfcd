// SPDX-License-Identifier: GPL-3.0-or-later
// A set-associative table of bits, by a keyed hash over prefix and identity. Allocates once; an entry is pushed out by
// the eighth newer one of its set, which costs its client one more try.
#include "core/key_turns.h"

#include "base/hash.h"
#include "core/prefix.h"

#include <stdlib.h>

#define WAYS 8

struct turn {
    uint64_t number;  // of prefix and identity
    uint64_t used_at; // count of changes; 0: never
    uint8_t key;
};

struct dg_key_turns {
    struct dg_hash_key hash_key;
    uint64_t set_mask;
    uint64_t changes;
    struct turn entries[];
};

struct dg_key_turns *dg_key_turns_new(uint32_t entries_max)
{
    uint64_t sets = 1;
    while (sets * WAYS < entries_max)
        sets *= 2;
    struct dg_key_turns *turns = calloc(1, sizeof *turns + sets * WAYS * sizeof turns->entries[0]);
    if (turns == NULL)
        return NULL;
    turns->hash_key = dg_hash_key_new();
    turns->set_mask = sets - 1;
    return turns;
}

void dg_key_turns_free(struct dg_key_turns *turns) { free(turns); }

static uint64_t number_of(const struct dg_key_turns *turns, const struct dg_address *peer, struct dg_bytes identity)
{
    return dg_prefix_identity_number(&turns->hash_key, peer, DG_PREFIX_VALIDATED, identity);
}

unsigned dg_key_turns_next(const struct dg_key_turns *turns, const struct dg_address *peer, struct dg_bytes identity)
{
    uint64_t number = number_of(turns, peer, identity);
    const struct turn *set = &turns->entries[(number & turns->set_mask) * WAYS];
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used_at != 0 && set[i].number == number)
            return set[i].key;
    return 0;
}

void dg_key_turns_set(struct dg_key_turns *turns, const struct dg_address *peer, struct dg_bytes identity, unsigned key)
{
    uint64_t number = number_of(turns, peer, identity);
    struct turn *set = &turns->entries[(number & turns->set_mask) * WAYS];
    struct turn *entry = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used_at != 0 && set[i].number == number) {
            entry = &set[i];
            break;
        }
        if (set[i].used_at < entry->used_at)
            entry = &set[i];
    }
    *entry = (struct turn){.number = number, .used_at = ++turns->changes, .key = key != 0};
}
