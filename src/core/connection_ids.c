// SPDX-License-Identifier: GPL-3.0-or-later
// NewConnectionId and RequestConnectionId of DTLS 1.3 (RFC 9147 9), both ways and in both roles: ours are given
// when they are asked for and never else, the peer's are kept for new paths. Never decides what a path is.
#include "core/connection_ids.h"

#include "core/crash_point.h"
#include "core/engine_internal.h"

#include <string.h>

#define REQUESTS_IN_VAIN_MAX 16 // in a row, each answered with nothing

enum usage { CID_IMMEDIATE = 0, CID_SPARE = 1 }; // RFC 9147 9

static bool is_outstanding(const struct dg_association *association, uint8_t type)
{
    const struct dg_side_flight *flight = dg_shard_flight_find(association->shard, association->slot,
                                                               DG_FLIGHT_MESSAGE);
    while (flight != NULL && (flight->kind != DG_FLIGHT_MESSAGE || flight->message_type != type))
        flight = dg_shard_flight_next(association->shard, flight);
    return flight != NULL;
}

static uint8_t own_state(const struct dg_side_cids *cids, uint32_t place)
{
    return atomic_load_explicit(&cids->own_state[place], memory_order_relaxed);
}

// --- the peer asks for ours --------------------------------------------------------------

// An ID that the peer has left is given back when others need its place: the newest that it was seen on stays,
// and the one before that, whose records may still be on their way.
static void retire_left(const struct dg_association *association, const struct dg_side_cids *cids)
{
    for (uint32_t place = 0; place < DG_CID_SPARES; place++)
        if (own_state(cids, place) == DG_OWN_CID_SEEN && cids->newest != place + 1 && cids->before != place + 1)
            dg_shard_cid_retire(association->shard, association->slot, place);
}

// Chooses up to wanted places whose IDs the peer does not know yet, as bits. All are routable before any is sent.
static uint32_t choose(const struct dg_association *association, const struct dg_side_cids *cids, uint32_t wanted)
{
    uint32_t chosen = 0;
    for (uint32_t place = 0; place < DG_CID_SPARES && wanted > 0; place++) {
        if (own_state(cids, place) == DG_OWN_CID_NONE &&
            !dg_shard_cid_add(association->shard, association->slot, place))
            break;
        if (own_state(cids, place) != DG_OWN_CID_ROUTABLE)
            continue;
        chosen |= 1u << place;
        wanted--;
    }
    return chosen;
}

static bool offer(const struct dg_association *association, struct dg_side_cids *cids, uint32_t chosen)
{
    uint8_t body[2 + DG_CID_SPARES * (1 + DG_CID_SIZE_MAX) + 1], count = 0;
    uint32_t cid_size = association->shard->cid_size;
    for (uint32_t place = 0; place < DG_CID_SPARES; place++)
        count = (uint8_t)(count + (chosen >> place & 1));
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u16(&writer, (uint16_t)(count * (1 + cid_size)));
    for (uint32_t place = 0; place < DG_CID_SPARES; place++) {
        if ((chosen >> place & 1) == 0)
            continue;
        dg_write_u8(&writer, (uint8_t)cid_size);
        dg_write_bytes(&writer, cids->own[place], cid_size);
    }
    dg_write_u8(&writer, CID_SPARE);
    DG_BUG_UNLESS(!writer.failed);
    if (!dg_message_start(association, DG_HS_NEW_CONNECTION_ID, body, dg_writer_size(&writer)))
        return false;
    DG_CRASH_POINT(CIDS_OFFERED);
    for (uint32_t place = 0; place < DG_CID_SPARES; place++)
        if ((chosen >> place & 1) != 0)
            dg_shard_cid_mark(cids, place, DG_OWN_CID_GIVEN);
    dg_count_by(association->engine->counters, DG_COUNT_CIDS_OFFERED, count);
    return true;
}

