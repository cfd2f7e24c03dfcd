// SPDX-License-Identifier: GPL-3.0-or-later
// The two ends of a slot: the take-over, which makes it live last of all, and the giving back, which makes
// it dying first of all. Owns the books of vacant slots. Never sends, never derives a key.
#include "core/shard_private.h"

#include "base/random.h"
#include "base/secret.h"
#include "core/crash_point.h"
#include "core/policy.h"
#include "core/wire_constants.h"

#include <string.h>

// How long a final flight may have to be repeated: RFC 9147 5.8.1 and RFC 6347 4.2.4, twice the maximum
// segment lifetime of RFC 9293.
#define FINAL_FLIGHT_TIME (DG_MSL_TWICE_SECONDS * DG_SECOND)
#define FIRST_RETRANSMISSION DG_SECOND // RFC 9147 5.8.2

// --- vacant slots ---------------------------------------------------------------

void dg_shard_slot_is_vacant(struct dg_shard *shard, uint32_t number)
{
    dg_vacancy_put(&shard->vacant_slots, number);
    shard->wants_trim = true;
}

void dg_shard_slot_wipe(struct dg_slot *slot)
{
    _Static_assert(offsetof(struct dg_slot, state) == 0, "the state comes first");
    size_t kept = sizeof slot->state;
    dg_wipe((uint8_t *)slot + kept, sizeof *slot - kept);
    DG_STORE_ORDER();
}

// Still free in the region: it is taken by becoming live.
static struct dg_slot *choose_slot(struct dg_shard *shard)
{
    bool has_fresh = shard->fresh_slot < shard->memory->shape.slots_per_shard;
    uint32_t number = dg_shard_take_vacant(shard, &shard->vacant_slots, has_fresh);
    if (number != DG_NOTHING_VACANT) {
        DG_BUG_UNLESS(number < shard->fresh_slot);
        return &shard->slots[number];
    }
    if (!has_fresh) {
        return NULL;
    }
    number = shard->fresh_slot++;
    atomic_store_explicit(&shard->head->slots_used, shard->fresh_slot, memory_order_release);
    DG_CRASH_POINT(SLOT_MARK_RAISED);
    // All zeros, unless the head was damaged and this slot was in use: then it is nobody's any more.
    struct dg_slot *slot = &shard->slots[number];
    atomic_store_explicit(&slot->state, DG_SLOT_FREE, memory_order_release);
    dg_shard_slot_wipe(slot);
    return slot;
}

// --- the check ----------------------------------------------------------------

#define FLAGS_THAT_CHANGE (DG_SLOT_CLOSE_SENT | DG_SLOT_CLOSE_RECEIVED)

struct constants {
    uint64_t id, credential, leaf;
    uint8_t cid[DG_CID_SIZE_MAX];
    uint32_t listener, opened_tick, expires_s;
    uint16_t suite, group;
    uint8_t version, aead, hash, flags;
    uint8_t identity_kind, identity_size;
    uint8_t zero[2];
    uint8_t identity[256];
};
_Static_assert(sizeof(struct constants) == 64 + 256, "no padding in what is summed");

uint32_t dg_shard_slot_check(const struct dg_shard *shard, const struct dg_slot *slot)
{
    static const struct dg_hash_key KEY = {.k0 = DG_MEMORY_MAGIC, .k1 = sizeof(struct constants)};
    struct constants all = {.id = slot->id,
                            .listener = slot->listener,
                            .credential = slot->credential,
                            .leaf = slot->leaf,
                            .opened_tick = slot->opened_tick,
                            .expires_s = slot->expires_s,
                            .suite = slot->suite,
                            .group = slot->group,
                            .version = slot->version,
                            .aead = slot->aead,
                            .hash = slot->hash,
                            .flags = slot->flags & (uint8_t)~FLAGS_THAT_CHANGE,
                            .identity_kind = slot->identity_kind,
                            .identity_size = slot->identity_size};
    memcpy(all.cid, slot->cid, sizeof all.cid);
    struct dg_bytes identity = dg_shard_identity(shard, slot);
    DG_BUG_UNLESS(identity.size <= sizeof all.identity);
    memcpy(all.identity, identity.data, identity.size);
    return (uint32_t)dg_hash(&KEY, &all, offsetof(struct constants, identity) + identity.size);
}

