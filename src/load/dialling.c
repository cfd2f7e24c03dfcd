// SPDX-License-Identifier: GPL-3.0-or-later
// Handshakes under way: begun at a free place, stepped by datagrams and time, and at the end handed over to the engine.
// Never waits for one: many are under way at once in one loop.
#include "load/thread.h"

#include "base/random.h"
#include "base/secret.h"
#include "core/record.h"

#include <stdlib.h>

#define BEGUN_AT_ONCE 16 // before answers have their turn

bool dg_load_dialling_init(struct dg_load_thread *thread)
{
    thread->dials = calloc(thread->dials_max, sizeof *thread->dials);
    if (!thread->dials || !dg_timer_heap_init(&thread->dial_timers, thread->dials_max))
        return false;
    for (uint32_t i = 0; i < thread->dials_max; i++)
        thread->dials[i].next_free = i + 1;
    return true;
}

void dg_load_dialling_clear(struct dg_load_thread *thread)
{
    for (uint32_t i = 0; thread->dials && i < thread->dials_max; i++)
        if (thread->dials[i].dial)
            thread->config->dial->free(thread->dials[i].dial);
    dg_timer_heap_clear(&thread->dial_timers);
    free(thread->dials);
    thread->dials = NULL;
}

// --- ends -----------------------------------------------------------------------------------------------------

// The handshake is the caller's to free. Its socket's place stays taken where an association goes on from it.
DG_MUST_USE static struct dg_dial *release(struct dg_load_thread *thread, uint32_t number, bool keeps_place)
{
    struct dg_load_dial *dial = &thread->dials[number];
    struct dg_dial *released = dial->dial;
    dial->dial = NULL;
    dg_timer_heap_set(&thread->dial_timers, number, DG_NEVER);
    if (keeps_place)
        dg_load_place_hold(&thread->places, dial->place);
    else
        dg_load_place_give_back(&thread->places, dial->place);
    dial->next_free = thread->dials_free;
    thread->dials_free = number;
    thread->dialling--;
    return released;
}

static void forget(struct dg_load_thread *thread, uint32_t number)
{
    thread->config->dial->free(release(thread, number, false));
}

static void note_reason(struct dg_load_thread *thread, const char *why, int alert)
{
    dg_load_tally(&thread->tally, DG_LOAD_HANDSHAKES_FAILED);
    for (size_t i = 0; i < DG_LOAD_REASONS_MAX; i++) {
        struct dg_load_reason *reason = &thread->reasons[i];
        if (reason->count > 0 && (reason->why != why || reason->alert != alert))
            continue;
        *reason = (struct dg_load_reason){.why = why, .alert = alert, .count = reason->count + 1};
        return;
    }
}

static void fail(struct dg_load_thread *thread, uint32_t number)
{
    int alert = -1;
    const char *why = thread->config->dial->why(thread->dials[number].dial, &alert);
    note_reason(thread, why, alert);
    forget(thread, number);
}

static void note_kind(struct dg_load_thread *thread, const struct dg_handover *handover)
{
    if (thread->version != 0)
        return;
    thread->version = handover->version;
    thread->has_cid = handover->cid_size > 0 && handover->peer_has_cid;
    thread->has_rrc = handover->has_rrc;
    for (size_t i = 0; i < sizeof thread->suite - 1; i++)
        thread->suite[i] = handover->suite_name[i];
}

// Data that overtook the end of the handshake (RFC 9147 5.8.1), in the order in which it came.
static void receive_kept(struct dg_load_thread *thread, dg_time now, const struct dg_path *path, struct dg_dial *dial)
{
    uint8_t *record;
    size_t size;
    while ((size = thread->config->dial->kept(dial, &record)) > 0)
        (void)!dg_engine_receive(thread->engine, now, path, record, size);
}

// The result leaves the handshake. False: it could not be used.
static bool take_over(struct dg_load_thread *thread, dg_time now, uint32_t number)
{
    struct dg_load_dial *dial = &thread->dials[number];
    struct dg_handover handover;
    if (!thread->config->dial->take(dial->dial, &handover)) {
        dg_wipe(&handover, sizeof handover);
        fail(thread, number);
        return false;
    }
    const uint32_t place = dial->place;
    const dg_time due_at = dial->due_at;
    // RFC 9146 3: who is found by an ID in both directions shares its place with others.
    bool keeps_place = handover.cid_size == 0 || !handover.peer_has_cid || handover.peer_cid_size == 0;
    handover.path = dg_load_place_path(&thread->places, place);
    note_kind(thread, &handover);
    struct dg_dial *over = release(thread, number, keeps_place);
    bool done = dg_engine_take_over(thread->engine, now, &handover); // its hook has taken the seat
    if (done) {
        dg_load_tally(&thread->tally, DG_LOAD_HANDSHAKES_DONE);
        if (handover.resumed)
            dg_load_tally(&thread->tally, DG_LOAD_HANDSHAKES_RESUMED);
        bool is_for_ticket = thread->config->kind == DG_LOAD_HANDSHAKES && thread->stage == DG_LOAD_CONNECTING;
        if (!is_for_ticket)
            dg_load_histogram_record(&thread->times->handshake, dg_time_since(now, due_at));
        receive_kept(thread, now, &handover.path, over);
    } else {
        note_reason(thread, "there is no room for the association", -1);
        if (keeps_place)
            dg_load_place_give_back(&thread->places, place);
    }
    thread->config->dial->free(over);
    dg_wipe(&handover, sizeof handover);
    return done;
}

