// SPDX-License-Identifier: GPL-3.0-or-later
// A chained hash table over places of one array, and a list by age through the same places. All memory is
// had at init; pages of the array are touched as associations begin to talk.
#include "backend/udp_table.h"

#include "base/attributes.h"

#include <stdlib.h>
#include <string.h>

static uint32_t *bucket_of(const struct dg_udp_table *table, uint64_t id)
{
    return &table->buckets[dg_hash(&table->key, &id, sizeof id) & table->bucket_mask];
}

static uint32_t place_of(const struct dg_udp_table *table, const struct dg_udp_talker *talker)
{
    return (uint32_t)(talker - table->talkers);
}

bool dg_udp_table_init(struct dg_udp_table *table, uint32_t capacity)
{
    DG_BUG_UNLESS(capacity > 0 && capacity <= 65536);
    memset(table, 0, sizeof *table);
    uint32_t bucket_count = 1;
    while (bucket_count < capacity) {
        bucket_count *= 2;
    }
    table->talkers = calloc(capacity, sizeof *table->talkers);
    table->buckets = malloc(bucket_count * sizeof *table->buckets);
    if (table->talkers == NULL || table->buckets == NULL) {
        dg_udp_table_clear(table);
        return false;
    }
    memset(table->buckets, 0xff, bucket_count * sizeof *table->buckets); // DG_UDP_NONE
    table->key = dg_hash_key_new();
    table->capacity = capacity;
    table->bucket_mask = bucket_count - 1;
    table->unused = DG_UDP_NONE;
    table->oldest = DG_UDP_NONE;
    table->newest = DG_UDP_NONE;
    return true;
}

void dg_udp_table_clear(struct dg_udp_table *table)
{
    free(table->talkers);
    free(table->buckets);
    memset(table, 0, sizeof *table);
}

struct dg_udp_talker *dg_udp_table_find(const struct dg_udp_table *table, uint64_t id)
{
    for (uint32_t at = *bucket_of(table, id); at != DG_UDP_NONE; at = table->talkers[at].next_hashed) {
        if (table->talkers[at].ref.id == id) {
            return &table->talkers[at];
        }
    }
    return NULL;
}

static void age_append(struct dg_udp_table *table, struct dg_udp_talker *talker)
{
    uint32_t at = place_of(table, talker);
    talker->newer = DG_UDP_NONE;
    talker->older = table->newest;
    if (table->newest != DG_UDP_NONE) {
        table->talkers[table->newest].newer = at;
    } else {
        table->oldest = at;
    }
    table->newest = at;
}

static void age_unlink(struct dg_udp_table *table, const struct dg_udp_talker *talker)
{
    if (talker->older != DG_UDP_NONE) {
        table->talkers[talker->older].newer = talker->newer;
    } else {
        table->oldest = talker->newer;
    }
    if (talker->newer != DG_UDP_NONE) {
        table->talkers[talker->newer].older = talker->older;
    } else {
        table->newest = talker->older;
    }
}

struct dg_udp_talker *dg_udp_table_add(struct dg_udp_table *table, dg_time now, struct dg_ref ref)
{
    uint32_t at = table->unused;
    if (at != DG_UDP_NONE) {
        table->unused = table->talkers[at].next_hashed;
    } else if (table->fresh < table->capacity) {
        at = table->fresh++;
    } else {
        return NULL;
    }
    struct dg_udp_talker *talker = &table->talkers[at];
    uint32_t *bucket = bucket_of(table, ref.id);
    talker->ref = ref;
    talker->active_at = now;
    talker->fd = -1;
    talker->port = 0;
    talker->wanted = 1;
    talker->next_hashed = *bucket;
    *bucket = at;
    age_append(table, talker);
    table->count++;
    return talker;
}

void dg_udp_table_remove(struct dg_udp_table *table, struct dg_udp_talker *talker)
{
    uint32_t at = place_of(table, talker);
    uint32_t *link = bucket_of(table, talker->ref.id);
    while (*link != at) {
        link = &table->talkers[*link].next_hashed;
    }
    *link = talker->next_hashed;
    age_unlink(table, talker);
    talker->ref.id = 0;
    talker->generation++;
    talker->next_hashed = table->unused;
    table->unused = at;
    table->count--;
}

void dg_udp_table_touch(struct dg_udp_table *table, struct dg_udp_talker *talker, dg_time now)
{
    talker->active_at = now;
    if (talker->newer != DG_UDP_NONE) {
        age_unlink(table, talker);
        age_append(table, talker);
    }
}

struct dg_udp_talker *dg_udp_table_oldest(const struct dg_udp_table *table)
{
    return table->oldest != DG_UDP_NONE ? &table->talkers[table->oldest] : NULL;
}

uint64_t dg_udp_table_token(const struct dg_udp_table *table, const struct dg_udp_talker *talker)
{
    return (uint64_t)talker->generation << 32 | place_of(table, talker);
}

struct dg_udp_talker *dg_udp_table_by_token(const struct dg_udp_table *table, uint64_t token)
{
    uint32_t at = (uint32_t)token;
    if (at >= table->fresh || table->talkers[at].generation != (uint32_t)(token >> 32) ||
        table->talkers[at].ref.id == 0) {
        return NULL;
    }
    return &table->talkers[at];
}