// RFC 9147 9: answered with as many as there are places for, which may be none. At most one answer is outstanding:
// a request meanwhile is left as not received, and the peer repeats it.
struct dg_result dg_connection_id_requested(const struct dg_association *association, struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    uint8_t wanted = dg_read_u8(&reader);
    if (!dg_reader_done(&reader))
        return dg_fail(DG_COUNT_FAIL_DECODE, DG_ALERT_DECODE_ERROR);
    if (is_outstanding(association, DG_HS_NEW_CONNECTION_ID))
        return dg_drop(DG_COUNT_DROP_HANDSHAKE_GAP);
    struct dg_side_cids *cids = wanted > 0 ? dg_shard_cids_make(association->shard, association->slot)
                                           : dg_shard_cids(association->shard, association->slot);
    uint32_t chosen = 0;
    if (cids != NULL) {
        retire_left(association, cids);
        chosen = choose(association, cids, wanted);
        if (chosen == 0 && cids->requests_in_vain >= REQUESTS_IN_VAIN_MAX)
            return dg_fail(DG_COUNT_FAIL_CID_REQUESTS, DG_ALERT_TOO_MANY_CIDS_REQUESTED);
    }
    if (!offer(association, cids, chosen))
        return dg_drop(DG_COUNT_DROP_HANDSHAKE_GAP);
    if (cids != NULL)
        cids->requests_in_vain = chosen == 0 ? (uint8_t)(cids->requests_in_vain + 1) : 0;
    return dg_ok();
}

void dg_connection_id_seen(const struct dg_association *association, const uint8_t *cid, bool is_newest)
{
    uint32_t cid_size = association->shard->cid_size;
    bool is_first = memcmp(cid, association->slot->cid, cid_size) == 0;
    struct dg_side_cids *cids = dg_shard_cids(association->shard, association->slot);
    if (cids == NULL || (is_first && cids->newest == 0))
        return;
    uint32_t place = 0;
    while (!is_first && place < DG_CID_SPARES &&
           (own_state(cids, place) == DG_OWN_CID_NONE || memcmp(cid, cids->own[place], cid_size) != 0))
        place++;
    if (place == DG_CID_SPARES)
        return;
    if (!is_first && own_state(cids, place) != DG_OWN_CID_SEEN)
        dg_shard_cid_mark(cids, place, DG_OWN_CID_SEEN);
    uint8_t now = is_first ? 0 : (uint8_t)(place + 1);
    if (is_newest && now != cids->newest) {
        cids->before = cids->newest;
        cids->newest = now;
    }
}

// --- the peer's for us --------------------------------------------------------------------

// RFC 9147 9: more than we care to keep are left out. So are those that do not fit their place, and empty ones: on
// a new path an empty one would be none.
static void keep(const struct dg_association *association, struct dg_bytes id)
{
    struct dg_bytes used = dg_slot_peer_cid(association->shard, association->slot);
    if (id.size == 0 || id.size > DG_SLOT_PEER_CID ||
        (id.size == used.size && memcmp(id.data, used.data, id.size) == 0))
        return;
    struct dg_side_cids *cids = dg_shard_cids_make(association->shard, association->slot);
    if (cids == NULL || dg_side_cids_peer_count(cids) >= DG_CID_SPARES)
        return;
    uint32_t kept = atomic_load_explicit(&cids->peer_kept, memory_order_relaxed);
    for (uint32_t at = atomic_load_explicit(&cids->peer_taken, memory_order_relaxed); at != kept; at++) {
        const struct dg_peer_cid *other = &cids->peer[at % DG_CID_SPARES]; // a message of a process that died
        if (other->size == id.size && memcmp(other->bytes, id.data, id.size) == 0)
            return;
    }
    struct dg_peer_cid *place = &cids->peer[kept % DG_CID_SPARES];
    memcpy(place->bytes, id.data, id.size);
    place->size = (uint8_t)id.size;
    DG_STORE_ORDER();
    atomic_store_explicit(&cids->peer_kept, kept + 1, memory_order_release);
}

