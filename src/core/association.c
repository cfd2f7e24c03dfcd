// SPDX-License-Identifier: GPL-3.0-or-later
// The life of an association in the engine: found by reference, ended. Never opens or seals a
// record itself; what it reads of the slot lies in memory that outlives the process.
#include "core/engine_internal.h"

struct dg_association dg_association_of(struct dg_engine *engine, dg_time now, struct dg_shard *shard,
                                        struct dg_slot *slot)
{
    return (struct dg_association){.engine = engine, .shard = shard, .slot = slot, .id = slot->id, .now = now};
}

bool dg_association_find(struct dg_engine *engine, dg_time now, struct dg_ref ref, struct dg_association *ret)
{
    if (ref.shard >= DG_SHARDS_MAX || engine->by_number[ref.shard] == NULL)
        return false;
    struct dg_shard *shard = engine->by_number[ref.shard];
    struct dg_slot *slot = dg_shard_find_ref(shard, ref);
    if (slot == NULL)
        return false;
    *ret = dg_association_of(engine, now, shard, slot);
    return true;
}

bool dg_association_is_alive(const struct dg_association *association)
{
    return atomic_load_explicit(&association->slot->state, memory_order_relaxed) == DG_SLOT_LIVE &&
           association->slot->id == association->id;
}

static struct dg_keyset *keyset_at(const struct dg_association *association, const _Atomic uint32_t *place)
{
    struct dg_keyset *keyset = dg_shard_keyset(association->shard, association->slot,
                                               atomic_load_explicit(place, memory_order_relaxed));
    DG_BUG_UNLESS(keyset != NULL);
    return keyset;
}

struct dg_keyset *dg_association_tx(const struct dg_association *association)
{
    return keyset_at(association, &association->slot->tx_place);
}

struct dg_keyset *dg_association_rx(const struct dg_association *association)
{
    return keyset_at(association, &association->slot->rx_place);
}

struct dg_key_view dg_association_view(const struct dg_association *association, const struct dg_keyset *keyset)
{
    const struct dg_slot *slot = association->slot;
    return dg_keyset_view(keyset, (enum dg_aead_id)slot->aead, (enum dg_hash_id)slot->hash, slot->version == 13);
}

struct dg_path dg_association_path(const struct dg_slot *slot)
{
    struct dg_path path = {.peer = slot->peer, .listener = slot->listener};
    for (size_t i = 0; i < sizeof path.local.ip; i++)
        path.local.ip[i] = slot->local_ip[i];
    path.local.port = slot->local_port;
    path.local.scope = slot->peer.scope; // a link-local peer is answered on its own link
    return path;
}

struct dg_bytes dg_slot_peer_cid(const struct dg_shard *shard, const struct dg_slot *slot)
{
    if ((slot->flags & DG_SLOT_PEER_HAS_CID) == 0)
        return (struct dg_bytes){.data = slot->peer_cid, .size = 0};
    return dg_shard_peer_cid(shard, slot);
}

static bool is_closing(const struct dg_engine *engine, uint64_t id)
{
    for (const struct dg_closing *closing = engine->closing; closing != NULL; closing = closing->outer)
        if (closing->id == id)
            return true;
    return false;
}

static void count_end(struct dg_counters *counters, enum dg_counter reason)
{
    dg_count(counters, DG_COUNT_ASSOCIATIONS_CLOSED);
    dg_count(counters, reason);
    switch (reason) {
    case DG_COUNT_FAIL_OPEN_LIMIT:
    case DG_COUNT_FAIL_SEAL_LIMIT:
        dg_count(counters, DG_COUNT_CLOSED_LIMIT);
        break;
    case DG_COUNT_FAIL_UNEXPECTED_MESSAGE:
    case DG_COUNT_FAIL_DECODE:
    case DG_COUNT_FAIL_ILLEGAL_PARAMETER:
    case DG_COUNT_FAIL_CID_REQUESTS:
    case DG_COUNT_FAIL_ACK_UNSENT:
        dg_count(counters, DG_COUNT_CLOSED_ERROR);
        break;
    default:
        break;
    }
}

void dg_association_end(const struct dg_association *association, enum dg_counter reason, int alert)
{
    struct dg_engine *engine = association->engine;
    struct dg_slot *slot = association->slot;
    if (!dg_association_is_alive(association) || is_closing(engine, association->id))
        return;
    const struct dg_closing closing = {.id = association->id, .outer = engine->closing};
    engine->closing = &closing;

    // RFC 8446 6.1, RFC 5246 7.2.1: close_notify before closing, once, unless an error alert goes instead.
    if (alert != DG_NO_ALERT && (slot->flags & DG_SLOT_CLOSE_SENT) == 0) {
        dg_alert_send(association, alert == DG_ALERT_CLOSE_NOTIFY ? DG_ALERT_LEVEL_WARNING : DG_ALERT_LEVEL_FATAL,
                      (uint8_t)alert);
    }
    slot->flags |= DG_SLOT_CLOSE_SENT;
    count_end(engine->counters, reason);
    if (engine->hooks.closed != NULL) {
        engine->hooks.closed(engine->hooks.context, association->now, dg_shard_ref(association->shard, slot), slot,
                             reason);
    }
    dg_shard_give_back(association->shard, slot);
    dg_association_forget_keys(association);
    engine->closing = closing.outer;
}

void dg_association_fail(const struct dg_association *association, struct dg_result failure)
{
    dg_association_end(association, failure.reason, failure.alert);
}

void dg_association_garbage(const struct dg_association *association, enum dg_counter reason)
{
    struct dg_slot *slot = association->slot;
    dg_count(association->engine->counters, reason);
    slot->garbage++;
    // RFC 9147 5.10: a peer that persistently sends bad messages is dropped.
    if (slot->garbage >= DG_GARBAGE_MAX)
        dg_association_fail(association, dg_fail(DG_COUNT_FAIL_UNEXPECTED_MESSAGE, DG_ALERT_UNEXPECTED_MESSAGE));
}
