// SPDX-License-Identifier: GPL-3.0-or-later
// The way in: the records of a datagram, one after the other. A connection ID or an address only nominates
// an association; the AEAD decides; the replay window moves after it, and nothing is delivered before the
// window is stored (RFC 9147 4.5.1, RFC 6347 4.1.2.6). Never sends by itself.
#include "core/connection_ids.h"
#include "core/crash_point.h"
#include "core/engine_internal.h"
#include "core/record12.h"
#include "core/record13.h"

#include <string.h>

static bool is_plaintext(const struct dg_record *record) { return !record->is_unified && record->epoch == 0; }

// RFC 9146 3: a record with a connection ID is looked up by that alone, one without by its path alone.
static bool nominate(struct dg_engine *engine, dg_time now, const struct dg_path *path, const struct dg_record *record,
                     struct dg_association *ret)
{
    uint32_t number = record->cid != NULL
                          ? dg_cid_shard(record->cid, engine->memory->header->shape.shard_count)
                          : dg_steer_address_shard(&engine->memory->header->steer, &path->peer);
    struct dg_shard *shard = engine->by_number[number];
    if (shard == NULL)
        return false;
    struct dg_slot *slot = record->cid != NULL ? dg_shard_find_cid(shard, record->cid)
                                               : dg_shard_find_address(shard, &path->peer, path->listener);
    if (slot == NULL)
        return false;
    *ret = dg_association_of(engine, now, shard, slot);
    return true;
}

// RFC 9147 4: a later record's ID must be one of the association of the records before it.
static bool is_foreign(const struct dg_association *association, const struct dg_record *record)
{
    return record->cid != NULL && ((association->slot->flags & DG_SLOT_HAS_CID) == 0 ||
                                   dg_shard_find_cid(association->shard, record->cid) != association->slot);
}

// --- counting what does not open ------------------------------------------------

static uint64_t open_limit(const struct dg_association *association)
{
    const struct dg_aead_info *info = &dg_aead_table[association->slot->aead];
    if (association->slot->aead == DG_AEAD_AES_128_CCM_8)
        return association->engine->config.ccm8_open_limit;
    return association->slot->version == 13 ? info->open_limit13 : info->open_limit12;
}

static uint16_t second_of(dg_time now) { return (uint16_t)(now / DG_SECOND); }

// Forgeries are tried at a limited pace only, so that nobody can drive a key to its limit in a moment. While
// they come faster, genuine records in between are lost with them; the association lives on.
static bool is_paced(const struct dg_association *association, const struct dg_keyset *keyset)
{
    const struct dg_slot *slot = association->slot;
    const struct dg_engine_config *config = &association->engine->config;
    uint16_t rate = slot->aead == DG_AEAD_AES_128_CCM_8 ? config->ccm8_open_rate : config->open_rate;
    if (keyset->failures == 0 || slot->failures_second != second_of(association->now) ||
        slot->failures_in_second < rate)
        return false;
    dg_count(association->engine->counters, DG_COUNT_DROP_OPEN_PACED);
    return true;
}

static void note_failure(const struct dg_association *association)
{
    struct dg_slot *slot = association->slot;
    uint16_t second = second_of(association->now);
    slot->failures_in_second = slot->failures_second == second ? (uint16_t)(slot->failures_in_second + 1) : 1;
    slot->failures_second = second;
}

// RFC 9147 4.5.3, RFC 9325 4.4: failures are counted for each key. Near the limit DTLS 1.3 asks the peer for
// new keys; at the limit the association ends.
static void opening_failed(const struct dg_association *association, struct dg_keyset *keyset,
                           struct dg_side_flight *flight, enum dg_counter reason)
{
    dg_count(association->engine->counters, reason);
    if (reason != DG_COUNT_DROP_FORGED)
        return;
    uint64_t limit = open_limit(association);
    keyset->failures++;
    note_failure(association);
    if (keyset->failures >= limit && flight != NULL) {
        // The handshake's keys are only kept to acknowledge a repeated Finished: done without.
        dg_shard_flight_free(association->shard, association->slot, flight);
        dg_association_forget_keys(association);
        return;
    }
    if (keyset->failures >= limit) {
        dg_association_end(association, DG_COUNT_FAIL_OPEN_LIMIT, DG_ALERT_CLOSE_NOTIFY);
        return;
    }
    // Once at the threshold, and again at times in case that it was not heard.
    uint64_t threshold = limit - limit / 8;
    if (association->slot->version == 13 && keyset->failures >= threshold &&
        keyset == dg_association_rx(association) && (keyset->failures - threshold) % (limit / 64 + 1) == 0)
        (void)dg_key_update_start(association, DG_UPDATE_REQUESTED);
}

