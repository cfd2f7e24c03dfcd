// SPDX-License-Identifier: GPL-3.0-or-later
// Hash chains over one array of entries. Allocates once; when the memory of finished handshakes is full the
// oldest is forgotten, and a repeat of its records is then judged as a stranger's.
#include "core/handshake_table.h"

#include "base/secret.h"
#include "core/prefix.h"

#include <stdlib.h>
#include <string.h>

bool dg_handshake_table_init(struct dg_handshake_table *table, uint32_t busy_max, uint32_t finished_max)
{
    uint32_t capacity = busy_max + finished_max;
    uint32_t heads = 1;
    while (heads < capacity) {
        heads *= 2;
    }
    *table = (struct dg_handshake_table){.capacity = capacity,
                                         .busy_max = busy_max,
                                         .head_mask = heads - 1,
                                         .oldest = DG_NO_ENTRY,
                                         .newest = DG_NO_ENTRY,
                                         .unused_first = DG_NO_ENTRY,
                                         .prefix_unused_first = DG_NO_ENTRY,
                                         .key = dg_hash_key_new()};
    table->entries = calloc(capacity > 0 ? capacity : 1, sizeof *table->entries);
    table->peer_heads = calloc(heads, sizeof *table->peer_heads);
    table->cid_heads = calloc(heads, sizeof *table->cid_heads);
    table->prefixes = calloc(busy_max > 0 ? busy_max : 1, sizeof *table->prefixes);
    table->prefix_heads = calloc(heads, sizeof *table->prefix_heads);
    if (table->entries == NULL || table->peer_heads == NULL || table->cid_heads == NULL ||
        table->prefixes == NULL || table->prefix_heads == NULL || !dg_timer_heap_init(&table->timers, capacity)) {
        dg_handshake_table_clear(table);
        return false;
    }
    for (uint32_t i = 0; i < heads; i++) {
        table->peer_heads[i] = DG_NO_ENTRY;
        table->cid_heads[i] = DG_NO_ENTRY;
        table->prefix_heads[i] = DG_NO_ENTRY;
    }
    for (uint32_t i = busy_max; i > 0; i--) {
        table->prefixes[i - 1].chain = table->prefix_unused_first;
        table->prefix_unused_first = i - 1;
    }
    for (uint32_t i = capacity; i > 0; i--) {
        table->entries[i - 1].peer_chain = table->unused_first;
        table->unused_first = i - 1;
    }
    return true;
}

void dg_handshake_table_clear(struct dg_handshake_table *table)
{
    dg_timer_heap_clear(&table->timers);
    free(table->prefix_heads);
    free(table->prefixes);
    free(table->cid_heads);
    free(table->peer_heads);
    free(table->entries);
    *table = (struct dg_handshake_table){0};
}

static uint32_t *peer_head(const struct dg_handshake_table *table, const struct dg_path *path)
{
    struct {
        struct dg_address peer;
        uint64_t listener;
    } key = {.peer = path->peer, .listener = path->listener};
    return &table->peer_heads[(uint32_t)dg_hash(&table->key, &key, sizeof key) & table->head_mask];
}

static uint32_t *cid_head(const struct dg_handshake_table *table, struct dg_bytes cid)
{
    return &table->cid_heads[(uint32_t)dg_hash(&table->key, cid.data, cid.size) & table->head_mask];
}

// The link that leads to the prefix's count, or the chain's last link.
static uint32_t *prefix_link(const struct dg_handshake_table *table, uint64_t number)
{
    uint32_t *link = &table->prefix_heads[(uint32_t)number & table->head_mask];
    while (*link != DG_NO_ENTRY && table->prefixes[*link].number != number) {
        link = &table->prefixes[*link].chain;
    }
    return link;
}

static uint32_t prefix_get(struct dg_handshake_table *table, const struct dg_address *peer)
{
    uint64_t number = dg_prefix_number(&table->key, peer, DG_PREFIX_VALIDATED);
    uint32_t *link = prefix_link(table, number);
    uint32_t place = *link;
    if (place == DG_NO_ENTRY) {
        place = table->prefix_unused_first;
        DG_BUG_UNLESS(place != DG_NO_ENTRY);
        table->prefix_unused_first = table->prefixes[place].chain;
        table->prefixes[place] = (struct dg_prefix_count){.number = number, .chain = DG_NO_ENTRY};
        *link = place;
    }
    table->prefixes[place].busy++;
    return place;
}

static void prefix_put(struct dg_handshake_table *table, uint32_t place)
{
    struct dg_prefix_count *prefix = &table->prefixes[place];
    if (--prefix->busy > 0) {
        return;
    }
    *prefix_link(table, prefix->number) = prefix->chain;
    prefix->chain = table->prefix_unused_first;
    table->prefix_unused_first = place;
}