// --- the take-over ------------------------------------------------------------

bool dg_shard_handover_is_sane(const struct dg_shard *shard, const struct dg_handover *handover)
{
    bool is_12 = handover->version == 12;
    return (is_12 || handover->version == 13) && handover->aead > DG_AEAD_NONE && handover->aead < DG_AEAD_COUNT &&
           (handover->hash == DG_HASH_SHA256 || handover->hash == DG_HASH_SHA384) &&
           (handover->cid_size == 0 || handover->cid_size == shard->cid_size) &&
           handover->path.listener <= UINT32_MAX && handover->peer_cid_size <= DG_CID_PEER_MAX &&
           handover->identity_kind <= DG_IDENTITY_RAW_PUBLIC_KEY &&
           handover->ticket_size + (is_12 ? handover->finished_size : 0) <= DG_FLIGHT_BYTES;
}

static void fill_plain_fields(struct dg_slot *slot, dg_time now, const struct dg_handover *handover)
{
    slot->version = handover->version;
    slot->aead = handover->aead;
    slot->hash = handover->hash;
    bool peer_wants_cid = handover->peer_has_cid != 0 && handover->peer_cid_size > 0;
    slot->flags = (uint8_t)((handover->cid_size > 0 ? DG_SLOT_HAS_CID : 0) |
                            (peer_wants_cid ? DG_SLOT_PEER_HAS_CID : 0) | (handover->resumed ? DG_SLOT_RESUMED : 0) |
                            (handover->is_client ? DG_SLOT_IS_CLIENT : 0) |
                            (handover->has_rrc ? DG_SLOT_HAS_RRC : 0));
    do {
        slot->id = dg_random_u64();
    } while (slot->id == 0);
    slot->policy_generation = handover->policy_generation;
    atomic_store_explicit(&slot->active_at, now, memory_order_relaxed);
    memcpy(slot->cid, handover->cid, handover->cid_size);
    slot->identity_kind = handover->identity_kind;
    slot->peer = handover->path.peer;
    memcpy(slot->local_ip, handover->path.local.ip, sizeof slot->local_ip);
    slot->local_port = handover->path.local.port;
    slot->listener = (uint32_t)handover->path.listener;
    slot->credential = handover->credential;
    slot->leaf = handover->leaf;
    slot->side = DG_NO_SIDE;
    slot->tx_message_seq = handover->tx_message_seq;
    slot->rx_message_seq = handover->rx_message_seq;
    slot->opened_tick = dg_slot_tick(now);
    slot->expires_s = handover->expires_s;
    slot->suite = handover->suite;
    slot->group = handover->group;
    slot->rtt_ms = handover->rtt_ms;
    slot->rule = DG_POLICY_NO_RULE;
}

// A keyset in a place of its own. Its numbers go on where the handshake stopped.
static struct dg_keyset *fill_keyset(struct dg_shard *shard, struct dg_slot *slot, _Atomic uint32_t *ret_place,
                                     const struct dg_key_material *material, uint64_t next)
{
    uint32_t place = dg_shard_keyset_new(shard, slot);
    struct dg_keyset *keyset = dg_shard_keyset(shard, slot, place);
    if (keyset == NULL) {
        return NULL;
    }
    uint64_t epoch = slot->version == 12 ? DG_EPOCH12_PROTECTED : DG_EPOCH13_APPLICATION;
    dg_keyset_fill(keyset, (enum dg_aead_id)slot->aead, (enum dg_hash_id)slot->hash, epoch, material);
    atomic_store_explicit(&keyset->next, next, memory_order_relaxed);
    atomic_store_explicit(ret_place, place, memory_order_relaxed);
    return keyset;
}

static bool fill_keysets(struct dg_shard *shard, struct dg_slot *slot, const struct dg_handover *handover)
{
    struct dg_keyset *tx = fill_keyset(shard, slot, &slot->tx_place, &handover->tx, handover->tx_next);
    if (tx == NULL) {
        return false;
    }
    struct dg_keyset *rx = fill_keyset(shard, slot, &slot->rx_place, &handover->rx, handover->rx_next);
    if (rx == NULL) {
        return false;
    }
    rx->replay = handover->rx_replay;
    return true;
}

