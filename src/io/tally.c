// SPDX-License-Identifier: GPL-3.0-or-later
// Two hash tables of chains whose nodes lie where their slots' numbers say, so that nothing is ever allocated: one of
// associations by identity, one of networks with a count. An identity's chain is short, since nobody is allowed more than
// a few associations; a network's members are only counted.
#include "io/tally.h"

#include "core/prefix.h"
#include "core/slot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Numbers of nodes are one higher than their places: 0 is none, as in memory that was never touched.
struct member {
    uint64_t id;          // of the association; 0: none. Its own thread's alone to write
    uint64_t key;
    uint32_t next;        // in its chain
    uint32_t opened_tick;
    uint32_t joined;      // a running number: who came first where the ticks are the same
    uint8_t is_listed;
    uint8_t is_ended;     // told to end: it does not come back
    uint8_t spare[2];
};
_Static_assert(sizeof(struct member) == 32, "docs/memory.md says so");

struct network {
    uint64_t key;
    uint32_t count; // 0: free, in the list of free ones
    uint32_t next;
};

struct place {
    uint64_t id;
    uint32_t network; // that it is counted in; 0: none
    uint32_t spare;
};

struct dg_tally {
    pthread_mutex_t lock;
    struct dg_hash_key hash_key;
    uint32_t slots_per_shard;
    uint32_t size;            // places
    uint32_t mask;            // of both tables of chains
    uint32_t joined;
    struct member *members;   // by slot
    uint32_t *identities;     // chains
    struct place *places;     // by slot
    struct network *networks; // as many as there are slots, at most one new for each
    uint32_t *prefixes;       // chains
    uint32_t fresh_networks, free_networks;
};

struct dg_tally *dg_tally_new(uint32_t shard_count, uint32_t slots_per_shard)
{
    struct dg_tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL || (uint64_t)shard_count * slots_per_shard >= UINT32_MAX) {
        free(tally);
        return NULL;
    }
    tally->hash_key = dg_hash_key_new();
    tally->slots_per_shard = slots_per_shard;
    tally->size = shard_count * slots_per_shard;
    uint32_t chains = 1;
    while (chains < tally->size / 2 && chains < UINT32_C(1) << 30)
        chains *= 2;
    tally->mask = chains - 1;
    tally->members = calloc(tally->size, sizeof *tally->members);
    tally->identities = calloc(chains, sizeof *tally->identities);
    tally->places = calloc(tally->size, sizeof *tally->places);
    tally->networks = calloc(tally->size, sizeof *tally->networks);
    tally->prefixes = calloc(chains, sizeof *tally->prefixes);
    bool is_whole = tally->members != NULL && tally->identities != NULL && tally->places != NULL &&
                    tally->networks != NULL && tally->prefixes != NULL && pthread_mutex_init(&tally->lock, NULL) == 0;
    if (is_whole)
        return tally;
    free(tally->members);
    free(tally->identities);
    free(tally->places);
    free(tally->networks);
    free(tally->prefixes);
    free(tally);
    return NULL;
}

void dg_tally_free(struct dg_tally *tally)
{
    if (tally == NULL)
        return;
    (void)pthread_mutex_destroy(&tally->lock);
    free(tally->members);
    free(tally->identities);
    free(tally->places);
    free(tally->networks);
    free(tally->prefixes);
    free(tally);
}

static void lock(struct dg_tally *tally) { DG_BUG_UNLESS(pthread_mutex_lock(&tally->lock) == 0); }
static void unlock(struct dg_tally *tally) { DG_BUG_UNLESS(pthread_mutex_unlock(&tally->lock) == 0); }

static uint32_t place_of(const struct dg_tally *tally, struct dg_ref ref)
{
    uint64_t place = (uint64_t)ref.shard * tally->slots_per_shard + ref.slot;
    DG_BUG_UNLESS(ref.slot < tally->slots_per_shard && place < tally->size);
    return (uint32_t)place;
}

// --- keys ----------------------------------------------------------------------------

uint64_t dg_tally_identity_key(const struct dg_tally *tally, uint64_t listener, uint8_t identity_kind,
                               const void *identity, size_t identity_size)
{
    uint8_t all[sizeof listener + 1 + 255];
    DG_BUG_UNLESS(identity_size <= 255);
    memcpy(all, &listener, sizeof listener);
    all[sizeof listener] = identity_kind;
    if (identity_size > 0)
        memcpy(all + sizeof listener + 1, identity, identity_size);
    return dg_hash(&tally->hash_key, all, sizeof listener + 1 + identity_size);
}

uint64_t dg_tally_prefix_key(const struct dg_tally *tally, const struct dg_address *peer)
{
    return dg_prefix_number(&tally->hash_key, peer, DG_PREFIX_VALIDATED);
}

// --- associations of an identity -----------------------------------------------------

static uint32_t *chain_of(struct dg_tally *tally, uint64_t key) { return &tally->identities[key & tally->mask]; }

static void list(struct dg_tally *tally, uint32_t place)
{
    struct member *member = &tally->members[place];
    uint32_t *chain = chain_of(tally, member->key);
    member->next = *chain;
    member->is_listed = 1;
    *chain = place + 1;
}

static void unlist(struct dg_tally *tally, uint32_t place)
{
    struct member *member = &tally->members[place];
    if (!member->is_listed)
        return;
    uint32_t *at = chain_of(tally, member->key);
    while (*at != place + 1)
        at = &tally->members[*at - 1].next;
    *at = member->next;
    member->is_listed = 0;
}

static uint32_t count(struct dg_tally *tally, uint64_t key)
{
    uint32_t found = 0;
    for (uint32_t at = *chain_of(tally, key); at != 0; at = tally->members[at - 1].next)
        found += tally->members[at - 1].key == key;
    return found;
}

