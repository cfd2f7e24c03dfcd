// SPDX-License-Identifier: GPL-3.0-or-later
// Slices of the table for operators. Ends an association only where the request says so.
#include "core/engine_scan.h"

#include "base/secret.h"
#include "core/engine_internal.h"

#include <string.h>

static bool does_fit(const struct dg_scan_request *request, const struct dg_shard *shard, const struct dg_slot *slot)
{
    if (request->id != 0)
        return slot->id == request->id;
    struct dg_bytes identity = dg_shard_identity(shard, slot);
    if (request->identity_size > 0)
        return (identity.size == request->identity_size &&
                dg_secret_equal(identity.data, request->identity, request->identity_size)) ||
               (request->has_peer != 0 && dg_secret_equal(slot->peer.ip, request->peer.ip, sizeof slot->peer.ip));
    return request->pattern[0] == '\0' || dg_policy_pattern_fits(request->pattern, identity);
}

static void fill_row(const struct dg_shard *shard, const struct dg_slot *slot, dg_time now, struct dg_scan_row *ret)
{
    struct dg_bytes identity = dg_shard_identity(shard, slot);
    memset(ret, 0, sizeof *ret);
    ret->ref = dg_shard_ref(shard, slot);
    ret->peer = slot->peer;
    memcpy(ret->local.ip, slot->local_ip, sizeof ret->local.ip);
    ret->local.port = slot->local_port;
    ret->listener = slot->listener;
    ret->age = dg_slot_age(slot, now);
    ret->idle = dg_time_since(now, atomic_load_explicit(&slot->active_at, memory_order_relaxed));
    ret->expires_s = slot->expires_s;
    ret->suite = slot->suite;
    ret->group = slot->group;
    ret->version = slot->version;
    ret->flags = slot->flags;
    ret->identity_kind = slot->identity_kind;
    if ((slot->flags & DG_SLOT_HAS_CID) != 0) {
        ret->cid_size = (uint8_t)shard->cid_size;
        memcpy(ret->cid, slot->cid, shard->cid_size);
    }
    ret->identity_size = (uint8_t)(identity.size < DG_IDENTITY_MAX ? identity.size : DG_IDENTITY_MAX);
    if (ret->identity_size > 0)
        memcpy(ret->identity, identity.data, ret->identity_size);
}

// The next that fits among the slice's slots; NULL: none. The cursor is behind it.
static struct dg_slot *next_fitting(const struct dg_scan_request *request, struct dg_shard *shard, uint32_t *cursor,
                                    uint32_t end)
{
    for (;;) {
        struct dg_slot *slot = dg_shard_next_live_before(shard, cursor, end);
        if (slot == NULL || does_fit(request, shard, slot))
            return slot;
    }
}

void dg_engine_scan(struct dg_engine *engine, dg_time now, const struct dg_scan_request *request,
                    struct dg_scan_answer *ret)
{
    ret->query = request->query;
    ret->place = request->place;
    ret->cursor = request->cursor;
    ret->row_count = 0;
    ret->is_over = request->place >= engine->shard_count;
    if (ret->is_over)
        return;
    struct dg_shard *shard = &engine->shards[request->place];
    uint32_t end = request->cursor <= UINT32_MAX - DG_SCAN_SLOTS_MAX ? request->cursor + DG_SCAN_SLOTS_MAX : UINT32_MAX;
    while (ret->row_count < DG_SCAN_ROWS_MAX) {
        const struct dg_slot *slot = next_fitting(request, shard, &ret->cursor, end);
        if (slot == NULL)
            break;
        struct dg_scan_row *row = &ret->rows[ret->row_count++];
        fill_row(shard, slot, now, row);
        if (request->what == DG_SCAN_CLOSE)
            dg_engine_close(engine, now, row->ref, DG_COUNT_CLOSED_BY_OPERATOR);
    }
    if (ret->cursor >= shard->fresh_slot) { // another shard another time: to find its slots may have taken long enough
        ret->place++;
        ret->cursor = 0;
        ret->is_over = ret->place >= engine->shard_count;
    }
}
