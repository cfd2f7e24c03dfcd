// SPDX-License-Identifier: GPL-3.0-or-later
// SQLite's heap: all that it frees is wiped first, since pages with keys pass through it. Never opens a store.
#ifndef DG_CREDENTIALS_PSK_STORE_HEAP_H
#define DG_CREDENTIALS_PSK_STORE_HEAP_H

// Once, before SQLite is used. Where an embedding program has used it before, its heap is as it is.
void dg_psk_store_heap_wipe(void);

#endif
