// SPDX-License-Identifier: GPL-3.0-or-later
// The text form of pre-shared keys that psktool and stunnel use, and a look-up by identity. Never keeps
// a copy of a key outside secret memory.
#ifndef DG_CREDENTIALS_PSK_FILE_H
#define DG_CREDENTIALS_PSK_FILE_H

#include "base/hash.h"
#include "credentials/credentials.h"
#include "credentials/file.h"

// The keys of one file. Identities and keys lie in `file`, decoded in place.
struct dg_psk_table {
    struct dg_file file;
    struct dg_psk *items;
    size_t count, capacity;
    uint32_t *places;   // hash -> item + 1; place_count is a power of two, at least twice count
    size_t place_count;
    struct dg_hash_key hash_key;
};

// One key a line: "identity:hex key"; "#" and a hex identity before the colon is psktool's form for
// identities that are not text; other lines that begin with '#', and empty ones, are passed over. False:
// error names file and line and what is wrong, never the key.
DG_MUST_USE bool dg_psk_table_load(struct dg_psk_table *table, const char *path, char *error, size_t error_size);
void dg_psk_table_clear(struct dg_psk_table *table); // wipes; fine on a zeroed struct
const struct dg_psk *dg_psk_table_find(const struct dg_psk_table *table, struct dg_bytes identity);

#endif
