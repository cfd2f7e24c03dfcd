// SPDX-License-Identifier: GPL-3.0-or-later
// The store of pre-shared keys for fleets: one SQLite file, each change a transaction. The only room that includes
// SQLite. Owns the schema and the file's permissions; never shows a key.
#ifndef DG_CREDENTIALS_PSK_STORE_H
#define DG_CREDENTIALS_PSK_STORE_H

#include "base/attributes.h"
#include "credentials/credentials.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_psk_table;
struct dg_psk_store;

enum dg_psk_store_use {
    DG_PSK_STORE_READ,
    DG_PSK_STORE_CHANGE,
    DG_PSK_STORE_CREATE, // makes a new one where there is none
};
// given: a path, or what file_name.h takes for one. NULL: error says what was found, what is expected and what to do.
struct dg_psk_store *dg_psk_store_open(const char *given, enum dg_psk_store_use use, char *error, size_t error_size);
void dg_psk_store_close(struct dg_psk_store *store); // what is not committed is undone. NULL is fine

enum dg_psk_stored {
    DG_PSK_STORED,
    DG_PSK_STORED_BEFORE, // add: the identity is there; rotate: it has a next key already, or this very key
    DG_PSK_STORED_NONE,   // no such identity; finish and cancel: it has no next key
    DG_PSK_STORED_ERROR,  // error says why
};
// One transaction around changes; without one, each change is its own.
DG_MUST_USE bool dg_psk_store_begin(struct dg_psk_store *store, char *error, size_t error_size);
DG_MUST_USE bool dg_psk_store_commit(struct dg_psk_store *store, char *error, size_t error_size);
enum dg_psk_stored dg_psk_store_add(struct dg_psk_store *store, struct dg_bytes identity, struct dg_bytes key, char *error,
                                    size_t error_size);
enum dg_psk_stored dg_psk_store_remove(struct dg_psk_store *store, struct dg_bytes identity, char *error,
                                       size_t error_size);
// The key becomes the identity's next one: both are good.
enum dg_psk_stored dg_psk_store_rotate(struct dg_psk_store *store, struct dg_bytes identity, struct dg_bytes key,
                                       char *error, size_t error_size);
// The next key becomes the only one; or, cancel, is forgotten.
enum dg_psk_stored dg_psk_store_finish(struct dg_psk_store *store, struct dg_bytes identity, char *error,
                                       size_t error_size);
enum dg_psk_stored dg_psk_store_cancel(struct dg_psk_store *store, struct dg_bytes identity, char *error,
                                       size_t error_size);

struct dg_psk_store_row {
    struct dg_bytes identity, key, next_key; // next_key of size 0: none
    int64_t changed_s;                       // CLOCK_REALTIME of the last change
};
// Each identity in order of its bytes, or the one that is given (data NULL: all). each returns false to stop. False: error
// says why, unless each has stopped it.
typedef bool dg_psk_store_each_row(void *context, const struct dg_psk_store_row *row);
DG_MUST_USE bool dg_psk_store_each(struct dg_psk_store *store, struct dg_bytes identity, dg_psk_store_each_row *each,
                                   void *context, char *error, size_t error_size);
// All of the store's keys into the table, as they are at one moment. False: error says why.
DG_MUST_USE bool dg_psk_store_load(struct dg_psk_table *table, const char *path, char *error, size_t error_size);

#endif
