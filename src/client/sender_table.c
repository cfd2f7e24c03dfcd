// SPDX-License-Identifier: GPL-3.0-or-later
// A chained hash table over a fixed array, and a list through it by age. Never allocates after init.
#include "client/sender_table.h"

#include <stdlib.h>

static uint32_t *bucket_of(const struct dg_sender_table *table, const struct dg_address *address)
{
    return &table->buckets[dg_hash(&table->key, address, sizeof *address) & table->bucket_mask];
}

bool dg_sender_table_init(struct dg_sender_table *table, uint32_t capacity)
{
    uint32_t buckets = 16;
    while (buckets < capacity)
        buckets *= 2;
    *table = (struct dg_sender_table){.capacity = capacity,
                                      .bucket_mask = buckets - 1,
                                      .key = dg_hash_key_new(),
                                      .oldest = DG_NO_SENDER,
                                      .newest = DG_NO_SENDER,
                                      .free_first = DG_NO_SENDER};
    table->entries = calloc(capacity, sizeof *table->entries);
    table->buckets = calloc(buckets, sizeof *table->buckets);
    if (!table->entries || !table->buckets) {
        dg_sender_table_clear(table);
        return false;
    }
    for (uint32_t i = 0; i < buckets; i++)
        table->buckets[i] = DG_NO_SENDER;
    for (uint32_t i = capacity; i-- > 0;) {
        table->entries[i].chain = table->free_first;
        table->free_first = i;
    }
    return true;
}

void dg_sender_table_clear(struct dg_sender_table *table)
{
    free(table->entries);
    free(table->buckets);
    *table = (struct dg_sender_table){.oldest = DG_NO_SENDER, .newest = DG_NO_SENDER, .free_first = DG_NO_SENDER};
}

uint32_t dg_sender_table_find(const struct dg_sender_table *table, const struct dg_address *address)
{
    uint32_t at = *bucket_of(table, address);
    while (at != DG_NO_SENDER && !dg_address_equal(&table->entries[at].address, address))
        at = table->entries[at].chain;
    return at;
}

static void link_newest(struct dg_sender_table *table, uint32_t place)
{
    struct dg_sender_entry *entry = &table->entries[place];
    entry->older = table->newest;
    entry->newer = DG_NO_SENDER;
    if (table->newest != DG_NO_SENDER)
        table->entries[table->newest].newer = place;
    else
        table->oldest = place;
    table->newest = place;
}

static void unlink_age(struct dg_sender_table *table, uint32_t place)
{
    const struct dg_sender_entry *entry = &table->entries[place];
    if (entry->older != DG_NO_SENDER)
        table->entries[entry->older].newer = entry->newer;
    else
        table->oldest = entry->newer;
    if (entry->newer != DG_NO_SENDER)
        table->entries[entry->newer].older = entry->older;
    else
        table->newest = entry->older;
}

uint32_t dg_sender_table_add(struct dg_sender_table *table, dg_time now, const struct dg_address *address)
{
    uint32_t place = table->free_first;
    if (place == DG_NO_SENDER)
        return DG_NO_SENDER;
    struct dg_sender_entry *entry = &table->entries[place];
    table->free_first = entry->chain;
    uint32_t *bucket = bucket_of(table, address);
    entry->address = *address;
    entry->active_at = now;
    entry->chain = *bucket;
    *bucket = place;
    link_newest(table, place);
    table->count++;
    return place;
}

void dg_sender_table_remove(struct dg_sender_table *table, uint32_t place)
{
    struct dg_sender_entry *entry = &table->entries[place];
    uint32_t *at = bucket_of(table, &entry->address);
    while (*at != place)
        at = &table->entries[*at].chain;
    *at = entry->chain;
    unlink_age(table, place);
    entry->chain = table->free_first;
    table->free_first = place;
    table->count--;
}

void dg_sender_table_touch(struct dg_sender_table *table, dg_time now, uint32_t place)
{
    table->entries[place].active_at = now;
    unlink_age(table, place);
    link_newest(table, place);
}

uint32_t dg_sender_table_oldest(const struct dg_sender_table *table)
{
    return table->oldest;
}
