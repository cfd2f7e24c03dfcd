// SPDX-License-Identifier: GPL-3.0-or-later
// The descriptors that the keeper holds while no server lives. Owns them; never reads, writes or maps one.
#ifndef DG_KEEPER_STORE_H
#define DG_KEEPER_STORE_H

#include "base/attributes.h"
#include "io/inheritance.h"

#include <stdbool.h>

struct dg_store {
    struct dg_inherited items[DG_INHERITANCE_MAX];
    size_t count;
};

enum dg_stored {
    DG_STORED,
    DG_STORED_BEFORE, // the same open file is here: kept once
    DG_STORE_FULL,
};

// Takes fd in any case: one that is not kept is closed.
enum dg_stored dg_store_add(struct dg_store *store, const char *name, int fd);
void dg_store_forget(struct dg_store *store, const char *name); // closes all of that name
void dg_store_clear(struct dg_store *store);

#endif
