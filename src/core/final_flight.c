// SPDX-License-Identifier: GPL-3.0-or-later
// Final flights of a handshake that is over, asked for again by a peer that did not get ours: in DTLS 1.2 the
// flight goes out again (RFC 6347 4.2.4; as client where the handshake was an abbreviated one), in DTLS 1.3 the
// client's repeated one is acknowledged (RFC 9147 5.8.1).
// Only records that opened ask; each answer is followed by a pause.
#include "core/engine_internal.h"
#include "core/handshake_fragment.h"
#include "core/record12.h"

#define FINAL_FLIGHT_TIME (DG_MSL_TWICE_SECONDS * DG_SECOND)

void dg_final_flight_begin(const struct dg_association *association)
{
    struct dg_shard *shard = association->shard;
    const struct dg_slot *slot = association->slot;
    struct dg_side_flight *flight = slot->side != DG_NO_SIDE ? dg_shard_flight(shard, slot->side) : NULL;
    for (; flight != NULL; flight = dg_shard_flight_next(shard, flight)) {
        switch (flight->kind) {
        case DG_FLIGHT_FINAL_12:
        case DG_FLIGHT_EPOCH_2:
            flight->deadline = association->now + FINAL_FLIGHT_TIME;
            flight->next_send = association->now;
            break;
        case DG_FLIGHT_MESSAGE: // the ticket; given up by its attempts
            flight->deadline = DG_NEVER;
            flight->next_send = association->now + association->engine->config.retransmit_initial;
            break;
        default:
            continue;
        }
        dg_shard_flight_schedule(shard, flight);
    }
}

// True: an answer may go out now, and the pause begins.
static bool take_turn(const struct dg_association *association, struct dg_side_flight *flight)
{
    if (association->now < flight->next_send) {
        dg_count(association->engine->counters, DG_COUNT_DROP_FLIGHT_LIMITED);
        return false;
    }
    flight->next_send = association->now + DG_FINAL_FLIGHT_PAUSE;
    dg_count(association->engine->counters, DG_COUNT_FLIGHTS_REPEATED);
    return true;
}

// --- DTLS 1.2 ---------------------------------------------------------------------------

// The number is stored before the record exists, as for protected ones.
static size_t plain_record(struct dg_side_flight *flight, uint8_t type, const void *data, size_t size, uint8_t *out,
                           size_t capacity)
{
    uint64_t sequence = flight->plain_sequence++;
    return dg_record12_plain(sequence, type, data, size, out, capacity);
}

static void repeat12(const struct dg_association *association, struct dg_side_flight *flight)
{
    static const uint8_t CHANGE_CIPHER_SPEC = 1;
    const size_t capacity = DG_FLIGHT_BYTES + 3 * (DG_RECORD12_HEADER + 1) + DG_CID_PEER_MAX + 8 + DG_AEAD_TAG_MAX;
    struct dg_engine *engine = association->engine;
    uint8_t *room = engine->output.reserve(engine->output.context, capacity);
    if (room == NULL) {
        dg_count(engine->counters, DG_COUNT_DROP_SEND_FULL);
        return;
    }
    size_t size = 0;
    if (flight->ticket_size > 0)
        size += plain_record(flight, DG_CONTENT_HANDSHAKE, flight->bytes, flight->ticket_size, room, capacity);
    size += plain_record(flight, DG_CONTENT_CHANGE_CIPHER_SPEC, &CHANGE_CIPHER_SPEC, 1, room + size, capacity - size);
    size_t sealed = dg_association_seal(association, DG_CONTENT_HANDSHAKE, flight->bytes + flight->ticket_size,
                                        (size_t)flight->size - flight->ticket_size, room + size, capacity - size,
                                        NULL);
    if (sealed == 0) {
        dg_count(engine->counters, DG_COUNT_DROP_SEAL_FAILED);
        return;
    }
    struct dg_path path = dg_association_path(association->slot);
    engine->output.commit(engine->output.context, &path, size + sealed);
}

