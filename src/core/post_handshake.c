// SPDX-License-Identifier: GPL-3.0-or-later
// Handshake messages of DTLS 1.3 after the handshake, both ways: taken in order of message_seq, answered,
// acknowledged; ours kept in a side slot until they are acknowledged (RFC 9147 5.8.4). Buffers nothing that
// arrives: what is ahead of its turn or in parts is not acknowledged and comes again.
#include "core/connection_ids.h"
#include "core/engine_internal.h"
#include "core/handshake_fragment.h"

#include <string.h>

#define RETRANSMIT_MAX (60 * DG_SECOND) // RFC 9147 5.8.2
#define ATTEMPTS_TO_SILENCE 12          // from then on only while the peer is heard
#define ATTEMPTS_MAX 64                 // and from then on not at all

// --- ours -----------------------------------------------------------------------------

// A process may have died after a message was kept and before its number was noted as used.
static uint16_t next_message_seq(const struct dg_association *association)
{
    uint16_t next = association->slot->tx_message_seq;
    const struct dg_side_flight *flight = dg_shard_flight_find(association->shard, association->slot,
                                                               DG_FLIGHT_MESSAGE);
    for (; flight != NULL; flight = dg_shard_flight_next(association->shard, flight))
        if (flight->kind == DG_FLIGHT_MESSAGE && flight->message_seq >= next && flight->message_seq < UINT16_MAX)
            next = (uint16_t)(flight->message_seq + 1);
    return next;
}

static dg_time backoff(const struct dg_engine_config *config, unsigned attempts)
{
    dg_time pause = config->retransmit_initial > 0 ? config->retransmit_initial : DG_SECOND;
    for (unsigned i = 1; i < attempts && pause < RETRANSMIT_MAX; i++)
        pause *= 2;
    return dg_time_min(pause, RETRANSMIT_MAX);
}

static void transmit(const struct dg_association *association, struct dg_side_flight *flight)
{
    struct dg_record_number number;
    if (dg_association_send(association, DG_CONTENT_HANDSHAKE, flight->bytes, flight->size, &number)) {
        // The acknowledgement of any of the last transmissions counts. An attempt that found no room has no number.
        uint32_t at = flight->sent_count < DG_FLIGHT_SENT_MAX ? flight->sent_count
                                                              : flight->attempts % DG_FLIGHT_SENT_MAX;
        flight->sent_epoch[at] = number.epoch;
        flight->sent_sequence[at] = number.sequence;
        if (flight->sent_count < DG_FLIGHT_SENT_MAX)
            flight->sent_count++;
    }
    flight->attempts++;
    flight->next_send = association->now + backoff(&association->engine->config, flight->attempts);
    dg_shard_flight_schedule(association->shard, flight);
}

bool dg_message_start(const struct dg_association *association, uint8_t type, const void *body, size_t size)
{
    uint16_t message_seq = next_message_seq(association);
    if (message_seq == UINT16_MAX) // RFC 9147 5.2: never wraps
        return false;
    struct dg_side_flight *flight = dg_shard_flight_new(association->shard, association->slot, DG_FLIGHT_MESSAGE);
    if (flight == NULL)
        return false;
    struct dg_writer writer = dg_writer_of(flight->bytes, sizeof flight->bytes);
    dg_handshake_head_write(&writer, type, (uint32_t)size, message_seq);
    dg_write_bytes(&writer, body, size);
    DG_BUG_UNLESS(!writer.failed);
    flight->message_type = type;
    flight->message_seq = message_seq;
    flight->size = (uint16_t)dg_writer_size(&writer);
    flight->next_send = association->now; // should the process die before it went out
    dg_shard_flight_link(association->shard, association->slot, flight);
    association->slot->tx_message_seq = (uint16_t)(message_seq + 1);
    transmit(association, flight);
    return true;
}

void dg_message_free(const struct dg_association *association, struct dg_side_flight *flight)
{
    association->slot->tx_message_seq = next_message_seq(association);
    dg_shard_flight_free(association->shard, association->slot, flight);
}

// Its time has come. A peer that is silent is not sent to for ever; one that is heard gets the message again,
// since later messages wait for it.
void dg_message_due(const struct dg_association *association, struct dg_side_flight *flight)
{
    // A ticket whose take-over died before dg_final_flight_begin has one.
    if (association->now >= flight->deadline) {
        dg_message_free(association, flight);
        return;
    }
    if (association->now < flight->next_send) {
        dg_shard_flight_schedule(association->shard, flight);
        return;
    }
    // The keys changed already, and the process died before it forgot the message.
    if (flight->message_type == DG_HS_KEY_UPDATE && flight->sent_count > 0 &&
        flight->sent_epoch[0] < dg_association_tx(association)->epoch) {
        dg_message_free(association, flight);
        return;
    }
    if (flight->attempts >= ATTEMPTS_MAX) {
        if (flight->message_type != DG_HS_KEY_UPDATE) {
            dg_message_free(association, flight);
            return;
        }
        // A KeyUpdate stays, without a timer: a late acknowledgement still counts, and a second one must not begin.
        flight->next_send = DG_NEVER;
        dg_shard_flight_schedule(association->shard, flight);
        return;
    }
    dg_time active_at = atomic_load_explicit(&association->slot->active_at, memory_order_relaxed);
    if (flight->attempts >= ATTEMPTS_TO_SILENCE && active_at + RETRANSMIT_MAX < flight->next_send) {
        flight->next_send = association->now + RETRANSMIT_MAX;
        dg_shard_flight_schedule(association->shard, flight);
        return;
    }
    dg_count(association->engine->counters, DG_COUNT_RETRANSMISSIONS);
    transmit(association, flight);
}

