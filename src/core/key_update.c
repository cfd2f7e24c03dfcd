// SPDX-License-Identifier: GPL-3.0-or-later
// Changes of keys in DTLS 1.3 (RFC 9147 8, RFC 8446 4.6.3), both directions. New keys are prepared aside and
// published by one store, so that a process that dies at any place leaves an association that works.
#include "base/secret.h"
#include "core/crash_point.h"
#include "core/engine_internal.h"

#define EPOCH_MAX ((UINT64_C(1) << 48) - 1) // RFC 9147 8: sending never goes beyond

// The next generation of current in a place of its own, which nothing refers to yet; DG_PLACE_NONE: none to
// be had, or the library failed.
static uint32_t prepare_next(const struct dg_association *association, const struct dg_keyset *current)
{
    struct dg_shard *shard = association->shard;
    struct dg_slot *slot = association->slot;
    struct dg_key_view view = dg_association_view(association, current);
    struct dg_key_material material;
    if (!dg_key_material_next(&material, &view, association->engine->aead))
        return DG_PLACE_NONE;
    uint32_t place = dg_shard_keyset_new(shard, slot);
    if (place != DG_PLACE_NONE) {
        dg_keyset_fill(dg_shard_keyset(shard, slot, place), view.aead, view.hash, current->epoch + 1, &material);
        DG_CRASH_POINT(KEY_UPDATE_PREPARED);
    }
    dg_wipe(&material, sizeof material);
    return place;
}

// --- ours ---------------------------------------------------------------------------

static struct dg_side_flight *under_way(const struct dg_association *association)
{
    struct dg_side_flight *flight = dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_MESSAGE);
    while (flight != NULL && (flight->kind != DG_FLIGHT_MESSAGE || flight->message_type != DG_HS_KEY_UPDATE))
        flight = dg_shard_flight_next(association->shard, flight);
    return flight;
}

bool dg_key_update_start(const struct dg_association *association, enum dg_key_update_request request)
{
    // RFC 9147 8: no second one before the first was acknowledged, which brings new keys as well; and none
    // that would take the epoch out of its range, not even when asked for.
    if (under_way(association) != NULL || dg_association_tx(association)->epoch >= EPOCH_MAX)
        return true;
    // What we sent before has to be taken in first. A peer that keeps messages until their turn acknowledges
    // the KeyUpdate at once (RFC 9147 7: processed or buffered), and could not read the repetition of the
    // message that it waits for, which would go out under the new keys.
    if (dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_MESSAGE) != NULL)
        return false;
    const uint8_t body = (uint8_t)request;
    if (!dg_message_start(association, DG_HS_KEY_UPDATE, &body, sizeof body))
        return false;
    dg_count(association->engine->counters, DG_COUNT_KEY_UPDATES_SENT);
    return true;
}

bool dg_key_update_acknowledged(const struct dg_association *association)
{
    struct dg_slot *slot = association->slot;
    uint32_t old = atomic_load_explicit(&slot->tx_place, memory_order_relaxed);
    uint32_t place = prepare_next(association, dg_association_tx(association));
    if (place == DG_PLACE_NONE)
        return false;
    atomic_store_explicit(&slot->tx_place, place, memory_order_release);
    DG_CRASH_POINT(KEY_UPDATE_PUBLISHED);
    dg_shard_keyset_free(association->shard, slot, old);
    dg_association_forget_keys(association);
    DG_CRASH_POINT(KEY_UPDATE_OLD_WIPED);
    return true;
}

// --- the peer's -----------------------------------------------------------------------

void dg_key_update_retire_old(const struct dg_association *association)
{
    struct dg_slot *slot = association->slot;
    uint32_t old = atomic_load_explicit(&slot->rx_old_place, memory_order_relaxed);
    if (old == DG_PLACE_NONE)
        return;
    atomic_store_explicit(&slot->rx_old_place, DG_PLACE_NONE, memory_order_release);
    DG_CRASH_POINT(KEY_UPDATE_OLD_DROPPED);
    // Both are the same where a process died between the two stores of a change.
    if (old != atomic_load_explicit(&slot->rx_place, memory_order_relaxed)) {
        dg_shard_keyset_free(association->shard, slot, old);
        dg_association_forget_keys(association);
    }
    DG_CRASH_POINT(KEY_UPDATE_OLD_WIPED);
}

// The keys of the epoch before stay until a record of the new one has opened (RFC 9147 8).
static bool receive_next_epoch(const struct dg_association *association)
{
    struct dg_slot *slot = association->slot;
    uint32_t place = prepare_next(association, dg_association_rx(association));
    if (place == DG_PLACE_NONE)
        return false;
    atomic_store_explicit(&slot->rx_old_place, atomic_load_explicit(&slot->rx_place, memory_order_relaxed),
                          memory_order_release);
    DG_CRASH_POINT(KEY_UPDATE_OLD_KEPT);
    atomic_store_explicit(&slot->rx_place, place, memory_order_release);
    DG_CRASH_POINT(KEY_UPDATE_PUBLISHED);
    return true;
}

struct dg_result dg_key_update_received(const struct dg_association *association, uint64_t epoch,
                                        struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    uint8_t request = dg_read_u8(&reader);
    if (!dg_reader_done(&reader))
        return dg_fail(DG_COUNT_FAIL_DECODE, DG_ALERT_DECODE_ERROR);
    if (request > DG_UPDATE_REQUESTED) // RFC 8446 4.6.3
        return dg_fail(DG_COUNT_FAIL_ILLEGAL_PARAMETER, DG_ALERT_ILLEGAL_PARAMETER);
    // The answer goes out before any further application data; while it cannot (no room, or an earlier message
    // of ours is not acknowledged) the message is left as not received, and the peer repeats it.
    if (request == DG_UPDATE_REQUESTED && !dg_key_update_start(association, DG_UPDATE_NOT_REQUESTED))
        return dg_drop(DG_COUNT_DROP_HANDSHAKE_GAP);
    // A KeyUpdate of an epoch that is already left: carried out before the process died, only not yet
    // noted as such. One KeyUpdate of an epoch is one step, however often it comes.
    if (epoch < dg_association_rx(association)->epoch)
        return dg_ok();
    if (!receive_next_epoch(association))
        return dg_drop(DG_COUNT_DROP_HANDSHAKE_GAP);
    dg_count(association->engine->counters, DG_COUNT_KEY_UPDATES_RECEIVED);
    return dg_ok();
}
