// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that move. Answers follow a client with a connection ID only to where its newest record came from, and
// only when the client was shown to be reachable there: by a return routability check (RFC 9853), else by what
// comes back of its own accord (RFC 9147 11, RFC 9146 6). Until then no more than three bytes go there for one
// that came. What opens is delivered all the same: nothing here ever drops a record.
#include "core/path.h"

#include "base/random.h"
#include "core/connection_ids.h"
#include "core/crash_point.h"
#include "core/engine_internal.h"

#include <string.h>

#define AMPLIFICATION 3                      // RFC 9853 5, RFC 9147 11
#define CHALLENGES_IN_ROUND_TRIPS 3          // RFC 9853 5.5: T is three round trips
#define TIMEOUT_MIN (100 * DG_MILLISECOND)   // below, a busy peer would be taken for one that is gone
#define FAILURES_MAX 5                       // T doubles up to 32 times: for links slower than T
#define REST_TIME (10 * DG_SECOND)           // after a check that was settled: keeps the pace of the next
#define REST_TIME_FAILED (10 * DG_MINUTE)    // after one that failed: keeps how long the next may take
#define UNPROVEN_TIME (10 * DG_MINUTE)       // without RRC: how long an address may stay unproven

enum message { PATH_CHALLENGE = 0, PATH_RESPONSE = 1, PATH_DROP = 2 }; // RFC 9853 4
#define COOKIE 8
#define MESSAGE_SIZE (1 + COOKIE)

// --- where -----------------------------------------------------------------------------

static bool is_same_place(const struct dg_address *a, const struct dg_address *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->port == b->port;
}

// The peer's address and ours: an answer from another address of ours would not pass the client's NAT.
static bool is_current(const struct dg_slot *slot, const struct dg_path *path)
{
    return dg_address_equal(&slot->peer, &path->peer) && slot->local_port == path->local.port &&
           memcmp(slot->local_ip, path->local.ip, sizeof slot->local_ip) == 0;
}

static struct dg_side_flight *flight_of(const struct dg_association *association)
{
    if (association->slot->side == DG_NO_SIDE)
        return NULL;
    return dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_PATH);
}

static bool has_candidate(struct dg_side_flight *flight)
{
    return flight != NULL && dg_side_path_phase(flight) != DG_PATH_RESTING;
}

static bool is_candidate(struct dg_side_flight *flight, const struct dg_path *path)
{
    const struct dg_side_path *side = dg_side_path_of(flight);
    return dg_address_equal(&side->peer, &path->peer) && is_same_place(&side->local, &path->local);
}

static struct dg_path candidate_path(const struct dg_association *association, const struct dg_side_path *side)
{
    return (struct dg_path){.peer = side->peer, .local = side->local, .listener = association->slot->listener};
}

static size_t budget(const struct dg_side_path *side) { return AMPLIFICATION * side->received - side->sent; }

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

// --- ends of a check -----------------------------------------------------------------------

static void rest(const struct dg_association *association, struct dg_side_flight *flight, dg_time duration)
{
    dg_shard_path_phase(flight, DG_PATH_RESTING);
    flight->next_send = DG_NEVER;
    flight->deadline = association->now + duration;
    dg_shard_flight_schedule(association->shard, flight);
}

static void stay(const struct dg_association *association, struct dg_side_flight *flight)
{
    dg_side_path_of(flight)->failures = 0;
    dg_count(association->engine->counters, DG_COUNT_PATHS_STAYED);
    rest(association, flight, REST_TIME);
}

static void fail(const struct dg_association *association, struct dg_side_flight *flight)
{
    struct dg_side_path *side = dg_side_path_of(flight);
    if (side->failures < FAILURES_MAX)
        side->failures++;
    dg_count(association->engine->counters, DG_COUNT_PATH_CHECKS_FAILED);
    rest(association, flight, REST_TIME_FAILED);
}

static void move(const struct dg_association *association, struct dg_side_flight *flight)
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
}

// --- checks with RRC -------------------------------------------------------------------------

