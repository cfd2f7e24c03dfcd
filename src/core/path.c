// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that move. Answers follow a client with a connection ID only to where its newest record came from, and
// only when the client was shown to be reachable there: by a return routability check (RFC 9853), else by what
// comes back of its own accord (RFC 9147 11, RFC 9146 6). Until then no more than three bytes go there for one
// that came. What opens is delivered all the same: nothing here ever drops a record.
#include "core/connection_ids.h"
#include "core/crash_point.h"
#include "core/path_state.h"

#include <string.h>

#define UNPROVEN_TIME (10 * DG_MINUTE) // without RRC: how long an address may stay unproven

// --- where -----------------------------------------------------------------------------

static bool is_same_place(const struct dg_address *a, const struct dg_address *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->port == b->port;
}

bool dg_path_is_current(const struct dg_slot *slot, const struct dg_path *path)
{
    return dg_address_equal(&slot->peer, &path->peer) && slot->local_port == path->local.port &&
           memcmp(slot->local_ip, path->local.ip, sizeof slot->local_ip) == 0;
}

struct dg_side_flight *dg_path_side(const struct dg_association *association)
{
    if (association->slot->side == DG_NO_SIDE)
        return NULL;
    return dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_PATH);
}

bool dg_path_has_candidate(struct dg_side_flight *flight)
{
    return flight != NULL && dg_side_path_phase(flight) != DG_PATH_RESTING;
}

bool dg_path_is_candidate(struct dg_side_flight *flight, const struct dg_path *path)
{
    const struct dg_side_path *side = dg_side_path_of(flight);
    return dg_address_equal(&side->peer, &path->peer) && is_same_place(&side->local, &path->local);
}

struct dg_path dg_path_candidate(const struct dg_association *association, const struct dg_side_path *side)
{
    return (struct dg_path){.peer = side->peer, .local = side->local, .listener = association->slot->listener};
}

size_t dg_path_budget(const struct dg_side_path *side)
{
    size_t allowed = DG_PATH_AMPLIFICATION * side->received;
    return side->sent < allowed ? allowed - side->sent : 0;
}

// RFC 9147 11: what cannot be a peer is no new address either. Our own end of the path would be a loop. Another
// listener is another socket, which the slot does not change.
static bool may_be_new(const struct dg_slot *slot, const struct dg_path *path)
{
    return path->listener == slot->listener && dg_address_can_be_peer(&path->peer) &&
           !is_same_place(&path->peer, &path->local);
}

static bool has_rrc(const struct dg_association *association)
{
    return (association->slot->flags & DG_SLOT_HAS_RRC) != 0;
}

// --- what becomes of it ----------------------------------------------------------------------

void dg_path_rest(const struct dg_association *association, struct dg_side_flight *flight, dg_time duration)
{
    dg_path_forget_kept(association);
    dg_shard_path_phase(flight, DG_PATH_RESTING);
    flight->next_send = DG_NEVER;
    flight->deadline = association->now + duration;
    dg_shard_flight_schedule(association->shard, flight);
}

static void give_up(const struct dg_association *association, struct dg_side_flight *flight)
{
    dg_path_forget_kept(association);
    dg_shard_flight_free(association->shard, association->slot, flight);
}

void dg_path_move(const struct dg_association *association, struct dg_side_flight *flight)
{
    struct dg_engine *engine = association->engine;
    const struct dg_address from = association->slot->peer;
    dg_shard_path_move(association->shard, association->slot, flight);
    (void)dg_connection_id_fresh(association); // RFC 9147 9, RFC 9853 9: nobody joins the two paths by it
    dg_count(engine->counters, DG_COUNT_PATHS_MOVED);
    if (engine->hooks.moved != NULL) {
        engine->hooks.moved(engine->hooks.context, association->now,
                            dg_shard_ref(association->shard, association->slot), association->slot, &from);
    }
    dg_association_moved(association);
    if (dg_association_is_alive(association))
        dg_path_send_kept(association); // last: it may end the association too
}

// --- a new address ---------------------------------------------------------------------------

static enum dg_path_phase first_phase(const struct dg_association *association, struct dg_side_flight *flight)
{
    if (!has_rrc(association))
        return association->slot->version == 13 ? DG_PATH_PROBE : DG_PATH_NEWEST;
    bool is_old_gone = dg_path_has_candidate(flight) && dg_side_path_of(flight)->old_is_gone;
    return association->engine->config.path_basic || is_old_gone ? DG_PATH_NEW_CHECK : DG_PATH_OLD_CHECK;
}

static void write_address(struct dg_side_path *side, const struct dg_path *path, size_t size)
{
    side->peer = path->peer;
    side->local = path->local;
    side->received = size;
    side->sent = 0;
}