// The record has opened: from here on it counts as seen, whatever becomes of it.
static void accept_number(const struct dg_association *association, struct dg_keyset *keyset, uint64_t sequence)
{
    DG_CRASH_POINT(OPEN_BEFORE_WINDOW);
    dg_replay_accept(&keyset->replay, &keyset->next, sequence);
    atomic_store_explicit(&association->slot->active_at, association->now, memory_order_relaxed);
    dg_count(association->engine->counters, DG_COUNT_RECORDS_OPENED);
}

// --- what records carry -----------------------------------------------------------

static void deliver(const struct dg_receive *receive, struct dg_bytes data)
{
    const struct dg_association *association = &receive->association;
    struct dg_engine *engine = association->engine;
    if (!dg_association_authorised(association)) {
        dg_count(engine->counters, DG_COUNT_DROP_UNAUTHORISED);
        return;
    }
    if (association->slot->garbage != 0)
        association->slot->garbage = 0;
    if (engine->may_hold_back && !dg_policy_lets_pass(receive, data.size))
        return;
    dg_count(engine->counters, DG_COUNT_PLAINTEXT_DELIVERED);
    if (engine->hooks.deliver != NULL) {
        engine->hooks.deliver(engine->hooks.context, association->now,
                              dg_shard_ref(association->shard, association->slot), association->slot, data.data,
                              data.size);
    }
}

// RFC 9853 3: handled only if negotiated.
static void path_message(struct dg_receive *receive, struct dg_bytes body, size_t size)
{
    if ((receive->association.slot->flags & DG_SLOT_HAS_RRC) != 0)
        dg_path_message_received(receive, body, size);
    else
        dg_association_garbage(&receive->association, DG_COUNT_DROP_NOT_NEGOTIATED);
}

// size: of the whole record.
static void dispatch12(struct dg_receive *receive, struct dg_record_number number, uint8_t type, struct dg_bytes body,
                       size_t size)
{
    const struct dg_association *association = &receive->association;
    switch (type) {
    case DG_CONTENT_APPLICATION_DATA:
        dg_final_flight_confirmed12(association);
        deliver(receive, body);
        return;
    case DG_CONTENT_ALERT:
        dg_alert_received(receive, number, body);
        return;
    case DG_CONTENT_HANDSHAKE:
        dg_final_flight_received12(association, body);
        return;
    case DG_CONTENT_RETURN_ROUTABILITY_CHECK:
        path_message(receive, body, size);
        return;
    default:
        dg_association_garbage(association, DG_COUNT_DROP_INNER_TYPE);
        return;
    }
}

static void dispatch13(struct dg_receive *receive, struct dg_record_number number, uint8_t type, struct dg_bytes body,
                       size_t size)
{
    const struct dg_association *association = &receive->association;
    if (dg_alert_is_after_close(association, number)) {
        dg_count(association->engine->counters, DG_COUNT_DROP_AFTER_CLOSE);
        return;
    }
    switch (type) {
    case DG_CONTENT_APPLICATION_DATA:
        deliver(receive, body);
        return;
    case DG_CONTENT_HANDSHAKE:
        dg_post_handshake_received(receive, number, body);
        return;
    case DG_CONTENT_ALERT:
        dg_alert_received(receive, number, body);
        return;
    case DG_CONTENT_ACK:
        dg_ack_received(receive, body);
        return;
    case DG_CONTENT_RETURN_ROUTABILITY_CHECK:
        path_message(receive, body, size);
        return;
    default:
        // RFC 8446 5: a record type that has no place here is fatal (24 and 25 never occur inside).
        dg_association_fail(association, dg_fail(DG_COUNT_FAIL_UNEXPECTED_MESSAGE, DG_ALERT_UNEXPECTED_MESSAGE));
        return;
    }
}

// --- DTLS 1.2 ---------------------------------------------------------------------