// --- the peer's: tickets ----------------------------------------------------------------------

// RFC 8446 4.6.1. The keys for a session of it are gone with the library (docs/wolfssl.md): a ticket that comes
// after the take-over is acknowledged, so that the server does not repeat it, and not used. Since nothing is kept
// of it, its fragments count as taken in one by one; the last one is the message's end.
static struct dg_result ticket_ignored(const struct dg_association *association,
                                       const struct dg_handshake_fragment *message)
{
    if (message->offset + message->bytes.size == message->length)
        association->slot->rx_message_seq = (uint16_t)(message->message_seq + 1);
    return dg_ok();
}

// --- the peer's: all -------------------------------------------------------------------------

// RFC 8446 4, RFC 9147 9: which messages the peer may send after the handshake.
static bool is_expected(const struct dg_association *association, uint8_t type)
{
    switch (type) {
    case DG_HS_KEY_UPDATE:
        return true;
    case DG_HS_NEW_SESSION_TICKET: // RFC 8446 4.6.1: only of a server
        return (association->slot->flags & DG_SLOT_IS_CLIENT) != 0;
    case DG_HS_REQUEST_CONNECTION_ID: // only of who sends with an ID of ours
        return (association->slot->flags & DG_SLOT_HAS_CID) != 0;
    case DG_HS_NEW_CONNECTION_ID: // only of who wants IDs in what we send
        return (association->slot->flags & DG_SLOT_PEER_HAS_CID) != 0;
    default:
        return false;
    }
}

static struct dg_result message_received(const struct dg_association *association, uint64_t epoch,
                                         const struct dg_handshake_fragment *message)
{
    struct dg_slot *slot = association->slot;
    struct dg_counters *counters = association->engine->counters;
    if (message->message_seq < slot->rx_message_seq) {
        // RFC 9147 7: acknowledged again, since the first acknowledgement may be lost; not carried out again.
        dg_count(counters, DG_COUNT_DROP_HANDSHAKE_REPEATED);
        return dg_ok();
    }
    if (message->message_seq > slot->rx_message_seq)
        return dg_drop(DG_COUNT_DROP_HANDSHAKE_GAP);
    if (message->message_seq == UINT16_MAX) // RFC 9147 5.2: never wraps, so there is none after it
        return dg_fail(DG_COUNT_FAIL_UNEXPECTED_MESSAGE, DG_ALERT_UNEXPECTED_MESSAGE);
    if (message->type == DG_HS_NEW_SESSION_TICKET)
        return ticket_ignored(association, message);
    if (message->bytes.size != message->length)
        return dg_drop(DG_COUNT_DROP_HANDSHAKE_GAP);

    struct dg_result result;
    switch (message->type) {
    case DG_HS_KEY_UPDATE:
        result = dg_key_update_received(association, epoch, message->bytes);
        break;
    case DG_HS_REQUEST_CONNECTION_ID:
        result = dg_connection_id_requested(association, message->bytes);
        break;
    default:
        result = dg_connection_id_received(association, message->bytes);
        break;
    }
    // Noted last: a message that a dying process had not noted comes again, and each bears that.
    if (result.outcome == DG_OK)
        slot->rx_message_seq = (uint16_t)(message->message_seq + 1);
    return result;
}

void dg_post_handshake_received(struct dg_receive *receive, struct dg_record_number number, struct dg_bytes body)
{
    const struct dg_association *association = &receive->association;
    struct dg_reader reader = dg_reader_in(body);
    if (dg_reader_left(&reader) == 0) { // RFC 8446 5.1: no empty handshake records
        dg_association_fail(association, dg_fail(DG_COUNT_FAIL_UNEXPECTED_MESSAGE, DG_ALERT_UNEXPECTED_MESSAGE));
        return;
    }
    bool is_processed = true;
    while (dg_reader_left(&reader) > 0) {
        struct dg_handshake_fragment message;
        struct dg_result result = dg_ok();
        if (!dg_handshake_fragment_read(&reader, &message))
            result = dg_fail(DG_COUNT_FAIL_DECODE, DG_ALERT_DECODE_ERROR);
        else if (!is_expected(association, message.type) ||
                 // RFC 8446 5.1: nothing follows a change of keys in its record.
                 (message.type == DG_HS_KEY_UPDATE && dg_reader_left(&reader) > 0))
            result = dg_fail(DG_COUNT_FAIL_UNEXPECTED_MESSAGE, DG_ALERT_UNEXPECTED_MESSAGE);
        else
            result = message_received(association, number.epoch, &message);
        if (result.outcome == DG_FAIL) {
            dg_association_fail(association, result);
            return;
        }
        if (result.outcome == DG_DROP) {
            is_processed = false;
            dg_association_garbage(association, result.reason);
            if (!dg_association_is_alive(association))
                return;
        }
    }
    // RFC 9147 7: a record is acknowledged when all of it was processed, and never else.
    if (is_processed)
        dg_ack_add(receive, number);
}
