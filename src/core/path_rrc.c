// SPDX-License-Identifier: GPL-3.0-or-later
// Return routability checks (RFC 9853): which of the two addresses is asked, how often and for how long, what an
// answer settles, and the answers to the peer's own challenges. Never judges which record begins a check.
#include "core/path_state.h"

#include "base/random.h"

#define CHALLENGES_IN_ROUND_TRIPS 3          // RFC 9853 5.5: T is three round trips
#define REST_TIME_FAILED (10 * DG_MINUTE)    // after one that failed: keeps how long the next may take

enum message { PATH_CHALLENGE = 0, PATH_RESPONSE = 1, PATH_DROP = 2 }; // RFC 9853 4
#define COOKIE 8
#define MESSAGE_SIZE (1 + COOKIE)

// --- a check -----------------------------------------------------------------------------------

// T (RFC 9853 5.5): three round trips of the address before, where they are known; of a new one they are not.
static dg_time check_time(const struct dg_association *association, const struct dg_side_path *side,
                          enum dg_path_phase phase)
{
    dg_time rtt = association->slot->rtt_ms * DG_MILLISECOND;
    dg_time time = association->engine->config.path_timeout;
    if (phase == DG_PATH_OLD_CHECK && rtt > 0)
        time = CHALLENGES_IN_ROUND_TRIPS * rtt;
    if (time < DG_PATH_TURN_MIN)
        time = DG_PATH_TURN_MIN;
    return phase == DG_PATH_NEW_CHECK ? time << side->failures : time;
}

// As measured, else a guess.
static dg_time round_trip(const struct dg_association *association, const struct dg_side_path *side)
{
    return check_time(association, side, DG_PATH_OLD_CHECK) / CHALLENGES_IN_ROUND_TRIPS;
}

static void write_message(uint8_t body[MESSAGE_SIZE], enum message type, uint64_t cookie)
{
    struct dg_writer writer = dg_writer_of(body, MESSAGE_SIZE);
    dg_write_u8(&writer, (uint8_t)type);
    dg_write_u64(&writer, cookie);
    DG_BUG_UNLESS(!writer.failed);
}

bool dg_path_ask(const struct dg_association *association)
{
    uint8_t body[MESSAGE_SIZE];
    write_message(body, PATH_CHALLENGE, dg_random_u64());
    return dg_association_send(association, DG_CONTENT_RETURN_ROUTABILITY_CHECK, body, sizeof body, NULL);
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
    // Another address waits for a round trip (RFC 9853 5.5), not for the pace of repeats to this one.
    side->challenge_after = association->now + round_trip(association, side);
    flight->next_send = side->cookie_count < DG_PATH_COOKIES ? association->now + pace : DG_NEVER;
    dg_shard_flight_schedule(association->shard, flight);

    uint8_t body[MESSAGE_SIZE];
    write_message(body, PATH_CHALLENGE, side->cookies[at]);
    bool is_old = phase == DG_PATH_OLD_CHECK;
    struct dg_path to = is_old ? dg_association_path(association->slot) : dg_path_candidate(association, side);
    if (dg_association_send_to(association, &to, is_old ? SIZE_MAX : dg_path_budget(side), is_old ? NULL : &side->sent,
                               DG_CONTENT_RETURN_ROUTABILITY_CHECK, body, sizeof body))
        dg_count(association->engine->counters, DG_COUNT_PATH_CHALLENGES);
}

void dg_path_check_start(const struct dg_association *association, struct dg_side_flight *flight,
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

// --- its end -----------------------------------------------------------------------------------

static void stay(const struct dg_association *association, struct dg_side_flight *flight)
{
    dg_side_path_of(flight)->failures = 0;
    dg_count(association->engine->counters, DG_COUNT_PATHS_STAYED);
    dg_path_rest(association, flight, DG_PATH_REST_TIME);
}

static void fail(const struct dg_association *association, struct dg_side_flight *flight)
{
    struct dg_side_path *side = dg_side_path_of(flight);
    if (side->failures < DG_PATH_FAILURES_MAX)
        side->failures++;
    dg_count(association->engine->counters, DG_COUNT_PATH_CHECKS_FAILED);
    dg_path_rest(association, flight, REST_TIME_FAILED);
}

// --- messages --------------------------------------------------------------------------------

// RFC 9853 5.4: at once, to where the challenge came from, with its cookie. Who has left that path says so.
static void respond(struct dg_receive *receive, uint64_t cookie, size_t record_size)
{
    const struct dg_association *association = &receive->association;
    const struct dg_slot *slot = association->slot;
    const struct dg_path *to = receive->path;
    struct dg_side_flight *flight = dg_path_side(association);
    bool is_left = (slot->flags & DG_SLOT_IS_CLIENT) != 0 && slot->local_port != 0 && to->local.port != 0 &&
                   !dg_path_is_current(slot, to);
    uint8_t body[MESSAGE_SIZE];
    write_message(body, is_left ? PATH_DROP : PATH_RESPONSE, cookie);
    size_t most = DG_PATH_AMPLIFICATION * record_size;
    uint64_t *spent = NULL;
    if (dg_path_is_current(slot, to)) {
        most = SIZE_MAX;
    } else if (dg_path_has_candidate(flight) && dg_path_is_candidate(flight, to)) {
        most = dg_path_budget(dg_side_path_of(flight));
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
    struct dg_side_flight *flight = dg_path_side(association);
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
    if (phase == DG_PATH_NEW_CHECK && !dg_path_is_candidate(flight, receive->path))
        return false;
    dg_time round_trip = dg_time_since(association->now, side->challenged_at[at]);
    if (phase == DG_PATH_OLD_CHECK && answer == PATH_RESPONSE) { // RFC 9853 5.2: stays
        note_round_trip(association->slot, round_trip);
        stay(association, flight);
    } else if (phase == DG_PATH_OLD_CHECK) { // RFC 9853 5.2: gone, so the new address is asked
        side->old_is_gone = 1;
        dg_path_check_start(association, flight, DG_PATH_NEW_CHECK);
    } else if (answer == PATH_RESPONSE) {
        note_round_trip(association->slot, round_trip);
        dg_path_move(association, flight);
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

void dg_path_check_due(const struct dg_association *association, struct dg_side_flight *flight)
{
    if (association->now < flight->deadline) {
        if (dg_side_path_of(flight)->cookie_count >= DG_PATH_COOKIES)
            flight->next_send = DG_NEVER; // should a process have died before it said so: it would be due for ever
        if (association->now >= flight->next_send)
            challenge(association, flight);
        else
            dg_shard_flight_schedule(association->shard, flight);
        return;
    }
    if (dg_side_path_phase(flight) == DG_PATH_OLD_CHECK) { // RFC 9853 5.2: no answer there, so the new address is asked
        dg_side_path_of(flight)->old_is_gone = 1;
        dg_path_check_start(association, flight, DG_PATH_NEW_CHECK);
    } else { // RFC 9853 5.1: the address before stays
        fail(association, flight);
    }
}
