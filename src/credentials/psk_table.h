// SPDX-License-Identifier: GPL-3.0-or-later
// Pre-shared keys by identity: a compact index in memory, since DTLS 1.3 asks for a key before a cookie is checked and a
// fleet has a million of them. Filled once, then only read. Identities and keys lie in secret memory, without a pointer
// between them.
#ifndef DG_CREDENTIALS_PSK_TABLE_H
#define DG_CREDENTIALS_PSK_TABLE_H

#include "base/hash.h"
#include "credentials/credentials.h"

struct dg_psk_table {
    uint8_t *arena;     // secret memory: an entry after the other
    size_t arena_size, used;
    uint32_t first;     // place of the first entry; 0: none
    size_t count;       // identities
    size_t rotating;    // of these, with two keys
    uint32_t *places;   // hash -> place of an entry; place_count is a power of two, at least twice count
    size_t place_count;
    struct dg_hash_key hash_key;
};

// Bytes that a key of an identity takes.
size_t dg_psk_table_bytes(size_t identity_size, size_t key_size);
// Room for further identities and keys of these bytes together. False: memory is short, or 16 GB are not enough.
DG_MUST_USE bool dg_psk_table_reserve(struct dg_psk_table *table, size_t identities, size_t bytes);
enum dg_psk_added {
    DG_PSK_ADDED,
    DG_PSK_ADDED_NEXT,    // as the identity's second key
    DG_PSK_SAME_KEY,      // the identity has this key already
    DG_PSK_TOO_MANY_KEYS, // it has two
};
// Copies identity and key; there must be room. psk->line goes with it.
enum dg_psk_added dg_psk_table_add(struct dg_psk_table *table, const struct dg_psk *psk);
// The identity's keys, the current one first; what they point to lies in the table. Returns how many, 0: unknown.
size_t dg_psk_table_find(const struct dg_psk_table *table, struct dg_bytes identity, struct dg_psk keys[DG_PSK_KEYS_MAX]);
// Of the identity that was added first. Returns how many, 0: the table is empty.
size_t dg_psk_table_first(const struct dg_psk_table *table, struct dg_psk keys[DG_PSK_KEYS_MAX]);
void dg_psk_table_clear(struct dg_psk_table *table); // wipes; fine on a zeroed struct

#endif