// Ages are compared, since ticks come round: an association may be older than half of their range.
static bool is_older(const struct member *a, const struct member *b, uint32_t now_tick)
{
    uint32_t age_of_a = dg_slot_ticks_since(a->opened_tick, now_tick);
    uint32_t age_of_b = dg_slot_ticks_since(b->opened_tick, now_tick);
    return age_of_a != age_of_b ? age_of_a > age_of_b : (int32_t)(a->joined - b->joined) < 0;
}

// The oldest or the youngest of a key that somebody has.
static uint32_t choose(struct dg_tally *tally, uint64_t key, bool oldest, uint32_t now_tick)
{
    uint32_t chosen = 0;
    for (uint32_t at = *chain_of(tally, key); at != 0; at = tally->members[at - 1].next) {
        const struct member *member = &tally->members[at - 1];
        if (member->key == key && (chosen == 0 || is_older(member, &tally->members[chosen - 1], now_tick) == oldest))
            chosen = at;
    }
    DG_BUG_UNLESS(chosen != 0);
    return chosen - 1;
}

static bool join(struct dg_tally *tally, const struct dg_tally_entry *entry, uint32_t place)
{
    struct member *member = &tally->members[place];
    if (member->id == entry->ref.id && member->is_ended)
        return false;
    if (member->id != entry->ref.id || member->key != entry->key) {
        unlist(tally, place); // of its slot's association before, or under the name of another rule's listener
        *member = (struct member){.id = entry->ref.id,
                                  .key = entry->key,
                                  .opened_tick = entry->opened_tick,
                                  .joined = tally->joined++};
    }
    if (!member->is_listed)
        list(tally, place);
    while (count(tally, entry->key) > entry->max) {
        uint32_t surplus = choose(tally, entry->key, entry->replaces_oldest, entry->now_tick);
        const struct dg_ref ref = {.id = tally->members[surplus].id,
                                   .shard = surplus / tally->slots_per_shard,
                                   .slot = surplus % tally->slots_per_shard};
        if (surplus != place && !entry->end(entry->context, ref))
            surplus = place;
        unlist(tally, surplus);
        tally->members[surplus].is_ended = 1;
        if (surplus == place)
            return false;
    }
    return true;
}

bool dg_tally_join(struct dg_tally *tally, const struct dg_tally_entry *entry)
{
    DG_BUG_UNLESS(entry->max > 0 && entry->ref.id != 0);
    uint32_t place = place_of(tally, entry->ref);
    lock(tally);
    bool is_in = join(tally, entry, place);
    unlock(tally);
    return is_in;
}

void dg_tally_leave(struct dg_tally *tally, struct dg_ref ref)
{
    uint32_t place = place_of(tally, ref);
    struct member *member = &tally->members[place];
    if (ref.id == 0 || member->id != ref.id)
        return; // never counted: without the lock, since only this thread writes it
    lock(tally);
    unlist(tally, place);
    member->id = 0;
    unlock(tally);
}

uint32_t dg_tally_count(struct dg_tally *tally, uint64_t key)
{
    lock(tally);
    uint32_t found = count(tally, key);
    unlock(tally);
    return found;
}

// --- networks ------------------------------------------------------------------------

static uint32_t *find_network(struct dg_tally *tally, uint64_t key)
{
    uint32_t *at = &tally->prefixes[key & tally->mask];
    while (*at != 0 && tally->networks[*at - 1].key != key)
        at = &tally->networks[*at - 1].next;
    return at;
}

// There is one for each slot, and each slot's association is in one at most.
static uint32_t new_network(struct dg_tally *tally)
{
    uint32_t number = tally->free_networks;
    if (number != 0) {
        tally->free_networks = tally->networks[number - 1].next;
        return number;
    }
    DG_BUG_UNLESS(tally->fresh_networks < tally->size);
    return ++tally->fresh_networks;
}

static void leave_network(struct dg_tally *tally, struct place *place)
{
    if (place->network == 0)
        return;
    struct network *network = &tally->networks[place->network - 1];
    if (--network->count == 0) {
        uint32_t *at = find_network(tally, network->key);
        *at = network->next;
        network->next = tally->free_networks;
        tally->free_networks = place->network;
    }
    place->network = 0;
}

static bool join_network(struct dg_tally *tally, struct place *place, uint64_t key, uint32_t max, bool is_new)
{
    uint32_t *at = find_network(tally, key);
    if (is_new && max != 0 && *at != 0 && tally->networks[*at - 1].count >= max)
        return false;
    if (*at == 0) {
        uint32_t number = new_network(tally);
        tally->networks[number - 1] = (struct network){.key = key};
        *at = number;
    }
    tally->networks[*at - 1].count++;
    place->network = *at;
    return true;
}

bool dg_tally_prefix_join(struct dg_tally *tally, struct dg_ref ref, uint64_t key, uint32_t max, bool is_new)
{
    struct place *place = &tally->places[place_of(tally, ref)];
    lock(tally);
    leave_network(tally, place); // where it was, or what its slot's association before left
    bool is_in = join_network(tally, place, key, max, is_new);
    place->id = is_in ? ref.id : 0;
    unlock(tally);
    return is_in;
}

void dg_tally_prefix_leave(struct dg_tally *tally, struct dg_ref ref)
{
    struct place *place = &tally->places[place_of(tally, ref)];
    if (ref.id == 0 || place->id != ref.id)
        return;
    lock(tally);
    leave_network(tally, place);
    place->id = 0;
    unlock(tally);
}

uint32_t dg_tally_prefix_count(struct dg_tally *tally, uint64_t key)
{
    lock(tally);
    uint32_t at = *find_network(tally, key);
    uint32_t found = at != 0 ? tally->networks[at - 1].count : 0;
    unlock(tally);
    return found;
}