// rest: the datagram from the record on that was given last. Returns whether the handshake goes on.
static bool after_step(struct dg_load_thread *thread, dg_time now, uint32_t number, enum dg_dial_step step,
                       uint8_t *rest, size_t size)
{
    struct dg_load_dial *dial = &thread->dials[number];
    struct dg_path path;
    switch (step) {
    case DG_DIAL_GOES_ON:
        dg_timer_heap_set(&thread->dial_timers, number,
                          dg_time_min(thread->config->dial->deadline(dial->dial), dial->give_up_at));
        return true;
    case DG_DIAL_FAILED:
        fail(thread, number);
        return false;
    case DG_DIAL_DONE:
        path = dg_load_place_path(&thread->places, dial->place);
        // core/dial.h: the datagram is the engine's from this record on.
        if (take_over(thread, now, number) && size > 0)
            (void)!dg_engine_receive(thread->engine, now, &path, rest, size);
        return false;
    }
    DG_BUG("a step of a handshake that is none");
}

// --- begins -----------------------------------------------------------------------------------------------------

// False: there is no room for one more now, but the end of another will make some.
static bool begin_one(struct dg_load_thread *thread, dg_time now, dg_time due_at)
{
    uint32_t number = thread->dials_free;
    if (number == thread->dials_max)
        return false;
    struct dg_load_dial *dial = &thread->dials[number];
    uint32_t place = dg_load_place_take(&thread->places, number);
    if (place == DG_LOAD_NO_PLACE && thread->dialling > 0)
        return false;
    dg_load_tally(&thread->tally, DG_LOAD_HANDSHAKES_STARTED);
    if (place == DG_LOAD_NO_PLACE) {
        note_reason(thread, "no address and port of ours is free: the associations have no connection IDs, so each "
                            "needs one; say --sources or --sockets", -1);
        return true;
    }
    uint8_t random[DG_CID_SIZE_MAX];
    const struct dg_bytes cid = {.data = random, .size = thread->memory.shape.cid_size};
    dg_random_bytes(random, cid.size); // RFC 9146 8: unpredictable
    const struct dg_path path = dg_load_place_path(&thread->places, place);
    dial->dial = thread->config->dial->start(thread->dialer, now, &path, cid, &thread->output);
    if (!dial->dial) {
        dg_load_place_give_back(&thread->places, place);
        note_reason(thread, "memory is short for a handshake", -1);
        return true;
    }
    thread->dials_free = dial->next_free;
    thread->dialling++;
    dial->place = place;
    dial->due_at = due_at;
    dial->give_up_at = now + thread->config->handshake_timeout;
    // A failure is found by the deadline.
    dg_timer_heap_set(&thread->dial_timers, number,
                      dg_time_min(thread->config->dial->deadline(dial->dial), dial->give_up_at));
    return true;
}

dg_time dg_load_dialling_begin(struct dg_load_thread *thread, dg_time now, struct dg_load_schedule *schedule)
{
    for (int i = 0; i < BEGUN_AT_ONCE; i++) {
        dg_time due_at = dg_load_schedule_next(schedule);
        if (due_at > now)
            return due_at;
        // In a closed loop a handshake is due when there is room for it.
        bool is_paced = schedule->count > 0;
        if (!begin_one(thread, now, is_paced ? due_at : now)) {
            if (is_paced)
                thread->begun_late++;
            return DG_NEVER;
        }
        dg_load_schedule_take(schedule);
        if (is_paced)
            dg_load_histogram_record(&thread->times->lag, dg_time_since(now, due_at));
    }
    return now;
}

// --- goes on -----------------------------------------------------------------------------------------------------

bool dg_load_dialling_receive(struct dg_load_thread *thread, dg_time now, uint32_t place, uint8_t *data, size_t size)
{
    uint32_t number = dg_load_place_who(&thread->places, place);
    if (number == DG_LOAD_NOBODY)
        return false;
    bool goes_on = true;
    while (goes_on && size > 0) {
        struct dg_record record;
        struct dg_result parsed = dg_record_parse(data, size, thread->memory.shape.cid_size, &record);
        if (parsed.outcome != DG_OK) {
            dg_count(thread->counters, parsed.reason);
            return true;
        }
        enum dg_dial_step step = thread->config->dial->receive(thread->dials[number].dial, now, record.start,
                                                               record.size, &thread->output);
        goes_on = after_step(thread, now, number, step, data, size);
        data += record.size;
        size -= record.size;
    }
    return true;
}

void dg_load_dialling_advance(struct dg_load_thread *thread, dg_time now)
{
    uint32_t number;
    while (dg_timer_heap_pop(&thread->dial_timers, now, &number)) {
        struct dg_load_dial *dial = &thread->dials[number];
        if (now >= dial->give_up_at) {
            fail(thread, number);
            continue;
        }
        enum dg_dial_step step = thread->config->dial->advance(dial->dial, now, &thread->output);
        if (step == DG_DIAL_GOES_ON)
            dg_load_tally(&thread->tally, DG_LOAD_HANDSHAKE_TIMEOUTS);
        (void)after_step(thread, now, number, step, NULL, 0);
    }
}

void dg_load_dialling_drop(struct dg_load_thread *thread)
{
    for (uint32_t i = 0; thread->dialling > 0 && i < thread->dials_max; i++)
        if (thread->dials[i].dial)
            forget(thread, i);
}