static void use(const struct dg_association *association, struct dg_bytes id)
{
    dg_shard_peer_cid_change(association->shard, association->slot, id);
    dg_count(association->engine->counters, DG_COUNT_CIDS_CHANGED);
}

struct dg_result dg_connection_id_received(const struct dg_association *association, struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_bytes list = dg_read_block16(&reader);
    uint8_t usage = dg_read_u8(&reader);
    if (!dg_reader_done(&reader))
        return dg_fail(DG_COUNT_FAIL_DECODE, DG_ALERT_DECODE_ERROR);
    struct dg_reader ids = dg_reader_in(list);
    while (dg_reader_left(&ids) > 0)
        (void)dg_read_block8(&ids);
    if (ids.failed)
        return dg_fail(DG_COUNT_FAIL_DECODE, DG_ALERT_DECODE_ERROR);
    if (usage > CID_SPARE || (usage == CID_IMMEDIATE && list.size == 0))
        return dg_fail(DG_COUNT_FAIL_ILLEGAL_PARAMETER, DG_ALERT_ILLEGAL_PARAMETER);
    ids = dg_reader_in(list);
    if (usage == CID_IMMEDIATE) {
        // One of them must be used at once: the first, which must fit its place (docs/threat-model.md).
        struct dg_bytes first = dg_read_block8(&ids);
        if (first.size > DG_SLOT_PEER_CID)
            return dg_fail(DG_COUNT_FAIL_ILLEGAL_PARAMETER, DG_ALERT_ILLEGAL_PARAMETER);
        use(association, first);
    }
    while (dg_reader_left(&ids) > 0)
        keep(association, dg_read_block8(&ids));
    struct dg_side_cids *cids = dg_shard_cids(association->shard, association->slot);
    if (cids != NULL && usage == CID_SPARE)
        cids->is_requested = 0;
    return dg_ok();
}

bool dg_connection_id_fresh(const struct dg_association *association)
{
    struct dg_side_cids *cids = dg_shard_cids(association->shard, association->slot);
    if (cids == NULL || dg_side_cids_peer_count(cids) == 0)
        return false;
    uint32_t taken = atomic_load_explicit(&cids->peer_taken, memory_order_relaxed);
    const struct dg_peer_cid *spare = &cids->peer[taken % DG_CID_SPARES]; // RFC 9147 9: in the order of their coming
    // Taken first: one that is lost with its process harms nobody, one that is used twice joins two paths.
    atomic_store_explicit(&cids->peer_taken, taken + 1, memory_order_release);
    DG_STORE_ORDER();
    DG_CRASH_POINT(PEER_CID_TAKEN);
    use(association, (struct dg_bytes){.data = spare->bytes, .size = spare->size});
    return true;
}

void dg_connection_id_request(const struct dg_association *association)
{
    static const uint8_t COUNT = DG_CID_SPARES;
    const struct dg_slot *slot = association->slot;
    // RFC 9147 9: never while what we send has no ID, nor while a request is unfulfilled.
    if (slot->version != 13 || dg_slot_peer_cid(association->shard, slot).size == 0 ||
        is_outstanding(association, DG_HS_REQUEST_CONNECTION_ID))
        return;
    struct dg_side_cids *cids = dg_shard_cids_make(association->shard, association->slot);
    if (cids == NULL || cids->is_requested != 0 || dg_side_cids_peer_count(cids) > 0)
        return;
    if (dg_message_start(association, DG_HS_REQUEST_CONNECTION_ID, &COUNT, sizeof COUNT))
        cids->is_requested = 1;
}

void dg_engine_rebound(struct dg_engine *engine, dg_time now, struct dg_ref ref)
{
    struct dg_association association;
    if (!dg_association_find(engine, now, ref, &association) ||
        (association.slot->flags & (DG_SLOT_IS_CLIENT | DG_SLOT_CLOSE_SENT)) != DG_SLOT_IS_CLIENT)
        return;
    (void)dg_connection_id_fresh(&association);
    dg_connection_id_request(&association);
}