static void begin(struct dg_receive *receive, struct dg_side_flight *flight, size_t size)
{
    const struct dg_association *association = &receive->association;
    bool is_strict = association->engine->config.address_strict;
    if (is_strict && association->slot->version == 12 && !has_rrc(association))
        return; // nothing could prove it
    bool is_new = flight == NULL;
    if (is_new) {
        flight = dg_shard_flight_new(association->shard, association->slot, DG_FLIGHT_PATH);
        if (flight == NULL)
            return; // counted; the address stays
        flight->size = sizeof(struct dg_side_path);
    }
    struct dg_side_path *side = dg_side_path_of(flight);
    enum dg_path_phase before = (enum dg_path_phase)dg_side_path_phase(flight);
    enum dg_path_phase phase = first_phase(association, flight);
    // RFC 9853 5.1: a check of another address is over. One of the address before goes on, whatever comes after it.
    dg_shard_path_phase(flight, DG_PATH_RESTING);
    DG_CRASH_POINT(PATH_FORGOTTEN);
    write_address(side, receive->path, size);
    side->old_is_gone = side->old_is_gone && before != DG_PATH_RESTING;
    flight->sent_count = flight->attempts = 0;
    flight->next_send = DG_NEVER;
    if (before != DG_PATH_OLD_CHECK)
        flight->deadline = association->now + UNPROVEN_TIME;
    DG_CRASH_POINT(PATH_WRITTEN);
    if (is_new)
        dg_shard_flight_link(association->shard, association->slot, flight);
    receive->path_begun = true;
    dg_count(association->engine->counters, DG_COUNT_PATH_CHECKS);
    if (phase == DG_PATH_OLD_CHECK && before == DG_PATH_OLD_CHECK) {
        flight->next_send = side->cookie_count < DG_PATH_COOKIES ? side->challenge_after : DG_NEVER;
        dg_shard_path_phase(flight, phase);
        dg_shard_flight_schedule(association->shard, flight);
        return;
    }
    if (has_rrc(association)) {
        dg_path_check_start(association, flight, phase);
        return;
    }
    dg_shard_path_phase(flight, phase);
    dg_shard_flight_schedule(association->shard, flight);
    if (phase == DG_PATH_PROBE)
        dg_path_probe(association, flight);
}

// The client's newest record came from where it was before: what came in between does not count.
static void returned(const struct dg_association *association, struct dg_side_flight *flight)
{
    dg_count(association->engine->counters, DG_COUNT_PATHS_STAYED);
    dg_side_path_of(flight)->old_is_gone = 0;
    if (has_rrc(association))
        dg_path_rest(association, flight, DG_PATH_REST_TIME);
    else
        give_up(association, flight);
}

// Another datagram has come from the new address, newer than all before it.
static void confirmed(const struct dg_association *association, struct dg_side_flight *flight)
{
    switch (dg_side_path_phase(flight)) {
    case DG_PATH_NEWEST:
        dg_path_move(association, flight);
        return;
    case DG_PATH_PROBE: // what went there may be lost, or what was acknowledged had not been sent there
        dg_path_probe(association, flight);
        return;
    default:
        return;
    }
}

void dg_path_seen(struct dg_receive *receive, uint8_t type, size_t size, bool is_newest)
{
    const struct dg_association *association = &receive->association;
    const struct dg_slot *slot = association->slot;
    // RFC 9146 6: only who has a connection ID moves. Whom we dialled stays where we dialled.
    if ((slot->flags & (DG_SLOT_HAS_CID | DG_SLOT_IS_CLIENT)) != DG_SLOT_HAS_CID)
        return;
    struct dg_side_flight *flight = dg_path_side(association);
    if (dg_path_is_current(slot, receive->path)) {
        // The answers of a check are read before they end it.
        if (is_newest && dg_path_has_candidate(flight) && type != DG_CONTENT_RETURN_ROUTABILITY_CHECK)
            returned(association, flight);
        return;
    }
    if (dg_path_has_candidate(flight) && dg_path_is_candidate(flight, receive->path)) {
        dg_side_path_of(flight)->received += size;
        if (is_newest && !receive->path_begun)
            confirmed(association, flight);
        return;
    }
    // RFC 9146 6, RFC 9147 11: newer than all before it in epoch and number.
    if (is_newest && may_be_new(slot, receive->path))
        begin(receive, flight, size);
}

// --- where answers go --------------------------------------------------------------------------

static bool follows(const struct dg_association *association, enum dg_path_phase phase, uint8_t type)
{
    bool is_strict = association->engine->config.address_strict;
    switch (phase) {
    case DG_PATH_NEW_CHECK:
    case DG_PATH_NEWEST:
        return !is_strict;
    case DG_PATH_PROBE: // what proves the address has to go there
        return !is_strict || type == DG_CONTENT_HANDSHAKE;
    default: // the client is where it was, until it says otherwise or says nothing
        return false;
    }
}

struct dg_path dg_path_choose(const struct dg_association *association, uint8_t type, size_t size,
                              const struct dg_record_number *hidden)
{
    struct dg_path proven = dg_association_path(association->slot);
    struct dg_side_flight *flight = dg_path_side(association);
    if (flight == NULL)
        return proven;
    enum dg_path_phase phase = (enum dg_path_phase)dg_side_path_phase(flight);
    if (!follows(association, phase, type))
        return proven;
    struct dg_side_path *side = dg_side_path_of(flight);
    if (size > dg_path_budget(side)) {
        // RFC 9853 5: more than that is for a proven address only.
        dg_count(association->engine->counters, DG_COUNT_PATH_BUDGET);
        return proven;
    }
    side->sent += size;
    if (phase == DG_PATH_PROBE && hidden != NULL)
        dg_path_probe_sent(flight, *hidden);
    return dg_path_candidate(association, side);
}

// --- time --------------------------------------------------------------------------------------

void dg_path_due(const struct dg_association *association, struct dg_side_flight *flight)
{
    switch ((enum dg_path_phase)dg_side_path_phase(flight)) {
    case DG_PATH_OLD_CHECK:
    case DG_PATH_NEW_CHECK:
        dg_path_check_due(association, flight);
        return;
    case DG_PATH_PROBE:
    case DG_PATH_NEWEST:
        dg_count(association->engine->counters, DG_COUNT_PATH_CHECKS_FAILED);
        break;
    default:
        break;
    }
    give_up(association, flight);
}