// Bytes that live as long as the slot: inline, or in a side slot. False: that would be needed and is not
// to be had.
static bool fill_long(struct dg_shard *shard, struct dg_slot *slot, enum dg_flight_kind kind, uint8_t *inline_bytes,
                      size_t inline_size, const uint8_t *data, uint16_t size)
{
    if (size <= inline_size) {
        memcpy(inline_bytes, data, size);
        return true;
    }
    struct dg_side_flight *side = dg_shard_flight_new(shard, slot, kind);
    if (side == NULL) {
        return false;
    }
    memcpy(side->bytes, data, size);
    side->size = size;
    dg_shard_flight_link(shard, slot, side);
    return true;
}

// The message_seq of a handshake message: type (1), length (3), message_seq (2). RFC 6347 4.2.2.
static uint16_t message_seq_of(const uint8_t *message, size_t size)
{
    struct dg_reader reader = dg_reader_of(message, size);
    (void)dg_read_u8(&reader);
    (void)dg_read_u24(&reader);
    return dg_read_u16(&reader);
}

// RFC 6347 4.2.4: the last flight of a full 1.2 handshake, in case that the client asks for it again.
static void keep_final_12(struct dg_shard *shard, struct dg_slot *slot, dg_time now,
                          const struct dg_handover *handover)
{
    struct dg_side_flight *flight = dg_shard_flight_new(shard, slot, DG_FLIGHT_FINAL_12);
    if (flight == NULL) {
        return; // the association goes on; only a client whose last flight was lost suffers
    }
    flight->message_type = DG_HS_FINISHED;
    flight->message_seq = message_seq_of(handover->flight + handover->ticket_size, handover->finished_size);
    flight->ticket_size = handover->ticket_size;
    flight->size = (uint16_t)(handover->ticket_size + handover->finished_size);
    memcpy(flight->bytes, handover->flight, flight->size);
    flight->plain_sequence = handover->plain_next;
    flight->deadline = now + FINAL_FLIGHT_TIME;
    flight->next_send = now;
    dg_shard_flight_link(shard, slot, flight);
}

// RFC 9147 5.8.1: the client repeats its Finished until it is acknowledged.
static void keep_epoch_2(struct dg_shard *shard, struct dg_slot *slot, dg_time now, const struct dg_handover *handover)
{
    struct dg_side_flight *flight = dg_shard_flight_new(shard, slot, DG_FLIGHT_EPOCH_2);
    if (flight == NULL) {
        return;
    }
    struct dg_keyset *keyset = dg_side_flight_keyset(flight);
    dg_keyset_fill(keyset, (enum dg_aead_id)slot->aead, (enum dg_hash_id)slot->hash, DG_EPOCH13_HANDSHAKE,
                   &handover->handshake_rx);
    atomic_store_explicit(&keyset->next, handover->handshake_rx_next, memory_order_relaxed);
    keyset->replay = handover->handshake_rx_replay;
    flight->size = DG_KEYSET_WIDE;
    flight->deadline = now + FINAL_FLIGHT_TIME;
    flight->next_send = now;
    dg_shard_flight_link(shard, slot, flight);
}

// RFC 9147 5.8.4: the ticket that went out with the handshake, until it is acknowledged.
static void keep_ticket(struct dg_shard *shard, struct dg_slot *slot, dg_time now, const struct dg_handover *handover)
{
    struct dg_side_flight *flight = dg_shard_flight_new(shard, slot, DG_FLIGHT_MESSAGE);
    if (flight == NULL) {
        return;
    }
    flight->message_type = DG_HS_NEW_SESSION_TICKET;
    flight->message_seq = message_seq_of(handover->flight, handover->ticket_size);
    flight->size = handover->ticket_size;
    memcpy(flight->bytes, handover->flight, handover->ticket_size);
    flight->attempts = 1;
    flight->sent_epoch[0] = handover->ticket_epoch;
    flight->sent_sequence[0] = handover->ticket_sequence;
    flight->sent_count = 1;
    flight->deadline = now + FINAL_FLIGHT_TIME;
    flight->next_send = now + FIRST_RETRANSMISSION;
    dg_shard_flight_link(shard, slot, flight);
}