// T (RFC 9853 5.5): three round trips of the address before, where they are known; of a new one they are not.
static dg_time check_time(const struct dg_association *association, const struct dg_side_path *side,
                          enum dg_path_phase phase)
{
    dg_time rtt = association->slot->rtt_ms * DG_MILLISECOND;
    dg_time time = association->engine->config.path_timeout;
    if (phase == DG_PATH_OLD_CHECK && rtt > 0)
        time = CHALLENGES_IN_ROUND_TRIPS * rtt;
    if (time < TIMEOUT_MIN)
        time = TIMEOUT_MIN;
    return phase == DG_PATH_NEW_CHECK ? time << side->failures : time;
}

// RFC 9853 4: the cookie is 64 fresh random bits, also when the challenge is repeated.
static void challenge(const struct dg_association *association, struct dg_side_flight *flight)
{
    struct dg_side_path *side = dg_side_path_of(flight);
    enum dg_path_phase phase = (enum dg_path_phase)dg_side_path_phase(flight);
    dg_time pace = check_time(association, side, phase) / CHALLENGES_IN_ROUND_TRIPS;
    uint8_t at = side->cookie_count;
    side->cookies[at] = dg_random_u64();
    side->challenged_at[at] = association->now;
    side->cookie_count = (uint8_t)(at + 1);
    side->challenge_after = association->now + pace;
    flight->next_send = side->cookie_count < DG_PATH_COOKIES ? side->challenge_after : DG_NEVER;
    dg_shard_flight_schedule(association->shard, flight);

    uint8_t body[MESSAGE_SIZE];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u8(&writer, PATH_CHALLENGE);
    dg_write_u64(&writer, side->cookies[at]);
    DG_BUG_UNLESS(!writer.failed);
    bool is_old = phase == DG_PATH_OLD_CHECK;
    struct dg_path to = is_old ? dg_association_path(association->slot) : candidate_path(association, side);
    if (dg_association_send_to(association, &to, is_old ? SIZE_MAX : budget(side), is_old ? NULL : &side->sent,
                               DG_CONTENT_RETURN_ROUTABILITY_CHECK, body, sizeof body))
        dg_count(association->engine->counters, DG_COUNT_PATH_CHALLENGES);
}

// The address is written already. The first challenge goes out at once, if the last one is a round trip ago.
static void start_check(const struct dg_association *association, struct dg_side_flight *flight,
                        enum dg_path_phase phase)
{
    struct dg_side_path *side = dg_side_path_of(flight);
    dg_time first = side->challenge_after > association->now ? side->challenge_after : association->now;
    side->cookie_count = 0;
    flight->next_send = first;
    flight->deadline = first + check_time(association, side, phase);
    dg_shard_path_phase(flight, phase);
    dg_shard_flight_schedule(association->shard, flight);
    if (first == association->now)
        challenge(association, flight);
}

// --- a new address ---------------------------------------------------------------------------

// DTLS 1.3 without RRC: only the client can acknowledge, and only what has reached it. A KeyUpdate of ours, or
// what else waits for its acknowledgement, goes to the new address at once.
#define HASTENED_MAX 8 // transmissions: the last ones are left to their timer
static void probe(const struct dg_association *association)
{
    struct dg_shard *shard = association->shard;
    struct dg_side_flight *waiting = dg_shard_flight_find(shard, association->slot, DG_FLIGHT_MESSAGE);
    if (waiting == NULL) {
        (void)dg_key_update_start(association, DG_UPDATE_NOT_REQUESTED);
        return;
    }
    if (waiting->attempts >= HASTENED_MAX || waiting->next_send <= association->now)
        return;
    waiting->next_send = association->now;
    dg_message_due(association, waiting);
}

static enum dg_path_phase first_phase(const struct dg_association *association, struct dg_side_flight *flight)
{
    if (!has_rrc(association))
        return association->slot->version == 13 ? DG_PATH_PROBE : DG_PATH_NEWEST;
    bool is_old_gone = has_candidate(flight) && dg_side_path_of(flight)->old_is_gone;
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
    flight->sent_count = 0;
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
        start_check(association, flight, phase);
        return;
    }
    dg_shard_path_phase(flight, phase);
    dg_shard_flight_schedule(association->shard, flight);
    if (phase == DG_PATH_PROBE)
        probe(association);
}

