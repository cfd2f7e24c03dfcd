// SPDX-License-Identifier: GPL-3.0-or-later
// What the datagrams of a batch will read of memory, asked for before the first of them is looked at: with many
// associations none of it is in the processor's cache, and the waits then pass side by side instead of one after the
// other. A guess, which proves and changes nothing. Used by the engine's thread.
#ifndef DG_CORE_AHEAD_H
#define DG_CORE_AHEAD_H

#include "core/engine.h"

struct dg_slot_index;

// Of one datagram: path, data and size are the caller's, the rest is found; slot stays NULL where none is guessed.
struct dg_ahead {
    const struct dg_path *path;
    const uint8_t *data;
    size_t size;
    const uint8_t *cid;
    const struct dg_shard *shard;
    const struct dg_slot_index *index;
    uint64_t hash;
    const struct dg_slot *slot;
    uint8_t side_kind; // of its first side slot, as read
};

// First, for the whole batch: as far as one can see, and a line of every page on the way.
void dg_ahead_batch(const struct dg_engine *engine, struct dg_ahead *all, size_t count);
// Then for each, some time before it is taken: the rest of its slot.
void dg_ahead_slot(const struct dg_ahead *ahead);

#endif
