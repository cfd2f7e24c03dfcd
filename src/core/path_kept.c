// SPDX-License-Identifier: GPL-3.0-or-later
// The last answer that went to the proven address while another one was being asked about. A client that speaks once
// from each address (a NAT that forgets quickly) would never get one: its answer is kept for as long as the check
// takes, and sent again, under a new number, if the client turns out to have moved. Never to an unproven address.
#include "core/path_state.h"

#include "base/secret.h"

#include <string.h>

#define KEPT_TIME (10 * DG_SECOND) // should the check not end before: nobody waits for the answer any more

static struct dg_side_flight *first_part(const struct dg_association *association)
{
    return dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_KEPT);
}

void dg_path_forget_kept(const struct dg_association *association)
{
    for (struct dg_side_flight *part = first_part(association); part != NULL; part = first_part(association))
        dg_shard_flight_free(association->shard, association->slot, part);
}

static bool keep_part(const struct dg_association *association, const uint8_t *data, size_t size, size_t at)
{
    struct dg_side_flight *part = dg_shard_flight_new(association->shard, association->slot, DG_FLIGHT_KEPT);
    if (part == NULL)
        return false;
    size_t left = size - at;
    part->size = (uint16_t)(left < DG_FLIGHT_BYTES ? left : DG_FLIGHT_BYTES);
    part->message_seq = (uint16_t)(at / DG_FLIGHT_BYTES);
    part->plain_sequence = size;
    part->deadline = association->now + KEPT_TIME;
    memcpy(part->bytes, data + at, part->size);
    dg_shard_flight_link(association->shard, association->slot, part);
    return true;
}

void dg_path_keep(const struct dg_association *association, const struct dg_path *to, const uint8_t *data, size_t size)
{
    struct dg_side_flight *side = dg_path_side(association);
    if (!dg_path_has_candidate(side) || dg_path_is_candidate(side, to))
        return;
    dg_path_forget_kept(association);
    if (size > DG_KEPT_PARTS * DG_FLIGHT_BYTES)
        return;
    for (size_t at = 0; at < size; at += DG_FLIGHT_BYTES) {
        if (!keep_part(association, data, size, at)) {
            dg_path_forget_kept(association); // counted; the answer is perhaps lost, as a datagram may be
            return;
        }
    }
}

// Returns its size; 0: there is none, or not the whole of it. A process may have died between two parts, and whoever
// attached has looked at each of them but not at how they fit.
static size_t collect(const struct dg_association *association, uint8_t data[DG_KEPT_PARTS * DG_FLIGHT_BYTES])
{
    size_t found = 0, size = 0;
    uint32_t seen = 0;
    const struct dg_side_flight *part = first_part(association);
    for (; part != NULL; part = dg_shard_flight_next(association->shard, part)) {
        if (part->kind != DG_FLIGHT_KEPT || (seen >> part->message_seq & 1) != 0)
            continue;
        seen |= 1u << part->message_seq;
        memcpy(data + (size_t)part->message_seq * DG_FLIGHT_BYTES, part->bytes, part->size);
        found += part->size;
        size = (size_t)part->plain_sequence;
    }
    return found == size ? size : 0;
}

void dg_path_send_kept(const struct dg_association *association)
{
    uint8_t data[DG_KEPT_PARTS * DG_FLIGHT_BYTES] = {0};
    struct dg_counters *counters = association->engine->counters;
    size_t size = collect(association, data);
    dg_path_forget_kept(association);
    if (size > 0 && (association->slot->flags & DG_SLOT_CLOSE_SENT) == 0) {
        // Plaintext like any other: what it was kept under may be the policy of a process that has died.
        if (!dg_association_authorised(association))
            dg_count(counters, DG_COUNT_DROP_UNAUTHORISED);
        else if (dg_association_send(association, DG_CONTENT_APPLICATION_DATA, data, size, NULL))
            dg_count(counters, DG_COUNT_ANSWERS_REPEATED);
    }
    dg_wipe(data, sizeof data);
}
