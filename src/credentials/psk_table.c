// SPDX-License-Identifier: GPL-3.0-or-later
// The index of pre-shared keys: open addressing over 32-bit places in an arena. Owns the arena's layout; never reads a
// file, never judges a key.
#include "credentials/psk_table.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define UNIT 4u // bytes; a place counts units from the arena's begin, and 0 is none
#define PLACES_MIN 64u

struct entry {
    uint32_t next; // place of the identity's second key; 0: none
    uint32_t line;
    uint8_t identity_size, key_size;
    uint8_t bytes[2]; // identity, then key; the entry goes on as far as they need
};
_Static_assert(sizeof(struct entry) == 12 && _Alignof(struct entry) == UNIT, "an entry's head");
#define HEAD offsetof(struct entry, bytes)

size_t dg_psk_table_bytes(size_t identity_size, size_t key_size)
{
    return (HEAD + identity_size + key_size + UNIT - 1) / UNIT * UNIT;
}

static struct entry *entry_at(const struct dg_psk_table *table, uint32_t place)
{
    return (struct entry *)(void *)(table->arena + (size_t)place * UNIT);
}

static const uint8_t *bytes_of(const struct entry *entry) { return (const uint8_t *)entry + HEAD; }

static struct dg_psk psk_of(const struct entry *entry)
{
    const uint8_t *bytes = bytes_of(entry);
    return (struct dg_psk){
        .identity = {bytes, entry->identity_size},
        .key = {bytes + entry->identity_size, entry->key_size},
        .line = entry->line,
    };
}

static size_t start_of(const struct dg_psk_table *table, struct dg_bytes identity)
{
    return dg_hash(&table->hash_key, identity.data, identity.size) & (table->place_count - 1);
}

// Where the identity's place is, or the free one where it would be.
static size_t seek(const struct dg_psk_table *table, struct dg_bytes identity)
{
    size_t at = start_of(table, identity);
    for (; table->places[at] != 0; at = (at + 1) & (table->place_count - 1)) {
        const struct entry *entry = entry_at(table, table->places[at]);
        if (entry->identity_size == identity.size && dg_secret_equal(bytes_of(entry), identity.data, identity.size))
            break;
    }
    return at;
}

static bool reserve_arena(struct dg_psk_table *table, size_t bytes)
{
    size_t before = table->used > 0 ? table->used : UNIT; // nobody's place is 0
    if (before + bytes <= table->arena_size)
        return true;
    if (bytes > (size_t)UINT32_MAX * UNIT - before)
        return false;
    uint8_t *arena = dg_secret_new(before + bytes);
    if (arena == NULL)
        return false;
    if (table->arena != NULL)
        memcpy(arena, table->arena, table->used);
    dg_secret_free(table->arena, table->arena_size);
    table->arena = arena;
    table->arena_size = before + bytes;
    table->used = before;
    return true;
}

static bool reserve_places(struct dg_psk_table *table, size_t identities)
{
    size_t wanted = table->place_count > 0 ? table->place_count : PLACES_MIN;
    while (wanted < 2 * (table->count + identities))
        wanted *= 2;
    if (wanted == table->place_count)
        return true;
    uint32_t *before = table->places;
    size_t before_count = table->place_count;
    uint32_t *places = calloc(wanted, sizeof *places);
    if (places == NULL)
        return false;
    if (before_count == 0)
        table->hash_key = dg_hash_key_new();
    table->places = places;
    table->place_count = wanted;
    for (size_t i = 0; i < before_count; i++)
        if (before[i] != 0)
            places[seek(table, psk_of(entry_at(table, before[i])).identity)] = before[i];
    free(before);
    return true;
}

bool dg_psk_table_reserve(struct dg_psk_table *table, size_t identities, size_t bytes)
{
    return reserve_arena(table, bytes) && reserve_places(table, identities);
}

static uint32_t append(struct dg_psk_table *table, const struct dg_psk *psk)
{
    size_t size = dg_psk_table_bytes(psk->identity.size, psk->key.size);
    DG_BUG_UNLESS(psk->identity.size <= UINT8_MAX && psk->key.size <= UINT8_MAX);
    DG_BUG_UNLESS(table->used + size <= table->arena_size);
    uint32_t place = (uint32_t)(table->used / UNIT);
    struct entry *entry = entry_at(table, place);
    entry->next = 0;
    entry->line = psk->line;
    entry->identity_size = (uint8_t)psk->identity.size;
    entry->key_size = (uint8_t)psk->key.size;
    uint8_t *bytes = table->arena + table->used + HEAD;
    memcpy(bytes, psk->identity.data, psk->identity.size);
    memcpy(bytes + psk->identity.size, psk->key.data, psk->key.size);
    table->used += size;
    return place;
}

enum dg_psk_added dg_psk_table_add(struct dg_psk_table *table, const struct dg_psk *psk)
{
    size_t at = seek(table, psk->identity);
    if (table->places[at] == 0) {
        DG_BUG_UNLESS(2 * (table->count + 1) <= table->place_count);
        table->places[at] = append(table, psk);
        table->count++;
        if (table->first == 0)
            table->first = table->places[at];
        return DG_PSK_ADDED;
    }
    uint32_t place = table->places[at];
    const struct dg_psk current = psk_of(entry_at(table, place));
    if (entry_at(table, place)->next != 0)
        return DG_PSK_TOO_MANY_KEYS;
    if (current.key.size == psk->key.size && dg_secret_equal(current.key.data, psk->key.data, psk->key.size))
        return DG_PSK_SAME_KEY;
    uint32_t next = append(table, psk);
    entry_at(table, place)->next = next;
    table->rotating++;
    return DG_PSK_ADDED_NEXT;
}

static size_t keys_at(const struct dg_psk_table *table, uint32_t place, struct dg_psk keys[DG_PSK_KEYS_MAX])
{
    size_t count = 0;
    for (; place != 0 && count < DG_PSK_KEYS_MAX; place = entry_at(table, place)->next)
        keys[count++] = psk_of(entry_at(table, place));
    return count;
}

size_t dg_psk_table_find(const struct dg_psk_table *table, struct dg_bytes identity, struct dg_psk keys[DG_PSK_KEYS_MAX])
{
    return table->count == 0 ? 0 : keys_at(table, table->places[seek(table, identity)], keys);
}

size_t dg_psk_table_first(const struct dg_psk_table *table, struct dg_psk keys[DG_PSK_KEYS_MAX])
{
    return keys_at(table, table->first, keys);
}

void dg_psk_table_clear(struct dg_psk_table *table)
{
    dg_secret_free(table->arena, table->arena_size);
    free(table->places);
    *table = (struct dg_psk_table){0};
}