uint32_t dg_handshake_table_find(const struct dg_handshake_table *table, const struct dg_path *path)
{
    uint32_t place = *peer_head(table, path);
    while (place != DG_NO_ENTRY) {
        const struct dg_handshake_entry *entry = &table->entries[place];
        if (entry->path.listener == path->listener && dg_address_equal(&entry->path.peer, &path->peer)) {
            return place;
        }
        place = entry->peer_chain;
    }
    return DG_NO_ENTRY;
}

uint32_t dg_handshake_table_find_cid(const struct dg_handshake_table *table, struct dg_bytes cid)
{
    uint32_t place = *cid_head(table, cid);
    while (place != DG_NO_ENTRY) {
        const struct dg_handshake_entry *entry = &table->entries[place];
        if (entry->cid_size == cid.size && dg_secret_equal(entry->cid, cid.data, cid.size)) {
            return place;
        }
        place = entry->cid_chain;
    }
    return DG_NO_ENTRY;
}

uint32_t dg_handshake_table_of_prefix(const struct dg_handshake_table *table, const struct dg_address *peer)
{
    uint32_t place = *prefix_link(table, dg_prefix_number(&table->key, peer, DG_PREFIX_VALIDATED));
    return place != DG_NO_ENTRY ? table->prefixes[place].busy : 0;
}

uint32_t dg_handshake_table_add(struct dg_handshake_table *table, const struct dg_path *path, struct dg_bytes cid)
{
    if (table->busy >= table->busy_max) {
        return DG_NO_ENTRY;
    }
    if (table->unused_first == DG_NO_ENTRY) {
        dg_handshake_table_remove(table, table->oldest); // not all are busy, so some are finished
    }
    uint32_t place = table->unused_first;
    struct dg_handshake_entry *entry = &table->entries[place];
    table->unused_first = entry->peer_chain;
    *entry = (struct dg_handshake_entry){
        .state = DG_ENTRY_RUNNING, .path = *path, .older = DG_NO_ENTRY, .newer = DG_NO_ENTRY};
    uint32_t *head = peer_head(table, path);
    entry->peer_chain = *head;
    *head = place;
    if (cid.size > 0) {
        entry->cid_size = (uint8_t)cid.size;
        memcpy(entry->cid, cid.data, cid.size);
        head = cid_head(table, cid);
        entry->cid_chain = *head;
        *head = place;
    }
    entry->prefix = prefix_get(table, &path->peer);
    table->busy++;
    return place;
}

static void end_busy(struct dg_handshake_table *table, uint32_t place)
{
    struct dg_handshake_entry *entry = &table->entries[place];
    if (entry->cid_size > 0) {
        uint32_t *link = cid_head(table, (struct dg_bytes){.data = entry->cid, .size = entry->cid_size});
        while (*link != place) {
            link = &table->entries[*link].cid_chain;
        }
        *link = entry->cid_chain;
        entry->cid_size = 0;
    }
    prefix_put(table, entry->prefix);
    table->busy--;
}

void dg_handshake_table_finish(struct dg_handshake_table *table, uint32_t place)
{
    struct dg_handshake_entry *entry = &table->entries[place];
    end_busy(table, place);
    entry->state = DG_ENTRY_FINISHED;
    entry->handshake = NULL;
    entry->older = table->newest;
    entry->newer = DG_NO_ENTRY;
    if (table->newest != DG_NO_ENTRY) {
        table->entries[table->newest].newer = place;
    } else {
        table->oldest = place;
    }
    table->newest = place;
}

static void unlink_finished(struct dg_handshake_table *table, const struct dg_handshake_entry *entry)
{
    if (entry->older != DG_NO_ENTRY) {
        table->entries[entry->older].newer = entry->newer;
    } else {
        table->oldest = entry->newer;
    }
    if (entry->newer != DG_NO_ENTRY) {
        table->entries[entry->newer].older = entry->older;
    } else {
        table->newest = entry->older;
    }
}

void dg_handshake_table_remove(struct dg_handshake_table *table, uint32_t place)
{
    struct dg_handshake_entry *entry = &table->entries[place];
    DG_BUG_UNLESS(entry->state != DG_ENTRY_UNUSED);
    if (entry->state == DG_ENTRY_FINISHED) {
        unlink_finished(table, entry);
    } else {
        end_busy(table, place);
    }
    uint32_t *link = peer_head(table, &entry->path);
    while (*link != place) {
        link = &table->entries[*link].peer_chain;
    }
    *link = entry->peer_chain;
    dg_timer_heap_set(&table->timers, place, DG_NEVER);
    entry->state = DG_ENTRY_UNUSED;
    entry->handshake = NULL;
    entry->peer_chain = table->unused_first;
    table->unused_first = place;
}
