// SPDX-License-Identifier: GPL-3.0-or-later
// The one place that changes the address of a live slot. An address is longer than what one store writes: the
// side slot holds the new one whole, one store says so, and then it is copied. Never judges whether it may.
#include "core/crash_point.h"
#include "core/path.h"
#include "core/shard_private.h"

#include <string.h>

static void copy(struct dg_slot *slot, const struct dg_side_path *side)
{
    slot->peer = side->peer;
    DG_CRASH_POINT(PATH_HALF_COPIED);
    memcpy(slot->local_ip, side->local.ip, sizeof slot->local_ip);
    slot->local_port = side->local.port;
}

void dg_shard_path_phase(struct dg_side_flight *flight, enum dg_path_phase phase)
{
    DG_STORE_ORDER();
    atomic_store_explicit(&dg_side_path_of(flight)->phase, (uint32_t)phase, memory_order_release);
    DG_STORE_ORDER();
}

void dg_shard_path_move(struct dg_shard *shard, struct dg_slot *slot, struct dg_side_flight *flight)
{
    DG_CRASH_POINT(PATH_PROVEN);
    dg_shard_path_phase(flight, DG_PATH_MOVING);
    DG_CRASH_POINT(PATH_MOVING);
    copy(slot, dg_side_path_of(flight));
    DG_CRASH_POINT(PATH_COPIED);
    dg_shard_path_phase(flight, DG_PATH_RESTING);
    DG_CRASH_POINT(PATH_MOVED);
    dg_shard_flight_free(shard, slot, flight);
}

// The side slot stays, at rest: its timer ends it.
void dg_shard_path_recover(struct dg_shard *shard, struct dg_slot *slot)
{
    struct dg_side_flight *flight = dg_shard_flight_find(shard, slot, DG_FLIGHT_PATH);
    if (flight == NULL || dg_side_path_phase(flight) != DG_PATH_MOVING) {
        return;
    }
    copy(slot, dg_side_path_of(flight));
    dg_shard_path_phase(flight, DG_PATH_RESTING);
}
