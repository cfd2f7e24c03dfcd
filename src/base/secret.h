// SPDX-License-Identifier: GPL-3.0-or-later
// What secrets need: wiping that the compiler keeps, comparison in constant time, memory that is kept
// out of core dumps and swap. Never logs, never copies to other storage.
#ifndef DG_BASE_SECRET_H
#define DG_BASE_SECRET_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void dg_wipe(void *data, size_t size_bytes);
// True when equal; its time depends on size_bytes only.
DG_MUST_USE bool dg_secret_equal(const void *a, const void *b, size_t size_bytes);

// Keeps whole pages out of core dumps, children and (as far as RLIMIT_MEMLOCK allows) swap. What the
// host refuses is left out silently. Pages are locked when first touched, never before.
void dg_secret_shield(void *pages, size_t size_bytes);

// A heap block for secrets of its own pages, zeroed: MADV_DONTDUMP, MADV_DONTFORK, mlock where the
// limits allow it. NULL when memory is short. dg_secret_free (with the same size) wipes first; NULL is
// fine.
DG_MUST_USE void *dg_secret_new(size_t size_bytes);
void dg_secret_free(void *data, size_t size_bytes);

#endif
