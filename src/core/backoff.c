// SPDX-License-Identifier: GPL-3.0-or-later
// Waits by prefix and identity in a set-associative table under a keyed hash. Allocates once; no text of a client's is
// kept, two of them share a number with probability 2^-64.
#include "core/backoff.h"

#include "core/prefix.h"

#include <stdlib.h>

#define WAYS 8
#define DOUBLINGS_MAX 20 // 2^20 seconds are twelve days

struct entry {
    uint64_t number;     // of prefix and identity
    dg_time until;       // the wait's end
    uint32_t failures;   // 0: unused
};

struct dg_backoff {
    struct dg_hash_key key;
    uint64_t set_mask;
    struct entry entries[];
};

struct dg_backoff *dg_backoff_new(uint32_t entries_max)
{
    uint64_t sets = 1;
    while (sets * WAYS < entries_max) {
        sets *= 2;
    }
    struct dg_backoff *backoff = calloc(1, sizeof *backoff + sets * WAYS * sizeof backoff->entries[0]);
    if (backoff == NULL) {
        return NULL;
    }
    backoff->key = dg_hash_key_new();
    backoff->set_mask = sets - 1;
    return backoff;
}

void dg_backoff_free(struct dg_backoff *backoff) { free(backoff); }

static uint64_t number_of(const struct dg_backoff *backoff, const struct dg_address *peer, struct dg_bytes identity)
{
    return dg_prefix_identity_number(&backoff->key, peer, DG_PREFIX_VALIDATED, identity);
}

static size_t find(const struct dg_backoff *backoff, uint64_t number)
{
    size_t first = (number & backoff->set_mask) * WAYS;
    for (size_t i = first; i < first + WAYS; i++) {
        if (backoff->entries[i].failures != 0 && backoff->entries[i].number == number) {
            return i;
        }
    }
    return SIZE_MAX;
}

dg_time dg_backoff_wait(const struct dg_backoff *backoff, dg_time now, const struct dg_address *peer,
                        struct dg_bytes identity)
{
    size_t place = find(backoff, number_of(backoff, peer, identity));
    return place == SIZE_MAX ? 0 : dg_time_since(backoff->entries[place].until, now);
}

// A free entry of the set, or the one whose wait ends, or has ended, first.
static struct entry *room_for(struct dg_backoff *backoff, uint64_t number)
{
    struct entry *set = &backoff->entries[(number & backoff->set_mask) * WAYS];
    struct entry *chosen = set;
    for (size_t i = 0; i < WAYS && chosen->failures != 0; i++) {
        if (set[i].failures == 0 || set[i].until < chosen->until) {
            chosen = &set[i];
        }
    }
    *chosen = (struct entry){.number = number};
    return chosen;
}

static dg_time wait_after(uint32_t failures, dg_time wait_max)
{
    if (failures <= DG_BACKOFF_FREE) {
        return 0;
    }
    uint32_t doublings = failures - DG_BACKOFF_FREE - 1;
    dg_time wait = DG_BACKOFF_FIRST << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    return wait < wait_max ? wait : wait_max;
}

void dg_backoff_failed(struct dg_backoff *backoff, dg_time now, const struct dg_address *peer, struct dg_bytes identity,
                       dg_time wait_max)
{
    uint64_t number = number_of(backoff, peer, identity);
    size_t place = find(backoff, number);
    struct entry *entry = place != SIZE_MAX ? &backoff->entries[place] : room_for(backoff, number);
    if (now >= entry->until + DG_BACKOFF_FORGET) {
        entry->failures = 0;
    }
    if (entry->failures < UINT32_MAX) {
        entry->failures++;
    }
    entry->until = now + wait_after(entry->failures, wait_max);
}

void dg_backoff_proven(struct dg_backoff *backoff, const struct dg_address *peer, struct dg_bytes identity)
{
    size_t place = find(backoff, number_of(backoff, peer, identity));
    if (place != SIZE_MAX) {
        backoff->entries[place] = (struct entry){0};
    }
}
