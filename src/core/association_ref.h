// SPDX-License-Identifier: GPL-3.0-or-later
// How other rooms name an association: its place and its id. A reference outlives its association
// harmlessly: the id never comes back, so a stale reference finds nothing.
#ifndef DG_CORE_ASSOCIATION_REF_H
#define DG_CORE_ASSOCIATION_REF_H

#include <stdint.h>

struct dg_ref {
    uint64_t id;    // random, never reused; 0 is no association
    uint32_t shard;
    uint32_t slot;
};

#endif
