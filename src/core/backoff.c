// SPDX-License-Identifier: GPL-3.0-or-later
// Waits by prefix and identity under a keyed hash. Allocates once; no text of a client's is kept, two of them share a
// number with probability 2^-64.
#include "core/backoff.h"

#include "core/prefix.h"
#include "core/set_table.h"

#include <stdlib.h>

#define DOUBLINGS_MAX 20 // 2^20 seconds are twelve days

// An entry's rank is its wait's end, its count that of the failures: what ends first is forgotten first.
struct dg_backoff {
    struct dg_hash_key key;
    struct dg_set_table table;
};

struct dg_backoff *dg_backoff_new(uint32_t entries_max)
{
    struct dg_backoff *backoff = calloc(1, sizeof *backoff);
    if (backoff == NULL || !dg_set_table_init(&backoff->table, entries_max)) {
        free(backoff);
        return NULL;
    }
    backoff->key = dg_hash_key_new();
    return backoff;
}

void dg_backoff_free(struct dg_backoff *backoff)
{
    if (backoff != NULL) {
        dg_set_table_clear(&backoff->table);
    }
    free(backoff);
}

static uint64_t number_of(const struct dg_backoff *backoff, const struct dg_address *peer, struct dg_bytes identity)
{
    return dg_prefix_identity_number(&backoff->key, peer, DG_PREFIX_VALIDATED, identity);
}

dg_time dg_backoff_wait(const struct dg_backoff *backoff, dg_time now, const struct dg_address *peer,
                        struct dg_bytes identity)
{
    const struct dg_set_entry *entry = dg_set_table_find(&backoff->table, number_of(backoff, peer, identity));
    return entry == NULL ? 0 : dg_time_since(entry->rank, now);
}

static dg_time wait_after(uint64_t failures, dg_time wait_max)
{
    if (failures <= DG_BACKOFF_FREE) {
        return 0;
    }
    uint64_t doublings = failures - DG_BACKOFF_FREE - 1;
    dg_time wait = DG_BACKOFF_FIRST << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    return wait < wait_max ? wait : wait_max;
}

void dg_backoff_failed(struct dg_backoff *backoff, dg_time now, const struct dg_address *peer, struct dg_bytes identity,
                       dg_time wait_max)
{
    uint64_t number = number_of(backoff, peer, identity);
    struct dg_set_entry *entry = dg_set_table_find(&backoff->table, number);
    if (entry == NULL) {
        entry = dg_set_table_add(&backoff->table, number);
    }
    if (now >= entry->rank + DG_BACKOFF_FORGET) {
        entry->count = 0;
    }
    entry->count++;
    entry->rank = now + wait_after(entry->count, wait_max);
}

void dg_backoff_proven(struct dg_backoff *backoff, const struct dg_address *peer, struct dg_bytes identity)
{
    struct dg_set_entry *entry = dg_set_table_find(&backoff->table, number_of(backoff, peer, identity));
    if (entry != NULL) {
        dg_set_table_remove(entry);
    }
}
