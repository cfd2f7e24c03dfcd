// SPDX-License-Identifier: GPL-3.0-or-later
// Alerts and closure of established associations (RFC 8446 6, RFC 5246 7.2, RFC 9147 5.10). Sees only alerts
// that opened: what is not protected never comes here. Never repeats an alert.
#include "core/engine_internal.h"

// DTLS 1.3: how long records that were sent before the peer's close_notify, and overtaken by it, are still
// delivered (RFC 9147 5.10), and our side may still send (RFC 8446 6.1).
#define CLOSING_GRACE (5 * DG_SECOND)

void dg_alert_send(const struct dg_association *association, uint8_t level, uint8_t description)
{
    const uint8_t body[2] = {level, description};
    (void)dg_association_send(association, DG_CONTENT_ALERT, body, sizeof body, NULL); // a failure is counted there
}

static struct dg_side_flight *closing_of(const struct dg_association *association)
{
    if ((association->slot->flags & DG_SLOT_CLOSE_RECEIVED) == 0)
        return NULL;
    return dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_CLOSING);
}

// RFC 9147 5.10: data numbered after the close alert is ignored, earlier data that comes late is not.
bool dg_alert_is_after_close(const struct dg_association *association, struct dg_record_number number)
{
    const struct dg_side_flight *closing = closing_of(association);
    if (closing == NULL)
        return false;
    if (number.epoch != closing->sent_epoch[0])
        return number.epoch > closing->sent_epoch[0];
    return number.sequence > closing->sent_sequence[0];
}

static void close_received13(const struct dg_association *association, struct dg_record_number number)
{
    if ((association->slot->flags & DG_SLOT_CLOSE_RECEIVED) != 0)
        return;
    struct dg_side_flight *closing = dg_shard_flight_new(association->shard, association->slot, DG_FLIGHT_CLOSING);
    if (closing == NULL) { // no room to wait in: the association ends at once
        dg_association_end(association, DG_COUNT_CLOSED_BY_PEER, DG_ALERT_CLOSE_NOTIFY);
        return;
    }
    closing->sent_epoch[0] = number.epoch;
    closing->sent_sequence[0] = number.sequence;
    closing->sent_count = 1;
    closing->deadline = association->now + CLOSING_GRACE;
    dg_shard_flight_link(association->shard, association->slot, closing);
    association->slot->flags |= DG_SLOT_CLOSE_RECEIVED;
}

static void received12(const struct dg_association *association, uint8_t level, uint8_t description)
{
    if (description == DG_ALERT_CLOSE_NOTIFY) { // RFC 5246 7.2.1: answered, and gone
        dg_association_end(association, DG_COUNT_CLOSED_BY_PEER, DG_ALERT_CLOSE_NOTIFY);
        return;
    }
    if (level == DG_ALERT_LEVEL_FATAL) {
        dg_association_end(association, DG_COUNT_CLOSED_BY_ALERT, DG_NO_ALERT);
        return;
    }
    dg_association_garbage(association, DG_COUNT_DROP_ALERT_IGNORED);
}

// RFC 8446 6: the level says nothing; every alert but these two is an error, and every error is fatal.
static void received13(const struct dg_association *association, struct dg_record_number number, uint8_t description)
{
    switch (description) {
    case DG_ALERT_CLOSE_NOTIFY:
        close_received13(association, number);
        return;
    case DG_ALERT_USER_CANCELED: // RFC 8446 6.1: a close_notify follows
        dg_association_garbage(association, DG_COUNT_DROP_ALERT_IGNORED);
        return;
    default:
        dg_association_end(association, DG_COUNT_CLOSED_BY_ALERT, DG_NO_ALERT);
        return;
    }
}

void dg_alert_received(struct dg_receive *receive, struct dg_record_number number, struct dg_bytes body)
{
    const struct dg_association *association = &receive->association;
    struct dg_reader reader = dg_reader_in(body);
    uint8_t level = dg_read_u8(&reader);
    uint8_t description = dg_read_u8(&reader);
    if (!dg_reader_done(&reader)) { // RFC 8446 5.1: one alert a record, never a part of one
        dg_association_fail(association, dg_fail(DG_COUNT_FAIL_DECODE, DG_ALERT_DECODE_ERROR));
        return;
    }
    if (association->slot->version == 13)
        received13(association, number, description);
    else
        received12(association, level, description);
}