static void keep_final_flights(struct dg_shard *shard, struct dg_slot *slot, dg_time now,
                               const struct dg_handover *handover)
{
    if (slot->version == 12) {
        if (handover->finished_size > 0) {
            keep_final_12(shard, slot, now, handover);
        }
        return;
    }
    // A client's Finished was acknowledged before its handshake was over, and a client gives out no tickets.
    if (handover->is_client) {
        return;
    }
    keep_epoch_2(shard, slot, now, handover);
    if (handover->ticket_size > 0) {
        keep_ticket(shard, slot, now, handover);
    }
}

static bool fill(struct dg_shard *shard, struct dg_slot *slot, dg_time now, const struct dg_handover *handover)
{
    fill_plain_fields(slot, now, handover);
    if (!fill_keysets(shard, slot, handover)) {
        return false;
    }
    slot->identity_size = handover->identity_size > DG_SLOT_IDENTITY ? UINT8_MAX : handover->identity_size;
    slot->peer_cid_size = handover->peer_cid_size;
    if (!fill_long(shard, slot, DG_FLIGHT_IDENTITY, slot->identity, sizeof slot->identity, handover->identity,
                   handover->identity_size) ||
        !fill_long(shard, slot, DG_FLIGHT_PEER_CID, slot->peer_cid, sizeof slot->peer_cid, handover->peer_cid,
                   handover->peer_cid_size)) {
        return false;
    }
    keep_final_flights(shard, slot, now, handover);
    slot->check = dg_shard_slot_check(shard, slot);
    DG_BUG_UNLESS(dg_shard_look_up_key(shard, slot) == NULL);
    return dg_shard_index_put(shard, slot);
}

struct dg_slot *dg_shard_take_over(struct dg_shard *shard, dg_time now, const struct dg_handover *handover,
                                   enum dg_counter *ret_reason)
{
    if (!dg_shard_handover_is_sane(shard, handover)) {
        *ret_reason = DG_COUNT_FAIL_TAKEOVER;
        return NULL;
    }
    dg_shard_ready(shard);
    if (handover->cid_size > 0 && dg_shard_find_cid(shard, handover->cid) != NULL) {
        *ret_reason = DG_COUNT_CID_COLLISION;
        return NULL;
    }
    struct dg_slot *slot = choose_slot(shard);
    if (slot == NULL) {
        *ret_reason = DG_COUNT_TABLE_FULL;
        return NULL;
    }
    DG_CRASH_POINT(TAKE_OVER_SLOT_CHOSEN);
    if (!fill(shard, slot, now, handover)) {
        dg_shard_sides_release(shard, slot);
        dg_shard_slot_wipe(slot);
        dg_shard_slot_is_vacant(shard, dg_shard_slot_number(shard, slot));
        *ret_reason = DG_COUNT_TABLE_FULL;
        return NULL;
    }
    DG_CRASH_POINT(TAKE_OVER_FILLED);
    atomic_store_explicit(&slot->state, DG_SLOT_LIVE, memory_order_release);
    DG_CRASH_POINT(TAKE_OVER_LIVE);
    dg_shard_live_add(shard, 1);
    return slot;
}

// --- the end ------------------------------------------------------------------

void dg_shard_give_back(struct dg_shard *shard, struct dg_slot *slot)
{
    DG_BUG_UNLESS(dg_slot_is_live(slot));
    atomic_store_explicit(&slot->state, DG_SLOT_DYING, memory_order_release);
    DG_CRASH_POINT(GIVE_BACK_DYING);
    dg_shard_index_remove(shard, slot); // while it still has its keys
    dg_shard_spares_remove(shard, slot);
    dg_shard_sides_release(shard, slot);
    dg_shard_slot_wipe(slot);
    DG_CRASH_POINT(GIVE_BACK_WIPED);
    atomic_store_explicit(&slot->state, DG_SLOT_FREE, memory_order_release);
    DG_CRASH_POINT(GIVE_BACK_FREE);
    dg_shard_slot_is_vacant(shard, dg_shard_slot_number(shard, slot));
    dg_shard_live_add(shard, UINT32_MAX);
}