// The client's newest record came from where it was before: what came in between does not count.
static void returned(const struct dg_association *association, struct dg_side_flight *flight)
{
    dg_count(association->engine->counters, DG_COUNT_PATHS_STAYED);
    dg_side_path_of(flight)->old_is_gone = 0;
    if (has_rrc(association))
        rest(association, flight, REST_TIME);
    else
        dg_shard_flight_free(association->shard, association->slot, flight);
}

// Another datagram has come from the new address, newer than all before it.
static void confirmed(const struct dg_association *association, struct dg_side_flight *flight)
{
    switch (dg_side_path_phase(flight)) {
    case DG_PATH_NEWEST:
        move(association, flight);
        return;
    case DG_PATH_PROBE: // what was acknowledged had not been sent there
        if (dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_MESSAGE) == NULL)
            probe(association);
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
    struct dg_side_flight *flight = flight_of(association);
    if (is_current(slot, receive->path)) {
        // The answers of a check are read before they end it.
        if (is_newest && has_candidate(flight) && type != DG_CONTENT_RETURN_ROUTABILITY_CHECK)
            returned(association, flight);
        return;
    }
    if (has_candidate(flight) && is_candidate(flight, receive->path)) {
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
                              struct dg_record_number number)
{
    struct dg_path proven = dg_association_path(association->slot);
    struct dg_side_flight *flight = flight_of(association);
    if (flight == NULL)
        return proven;
    enum dg_path_phase phase = (enum dg_path_phase)dg_side_path_phase(flight);
    if (!follows(association, phase, type))
        return proven;
    struct dg_side_path *side = dg_side_path_of(flight);
    if (size > budget(side)) {
        // RFC 9853 5: more than that is for a proven address only.
        dg_count(association->engine->counters, DG_COUNT_PATH_BUDGET);
        return proven;
    }
    side->sent += size;
    if (phase == DG_PATH_PROBE && type == DG_CONTENT_HANDSHAKE) {
        uint32_t at = flight->sent_count < DG_FLIGHT_SENT_MAX ? flight->sent_count : DG_FLIGHT_SENT_MAX - 1;
        flight->sent_epoch[at] = number.epoch;
        flight->sent_sequence[at] = number.sequence;
        DG_STORE_ORDER(); // counted last: what lay there before was sent to another address
        flight->sent_count = at + 1;
    }
    return candidate_path(association, side);
}

// --- proofs ----------------------------------------------------------------------------------

// DTLS 1.3 without RRC (RFC 9147 11): what was sent to the new address is acknowledged from there.
void dg_path_acknowledged(struct dg_receive *receive, struct dg_record_number number)
{
    const struct dg_association *association = &receive->association;
    struct dg_side_flight *flight = flight_of(association);
    if (flight == NULL || dg_side_path_phase(flight) != DG_PATH_PROBE || !is_candidate(flight, receive->path))
        return;
    for (uint32_t i = 0; i < flight->sent_count && i < DG_FLIGHT_SENT_MAX; i++) {
        if (flight->sent_epoch[i] == number.epoch && flight->sent_sequence[i] == number.sequence) {
            move(association, flight);
            return;
        }
    }
}

// RFC 9853 5.4: at once, to where the challenge came from, with its cookie. Who has left that path says so.
static void respond(struct dg_receive *receive, uint64_t cookie, size_t record_size)
{
    const struct dg_association *association = &receive->association;
    const struct dg_slot *slot = association->slot;
    const struct dg_path *to = receive->path;
    struct dg_side_flight *flight = flight_of(association);
    bool is_left = (slot->flags & DG_SLOT_IS_CLIENT) != 0 && slot->local_port != 0 && to->local.port != 0 &&
                   !is_current(slot, to);
    uint8_t body[MESSAGE_SIZE];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u8(&writer, is_left ? PATH_DROP : PATH_RESPONSE);
    dg_write_u64(&writer, cookie);
    DG_BUG_UNLESS(!writer.failed);
    size_t most = AMPLIFICATION * record_size;
    uint64_t *spent = NULL;
    if (is_current(slot, to)) {
        most = SIZE_MAX;
    } else if (has_candidate(flight) && is_candidate(flight, to)) {
        most = budget(dg_side_path_of(flight));
        spent = &dg_side_path_of(flight)->sent;
    }
    if (dg_association_send_to(association, to, most, spent, DG_CONTENT_RETURN_ROUTABILITY_CHECK, body, sizeof body))
        dg_count(association->engine->counters, DG_COUNT_PATH_CHALLENGES_ANSWERED);
}

static void note_round_trip(struct dg_slot *slot, dg_time duration)
{
    dg_time ms = duration / DG_MILLISECOND + 1;
    slot->rtt_ms = ms < UINT16_MAX ? (uint16_t)ms : UINT16_MAX;
}

// An answer to a challenge of the check under way. False: to none (late, doubled, made up).
static bool answered(struct dg_receive *receive, enum message answer, uint64_t cookie)
{
    const struct dg_association *association = &receive->association;
    struct dg_side_flight *flight = flight_of(association);
    if (flight == NULL)
        return false;
    struct dg_side_path *side = dg_side_path_of(flight);
    enum dg_path_phase phase = (enum dg_path_phase)dg_side_path_phase(flight);
    if (phase != DG_PATH_OLD_CHECK && phase != DG_PATH_NEW_CHECK)
        return false;
    uint8_t at = 0;
    while (at < side->cookie_count && side->cookies[at] != cookie)
        at++;
    if (at == side->cookie_count)
        return false;
    // An answer from elsewhere proves nothing about the address that is asked: somebody may have carried the
    // challenge on. One to a challenge at the address before says that this still reaches the client.
    if (phase == DG_PATH_NEW_CHECK && !is_candidate(flight, receive->path))
        return false;
    dg_time round_trip = dg_time_since(association->now, side->challenged_at[at]);
    if (phase == DG_PATH_OLD_CHECK && answer == PATH_RESPONSE) { // RFC 9853 5.2: stays
        note_round_trip(association->slot, round_trip);
        stay(association, flight);
    } else if (phase == DG_PATH_OLD_CHECK) { // RFC 9853 5.2: gone, so the new address is asked
        side->old_is_gone = 1;
        start_check(association, flight, DG_PATH_NEW_CHECK);
    } else if (answer == PATH_RESPONSE) {
        note_round_trip(association->slot, round_trip);
        move(association, flight);
    } else {
        fail(association, flight);
    }
    return true;
}

void dg_path_message_received(struct dg_receive *receive, struct dg_bytes body, size_t record_size)
{
    const struct dg_association *association = &receive->association;
    struct dg_reader reader = dg_reader_in(body);
    uint8_t type = dg_read_u8(&reader);
    uint64_t cookie = dg_read_u64(&reader);
    bool is_sound = dg_reader_done(&reader);
    if (is_sound && type == PATH_CHALLENGE)
        respond(receive, cookie, record_size);
    else if (!is_sound || type > PATH_DROP || !answered(receive, (enum message)type, cookie))
        dg_count(association->engine->counters, DG_COUNT_DROP_PATH_MESSAGE); // RFC 9853 4, 5.4: silently
}

// --- time --------------------------------------------------------------------------------------

void dg_path_due(const struct dg_association *association, struct dg_side_flight *flight)
{
    enum dg_path_phase phase = (enum dg_path_phase)dg_side_path_phase(flight);
    bool is_checking = phase == DG_PATH_OLD_CHECK || phase == DG_PATH_NEW_CHECK;
    if (is_checking && association->now < flight->deadline) {
        if (dg_side_path_of(flight)->cookie_count >= DG_PATH_COOKIES)
            flight->next_send = DG_NEVER; // should a process have died before it said so: it would be due for ever
        if (association->now >= flight->next_send)
            challenge(association, flight);
        else
            dg_shard_flight_schedule(association->shard, flight);
        return;
    }
    switch (phase) {
    case DG_PATH_OLD_CHECK: // RFC 9853 5.2: no answer there, so the new address is asked
        dg_side_path_of(flight)->old_is_gone = 1;
        start_check(association, flight, DG_PATH_NEW_CHECK);
        return;
    case DG_PATH_NEW_CHECK: // RFC 9853 5.1: the address before stays
        fail(association, flight);
        return;
    case DG_PATH_PROBE:
    case DG_PATH_NEWEST:
        dg_count(association->engine->counters, DG_COUNT_PATH_CHECKS_FAILED);
        break;
    default:
        break;
    }
    dg_shard_flight_free(association->shard, association->slot, flight);
}