static void receive12(struct dg_receive *receive, const struct dg_record *record)
{
    const struct dg_association *association = &receive->association;
    const struct dg_slot *slot = association->slot;
    struct dg_counters *counters = association->engine->counters;
    struct dg_keyset *rx = dg_association_rx(association);
    if (record->is_unified) {
        dg_count(counters, DG_COUNT_DROP_NOT_NEGOTIATED);
        return;
    }
    if (record->epoch != rx->epoch) {
        dg_count(counters, DG_COUNT_DROP_EPOCH_UNKNOWN);
        return;
    }
    // RFC 6347 4.1.2.6: the number stands in clear, so a repeat is told before the AEAD works.
    if (!dg_replay_is_fresh(&rx->replay, atomic_load_explicit(&rx->next, memory_order_relaxed), record->sequence)) {
        dg_count(counters, DG_COUNT_DROP_REPLAY);
        return;
    }
    if (is_paced(association, rx))
        return;
    struct dg_key_view view = dg_association_view(association, rx);
    size_t cid_size = (slot->flags & DG_SLOT_HAS_CID) != 0 ? association->shard->cid_size : 0;
    uint8_t type = 0;
    struct dg_bytes body = {0};
    struct dg_result opened = dg_record12_open(association->engine->aead, &view, record, slot->cid, cid_size, &type,
                                               &body);
    if (opened.outcome != DG_OK && opened.reason != DG_COUNT_DROP_INNER_TYPE) {
        opening_failed(association, rx, NULL, opened.reason);
        return;
    }
    const struct dg_record_number number = {.epoch = rx->epoch, .sequence = record->sequence};
    bool is_newest = record->sequence >= atomic_load_explicit(&rx->next, memory_order_relaxed);
    accept_number(association, rx, record->sequence);
    receive->has_opened = true;
    if (opened.outcome != DG_OK) { // authentic, of a type that has no place here
        dg_association_garbage(association, opened.reason);
        return;
    }
    dg_path_seen(receive, type, record->size, is_newest);
    if (dg_association_is_alive(association))
        dispatch12(receive, number, type, body, record->size);
}

// --- DTLS 1.3 ---------------------------------------------------------------------

// The keys that a record's two epoch bits name: the current epoch's, else the one before (RFC 9147 4.2.2),
// else the handshake's (RFC 9147 5.8.1), whose side slot is then returned too.
static struct dg_keyset *keyset_for(const struct dg_association *association, uint16_t epoch_bits,
                                    struct dg_side_flight **ret_flight)
{
    *ret_flight = NULL;
    struct dg_keyset *current = dg_association_rx(association);
    if ((current->epoch & DG_UNIFIED_EPOCH_MASK) == epoch_bits)
        return current;
    struct dg_keyset *old = dg_shard_keyset(association->shard, association->slot,
                                            atomic_load_explicit(&association->slot->rx_old_place,
                                                                 memory_order_relaxed));
    if (old != NULL && (old->epoch & DG_UNIFIED_EPOCH_MASK) == epoch_bits)
        return old;
    if (epoch_bits != DG_EPOCH13_HANDSHAKE)
        return NULL;
    struct dg_side_flight *flight = dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_EPOCH_2);
    if (flight == NULL)
        return NULL;
    *ret_flight = flight;
    return dg_side_flight_keyset(flight);
}

static void receive13(struct dg_receive *receive, const struct dg_record *record)
{
    const struct dg_association *association = &receive->association;
    struct dg_counters *counters = association->engine->counters;
    if (!record->is_unified) {
        dg_count(counters, DG_COUNT_DROP_NOT_NEGOTIATED);
        return;
    }
    struct dg_side_flight *flight;
    struct dg_keyset *keyset = keyset_for(association, record->epoch, &flight);
    if (keyset == NULL) {
        dg_count(counters, DG_COUNT_DROP_EPOCH_UNKNOWN);
        return;
    }
    // RFC 9147 4: the ID is in every datagram. A first record without it cannot have named an association that
    // has one (nominate), and a foreign ID was refused before; later records may leave it out.
    size_t cid_size = record->cid != NULL ? association->shard->cid_size : 0;
    if (is_paced(association, keyset))
        return;
    struct dg_key_view view = dg_association_view(association, keyset);
    uint64_t sequence = 0;
    uint8_t type = 0;
    struct dg_bytes body = {0};
    // Which of our IDs it is does not matter: it was found by it, and the AEAD protects it with the rest.
    struct dg_result opened = dg_record13_open(association->engine->aead, &view, record, record->cid, cid_size,
                                               atomic_load_explicit(&keyset->next, memory_order_relaxed), &sequence,
                                               &type, &body);
    if (opened.outcome != DG_OK) {
        opening_failed(association, keyset, flight, opened.reason);
        // RFC 8446 5.4: authentic, but nothing but zeros inside.
        if (opened.reason == DG_COUNT_DROP_INNER_TYPE)
            dg_association_fail(association, dg_fail(DG_COUNT_FAIL_UNEXPECTED_MESSAGE, DG_ALERT_UNEXPECTED_MESSAGE));
        return;
    }
    // RFC 9147 4.5.1: told only after the AEAD, so that its time does not tell the number.
    if (!dg_replay_is_fresh(&keyset->replay, atomic_load_explicit(&keyset->next, memory_order_relaxed), sequence)) {
        dg_count(counters, DG_COUNT_DROP_REPLAY);
        return;
    }
    // Of an older epoch there are keys only until a record of the next one has opened: its highest is the newest.
    bool is_newest = flight == NULL && sequence >= atomic_load_explicit(&keyset->next, memory_order_relaxed);
    accept_number(association, keyset, sequence);
    receive->has_opened = true;
    if (record->cid != NULL)
        dg_connection_id_seen(association, record->cid, is_newest);
    struct dg_record_number number = {.epoch = keyset->epoch, .sequence = sequence};
    if (flight != NULL) {
        if (type == DG_CONTENT_HANDSHAKE)
            dg_final_flight_received13(receive, flight, number, body);
        else // RFC 9147 6.1: no application data in the handshake's epoch, and nothing else is awaited there
            dg_count(counters, DG_COUNT_DROP_INNER_TYPE);
        return;
    }
    if (keyset == dg_association_rx(association))
        dg_key_update_retire_old(association);
    dg_path_seen(receive, type, record->size, is_newest);
    if (dg_association_is_alive(association))
        dispatch13(receive, number, type, body, record->size);
}

