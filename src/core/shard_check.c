// SPDX-License-Identifier: GPL-3.0-or-later
// Judges a live slot that another process left behind: every index and length in it and in what it refers
// to, then the sum over what never changes. Changes nothing but the marks.
#include "core/connection_ids.h"
#include "core/shard_private.h"

#include "core/wire_constants.h"

// What looks for an ID compares all of its room.
static bool is_rest_zero(const uint8_t cid[DG_CID_SIZE_MAX], uint32_t cid_size)
{
    uint8_t rest = 0;
    for (uint32_t i = cid_size; i < DG_CID_SIZE_MAX; i++) {
        rest |= cid[i];
    }
    return rest == 0;
}

static bool are_fields_sane(const struct dg_shard *shard, const struct dg_slot *slot)
{
    bool has_cid = (slot->flags & DG_SLOT_HAS_CID) != 0;
    return (slot->version == 12 || slot->version == 13) && slot->aead > DG_AEAD_NONE && slot->aead < DG_AEAD_COUNT &&
           (slot->hash == DG_HASH_SHA256 || slot->hash == DG_HASH_SHA384) && slot->id != 0 &&
           slot->identity_kind <= DG_IDENTITY_RAW_PUBLIC_KEY &&
           (slot->identity_size <= DG_SLOT_IDENTITY || slot->identity_size == UINT8_MAX) &&
           slot->peer_cid_size <= DG_CID_PEER_MAX &&
           (!has_cid || (dg_cid_shard(slot->cid, shard->memory->shape.shard_count) == shard->number &&
                         is_rest_zero(slot->cid, shard->cid_size)));
}

// --- flights ------------------------------------------------------------------

static bool is_path_sane(const struct dg_side_flight *flight)
{
    const struct dg_side_path *side = (const struct dg_side_path *)(const void *)flight->bytes;
    return atomic_load_explicit(&side->phase, memory_order_relaxed) <= DG_PATH_MOVING &&
           side->failures <= DG_PATH_FAILURES_MAX && side->cookie_count <= DG_PATH_COOKIES &&
           flight->sent_count <= DG_FLIGHT_SENT_MAX;
}

static bool is_flight_sane(const struct dg_shard *shard, const struct dg_slot *slot,
                           const struct dg_side_flight *flight)
{
    if (flight->size > DG_FLIGHT_BYTES || flight->ticket_size > flight->size) {
        return false;
    }
    switch (flight->kind) {
    case DG_FLIGHT_FINAL_12:
        return true;
    case DG_FLIGHT_MESSAGE:
    case DG_FLIGHT_CLOSING:
        return flight->sent_count <= DG_FLIGHT_SENT_MAX;
    case DG_FLIGHT_PATH: // who is found by its address never gets another: the index would not know
        return (slot->flags & DG_SLOT_HAS_CID) != 0 && flight->size == sizeof(struct dg_side_path) &&
               is_path_sane(flight);
    case DG_FLIGHT_KEPT:
        return flight->message_seq < DG_KEPT_PARTS;
    case DG_FLIGHT_EPOCH_2:
        return flight->size == DG_KEYSET_WIDE;
    case DG_FLIGHT_IDENTITY:
        return flight->size > DG_SLOT_IDENTITY && flight->size <= DG_IDENTITY_MAX;
    case DG_FLIGHT_PEER_CID:
        return flight->size > DG_SLOT_PEER_CID && flight->size <= DG_CID_PEER_MAX;
    case DG_FLIGHT_CIDS:
        return flight->size == sizeof(struct dg_side_cids) &&
               dg_shard_cids_are_sane(shard, slot, (const struct dg_side_cids *)(const void *)flight->bytes);
    default:
        return false;
    }
}

