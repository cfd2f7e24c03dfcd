// SPDX-License-Identifier: GPL-3.0-or-later
// Why SQLite has not done what the store of pre-shared keys asked of it. Never shows a key.
#ifndef DG_CREDENTIALS_PSK_STORE_ERROR_H
#define DG_CREDENTIALS_PSK_STORE_ERROR_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#define DG_PSK_STORE_BUSY_MS 5000 // wait for somebody else's change

// Of the call before this one: error is what was found and what to do. Returns false.
bool dg_psk_store_complain(sqlite3 *database, const char *path, char *error, size_t error_size);

#endif
