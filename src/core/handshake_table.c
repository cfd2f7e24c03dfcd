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
    uint32_t cells = 64;
    while (cells < 4 * busy_max) {
        cells *= 2;
    }
    *table = (struct dg_handshake_table){.capacity = capacity,
                                         .busy_max = busy_max,
                                         .head_mask = heads - 1,
                                         .prefix_mask = cells - 1,
                                         .oldest = DG_NO_ENTRY,
                                         .newest = DG_NO_ENTRY,
                                         .unused_first = DG_NO_ENTRY,
                                         .key = dg_hash_key_new()};
    table->entries = calloc(capacity > 0 ? capacity : 1, sizeof *table->entries);
    table->peer_heads = calloc(heads, sizeof *table->peer_heads);
    table->cid_heads = calloc(heads, sizeof *table->cid_heads);
    table->prefix_cells = calloc(cells, sizeof *table->prefix_cells);
    if (table->entries == NULL || table->peer_heads == NULL || table->cid_heads == NULL ||
        table->prefix_cells == NULL || !dg_timer_heap_init(&table->timers, capacity)) {
        dg_handshake_table_clear(table);
        return false;
    }
    for (uint32_t i = 0; i < heads; i++) {
        table->peer_heads[i] = DG_NO_ENTRY;
        table->cid_heads[i] = DG_NO_ENTRY;
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
    free(table->prefix_cells);
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

static uint32_t *cid_head(const struct dg_handshake_table *table, const uint8_t cid[DG_CID_SIZE])
{
    return &table->cid_heads[(uint32_t)dg_hash(&table->key, cid, DG_CID_SIZE) & table->head_mask];
}

static uint32_t prefix_cell(const struct dg_handshake_table *table, const struct dg_address *peer)
{
    return (uint32_t)dg_prefix_number(&table->key, peer, DG_PREFIX_VALIDATED) & table->prefix_mask;
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

uint32_t dg_handshake_table_find_cid(const struct dg_handshake_table *table, const uint8_t cid[DG_CID_SIZE])
{
    uint32_t place = *cid_head(table, cid);
    while (place != DG_NO_ENTRY && !dg_secret_equal(table->entries[place].cid, cid, DG_CID_SIZE)) {
        place = table->entries[place].cid_chain;
    }
    return place;
}

uint32_t dg_handshake_table_of_prefix(const struct dg_handshake_table *table, const struct dg_address *peer)
{
    return table->prefix_cells[prefix_cell(table, peer)];
}

uint32_t dg_handshake_table_add(struct dg_handshake_table *table, const struct dg_path *path, const uint8_t *cid)
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
    if (cid != NULL) {
        entry->has_cid = true;
        memcpy(entry->cid, cid, DG_CID_SIZE);
        head = cid_head(table, cid);
        entry->cid_chain = *head;
        *head = place;
    }
    entry->prefix_cell = prefix_cell(table, &path->peer);
    table->prefix_cells[entry->prefix_cell]++;
    table->busy++;
    return place;
}

static void end_busy(struct dg_handshake_table *table, uint32_t place)
{
    struct dg_handshake_entry *entry = &table->entries[place];
    if (entry->has_cid) {
        uint32_t *link = cid_head(table, entry->cid);
        while (*link != place) {
            link = &table->entries[*link].cid_chain;
        }
        *link = entry->cid_chain;
        entry->has_cid = false;
    }
    table->prefix_cells[entry->prefix_cell]--;
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