// A list that leads out of range, to another slot's flight, or to a flight twice (a circle) is not sane. The
// marks end it after as many steps as there are flights.
static bool is_list_sane(const struct dg_shard *shard, const struct dg_slot *slot, struct dg_shard_marks *marks)
{
    uint32_t owner = dg_shard_slot_number(shard, slot) + 1;
    uint32_t number = slot->side;
    while (number != DG_NO_SIDE) {
        if (number >= marks->flight_count || dg_is_marked(marks->flights, number)) {
            return false;
        }
        const struct dg_side_flight *flight = &shard->flights[number];
        if (atomic_load_explicit(&flight->owner, memory_order_relaxed) != owner || !is_flight_sane(shard, slot, flight)) {
            return false;
        }
        dg_mark(marks->flights, number);
        number = flight->next;
    }
    return true;
}

// What the slot says is kept aside must be there, in the size that it says. A peer's long ID may still lie there
// when a short one has taken its place.
static bool is_long_part_sane(const struct dg_shard *shard, const struct dg_slot *slot)
{
    const struct dg_side_flight *identity = dg_shard_flight_find(shard, slot, DG_FLIGHT_IDENTITY);
    const struct dg_side_flight *peer_cid = dg_shard_flight_find(shard, slot, DG_FLIGHT_PEER_CID);
    bool needs_identity = slot->identity_size > DG_SLOT_IDENTITY;
    bool needs_peer_cid = slot->peer_cid_size > DG_SLOT_PEER_CID;
    return (identity != NULL) == needs_identity &&
           (!needs_peer_cid || (peer_cid != NULL && peer_cid->size == slot->peer_cid_size));
}

// --- keysets ------------------------------------------------------------------

static bool is_place_sane(const struct dg_shard *shard, const struct dg_slot *slot, uint32_t place,
                          struct dg_shard_marks *marks)
{
    if (place == DG_PLACE_INLINE_0) {
        return true;
    }
    if (place == DG_PLACE_INLINE_1) {
        return !dg_slot_has_wide_keysets(slot);
    }
    if (place < DG_PLACE_SIDE || place - DG_PLACE_SIDE >= marks->wide_count) {
        return false;
    }
    uint32_t number = place - DG_PLACE_SIDE;
    uint32_t owner = atomic_load_explicit(&shard->wides[number].owner, memory_order_relaxed);
    if (owner != dg_shard_slot_number(shard, slot) + 1 || dg_is_marked(marks->wides, number)) {
        return false;
    }
    dg_mark(marks->wides, number);
    return true;
}

static bool is_epoch_sane(const struct dg_shard *shard, const struct dg_slot *slot, uint32_t place)
{
    uint64_t epoch = dg_shard_keyset(shard, slot, place)->epoch;
    return slot->version == 12 ? epoch == DG_EPOCH12_PROTECTED : epoch >= DG_EPOCH13_APPLICATION;
}

static bool are_keysets_sane(const struct dg_shard *shard, const struct dg_slot *slot, struct dg_shard_marks *marks)
{
    uint32_t tx = atomic_load_explicit(&slot->tx_place, memory_order_relaxed);
    uint32_t rx = atomic_load_explicit(&slot->rx_place, memory_order_relaxed);
    uint32_t rx_old = atomic_load_explicit(&slot->rx_old_place, memory_order_relaxed);
    // A keyset is never shared by two directions: sealing with the client's keys would use its numbers again.
    if (tx == rx || tx == rx_old) {
        return false;
    }
    if (!is_place_sane(shard, slot, tx, marks) || !is_epoch_sane(shard, slot, tx) ||
        !is_place_sane(shard, slot, rx, marks) || !is_epoch_sane(shard, slot, rx)) {
        return false;
    }
    // rx_old == rx is a change of keys that stopped half way (the old one was noted, the new one not yet
    // published): the owner repairs it.
    if (rx_old == DG_PLACE_NONE || rx_old == rx) {
        return true;
    }
    return is_place_sane(shard, slot, rx_old, marks) && is_epoch_sane(shard, slot, rx_old);
}

bool dg_shard_slot_is_sane(const struct dg_shard *shard, const struct dg_slot *slot, struct dg_shard_marks *marks)
{
    return are_fields_sane(shard, slot) && is_list_sane(shard, slot, marks) && is_long_part_sane(shard, slot) &&
           are_keysets_sane(shard, slot, marks) && slot->check == dg_shard_slot_check(shard, slot);
}
