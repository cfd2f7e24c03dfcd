// SPDX-License-Identifier: GPL-3.0-or-later
// Acknowledgements of DTLS 1.3 (RFC 9147 7): those of a datagram are gathered and sent in one record; a
// received one ends the retransmission of the message that it names. Never acknowledges what was not processed.
#include "core/engine_internal.h"

#define ACK_ENTRY 16 // bytes: epoch and sequence number

void dg_ack_flush(struct dg_receive *receive)
{
    // RFC 9147 7: in rising order. The list is short: sorted by insertion.
    struct dg_record_number *acks = receive->acks;
    for (size_t i = 1; i < receive->ack_count; i++) {
        struct dg_record_number moved = acks[i];
        size_t at = i;
        while (at > 0 && (acks[at - 1].epoch > moved.epoch ||
                          (acks[at - 1].epoch == moved.epoch && acks[at - 1].sequence > moved.sequence))) {
            acks[at] = acks[at - 1];
            at--;
        }
        acks[at] = moved;
    }
    uint8_t body[2 + DG_ACKS_MAX * ACK_ENTRY];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    size_t list = dg_write_open(&writer, 2);
    for (size_t i = 0; i < receive->ack_count; i++) {
        dg_write_u64(&writer, acks[i].epoch);
        dg_write_u64(&writer, acks[i].sequence);
    }
    dg_write_close(&writer, list, 2);
    DG_BUG_UNLESS(!writer.failed);
    receive->ack_count = 0;
    // RFC 9147 7: after the handshake in the highest epoch that we send in. Lost ones are asked for again.
    (void)dg_association_send(&receive->association, DG_CONTENT_ACK, body, dg_writer_size(&writer), NULL);
}

void dg_ack_add(struct dg_receive *receive, struct dg_record_number number)
{
    if (receive->ack_count == DG_ACKS_MAX)
        dg_ack_flush(receive);
    receive->acks[receive->ack_count++] = number;
}

static bool was_sent_as(const struct dg_side_flight *flight, struct dg_record_number number)
{
    for (uint32_t i = 0; i < flight->sent_count && i < DG_FLIGHT_SENT_MAX; i++)
        if (flight->sent_epoch[i] == number.epoch && flight->sent_sequence[i] == number.sequence)
            return true;
    return false;
}

// RFC 9147 7.2: the acknowledgement of any transmission of the message counts.
static void acknowledged(const struct dg_association *association, struct dg_record_number number)
{
    struct dg_shard *shard = association->shard;
    struct dg_slot *slot = association->slot;
    struct dg_side_flight *flight = dg_shard_flight_find(shard, slot, DG_FLIGHT_MESSAGE);
    for (; flight != NULL; flight = dg_shard_flight_next(shard, flight)) {
        if (flight->kind != DG_FLIGHT_MESSAGE || !was_sent_as(flight, number))
            continue;
        // Without a place for the new keys the message stays, to be acknowledged again later.
        if (flight->message_type == DG_HS_KEY_UPDATE && number.epoch == dg_association_tx(association)->epoch &&
            !dg_key_update_acknowledged(association))
            return;
        dg_message_free(association, flight);
        return;
    }
}

void dg_ack_received(struct dg_receive *receive, struct dg_bytes body)
{
    const struct dg_association *association = &receive->association;
    struct dg_reader reader = dg_reader_in(body);
    struct dg_bytes list = dg_read_block16(&reader);
    if (!dg_reader_done(&reader) || list.size % ACK_ENTRY != 0) {
        dg_association_fail(association, dg_fail(DG_COUNT_FAIL_DECODE, DG_ALERT_DECODE_ERROR));
        return;
    }
    struct dg_reader entries = dg_reader_in(list);
    while (dg_reader_left(&entries) > 0) {
        struct dg_record_number number;
        number.epoch = dg_read_u64(&entries);
        number.sequence = dg_read_u64(&entries);
        // RFC 9147 7: only what was received is acknowledged. Who acknowledges what was never sent guesses at what
        // proves an address. (The epoch that the acknowledgement itself came in says nothing: each direction
        // changes its keys on its own.)
        if (dg_path_was_never_sent(association, number)) {
            dg_association_fail(association, dg_fail(DG_COUNT_FAIL_ACK_UNSENT, DG_ALERT_ILLEGAL_PARAMETER));
            return;
        }
        dg_path_acknowledged(receive, number);
        if (!dg_association_is_alive(association))
            return;
        acknowledged(association, number);
    }
    dg_path_probe_next(receive);
}