// --- the datagram -------------------------------------------------------------------

static void receive_record(struct dg_receive *receive, const struct dg_record *record)
{
    // RFC 9147 4.5.2, RFC 6347 4.2.4: what is not protected changes nothing, alerts included.
    if (is_plaintext(record)) {
        dg_count(receive->association.engine->counters, DG_COUNT_DROP_PLAINTEXT_RECORD);
        return;
    }
    if (receive->association.slot->version == 13)
        receive13(receive, record);
    else
        receive12(receive, record);
}

static enum dg_engine_verdict verdict_of(const struct dg_receive *receive)
{
    return receive->has_opened ? DG_ENGINE_OPENED : DG_ENGINE_NOT_OPENED;
}

static bool name(struct dg_engine *engine, dg_time now, const struct dg_record *record, struct dg_receive *receive)
{
    if (!nominate(engine, now, receive->path, record, &receive->association))
        return false;
    receive->served_before = dg_shard_serve(receive->association.shard, receive->association.slot);
    return true;
}

// Plaintext records come first in a repeated flight of DTLS 1.2, and carry no connection ID: they nominate
// only where no protected record does.
static enum dg_engine_verdict receive_datagram(struct dg_engine *engine, dg_time now, struct dg_receive *receive,
                                               uint8_t *data, size_t size)
{
    struct dg_record plaintext = {0};
    uint64_t plaintext_count = 0;
    bool is_named = false;
    size_t at = 0;
    do {
        struct dg_record record;
        struct dg_result parsed = dg_record_parse(data + at, size - at, engine->memory->shape.cid_size, &record);
        if (parsed.outcome != DG_OK) {
            if (!is_named && plaintext_count > 0)
                break;
            dg_count(engine->counters, parsed.reason);
            is_named = true; // counted: nobody else's
            break;
        }
        at += record.size;
        if (!is_named && is_plaintext(&record)) {
            plaintext = record;
            plaintext_count++;
            continue;
        }
        if (!is_named) {
            if (!name(engine, now, &record, receive))
                return DG_ENGINE_UNKNOWN;
            is_named = true;
            dg_count_by(engine->counters, DG_COUNT_DROP_PLAINTEXT_RECORD, plaintext_count);
        } else if (is_foreign(&receive->association, &record)) {
            dg_count(engine->counters, DG_COUNT_DROP_CID_MISMATCH);
            break;
        }
        receive_record(receive, &record);
        if (!dg_association_is_alive(&receive->association))
            return verdict_of(receive);
    } while (at < size);

    if (!is_named) {
        if (!name(engine, now, &plaintext, receive))
            return DG_ENGINE_UNKNOWN;
        dg_count_by(engine->counters, DG_COUNT_DROP_PLAINTEXT_RECORD, plaintext_count);
        return DG_ENGINE_NOT_OPENED;
    }
    if (receive->ack_count > 0)
        dg_ack_flush(receive);
    return verdict_of(receive);
}

enum dg_engine_verdict dg_engine_receive(struct dg_engine *engine, dg_time now, const struct dg_path *path,
                                         uint8_t *data, size_t size)
{
    struct dg_receive receive = {.path = path};
    enum dg_engine_verdict verdict = receive_datagram(engine, now, &receive, data, size);
    if (receive.association.shard != NULL)
        dg_shard_served(receive.association.shard, receive.served_before);
    return verdict;
}