// RFC 5246 7.2.2, RFC 9325 3.5: no renegotiation; said at most once in a while, and data goes on.
static void refuse_renegotiation(const struct dg_association *association)
{
    struct dg_engine *engine = association->engine;
    dg_time *warned_at = &engine->warned_at[association->id % DG_WARNED_SLOTS];
    dg_association_garbage(association, DG_COUNT_DROP_NOT_NEGOTIATED);
    if (!dg_association_is_alive(association))
        return;
    if (*warned_at != 0 && dg_time_since(association->now, *warned_at) < DG_FINAL_FLIGHT_PAUSE)
        return;
    *warned_at = association->now;
    dg_alert_send(association, DG_ALERT_LEVEL_WARNING, DG_ALERT_NO_RENEGOTIATION);
}

void dg_final_flight_received12(const struct dg_association *association, struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_handshake_fragment message;
    if (!dg_handshake_fragment_read(&reader, &message)) {
        dg_association_garbage(association, DG_COUNT_DROP_INNER_TYPE);
        return;
    }
    switch (message.type) {
    case DG_HS_FINISHED: {
        struct dg_side_flight *flight = dg_shard_flight_find(association->shard, association->slot,
                                                             DG_FLIGHT_FINAL_12);
        if (flight == NULL)
            dg_count(association->engine->counters, DG_COUNT_DROP_HANDSHAKE_REPEATED);
        else if (take_turn(association, flight))
            repeat12(association, flight);
        return;
    }
    case DG_HS_HELLO_REQUEST:
        refuse_renegotiation(association);
        return;
    case DG_HS_CLIENT_HELLO: // a server's would be no request but nonsense
        if ((association->slot->flags & DG_SLOT_IS_CLIENT) != 0)
            dg_association_garbage(association, DG_COUNT_DROP_NOT_NEGOTIATED);
        else
            refuse_renegotiation(association);
        return;
    default:
        dg_association_garbage(association, DG_COUNT_DROP_NOT_NEGOTIATED);
        return;
    }
}

// Application data proves that the peer has our Finished: it will not ask again.
void dg_final_flight_confirmed12(const struct dg_association *association)
{
    if (association->slot->side == DG_NO_SIDE)
        return;
    struct dg_side_flight *flight = dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_FINAL_12);
    if (flight != NULL)
        dg_shard_flight_free(association->shard, association->slot, flight);
}

// --- DTLS 1.3 ---------------------------------------------------------------------------

// Numbers that came during the pause wait in the side slot, and are acknowledged with the next.
static void remember(struct dg_side_flight *flight, struct dg_record_number number)
{
    uint32_t at = flight->sent_count < DG_FLIGHT_SENT_MAX ? flight->sent_count++ : DG_FLIGHT_SENT_MAX - 1;
    flight->sent_epoch[at] = number.epoch;
    flight->sent_sequence[at] = number.sequence;
}

// The whole of the client's last flight was processed in the handshake, so every message of it is a repeat.
static bool is_all_repeated(const struct dg_slot *slot, struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    while (dg_reader_left(&reader) > 0) {
        struct dg_handshake_fragment message;
        if (!dg_handshake_fragment_read(&reader, &message) || message.message_seq >= slot->rx_message_seq)
            return false;
    }
    return body.size > 0;
}

void dg_final_flight_received13(struct dg_receive *receive, struct dg_side_flight *flight,
                                struct dg_record_number number, struct dg_bytes body)
{
    const struct dg_association *association = &receive->association;
    if (!is_all_repeated(association->slot, body)) {
        dg_count(association->engine->counters, DG_COUNT_DROP_HANDSHAKE_GAP);
        return;
    }
    if (!receive->flight_answered && !take_turn(association, flight)) {
        remember(flight, number);
        return;
    }
    receive->flight_answered = true;
    for (uint32_t i = 0; i < flight->sent_count && i < DG_FLIGHT_SENT_MAX; i++) {
        dg_ack_add(receive,
                   (struct dg_record_number){.epoch = flight->sent_epoch[i], .sequence = flight->sent_sequence[i]});
    }
    flight->sent_count = 0;
    dg_ack_add(receive, number);
}
