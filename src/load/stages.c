// SPDX-License-Identifier: GPL-3.0-or-later
// The loop of one thread and the stages it goes through: connecting, loading, lingering for what is under way, closing.
// Each turn does what is due, sleeps until something is, and reads what has come.
#include "load/thread.h"

#include "io/clock.h"
#include "load/usage.h"

#include <sys/prctl.h>

#define CLOSED_AT_ONCE 64
#define CLOSED_PER_SECOND 20000
#define OVERTIME DG_SECOND // for what was due before the load's end
#define LINGERS_STOPPED DG_SECOND
#define LOOK_PERIOD (20 * DG_MILLISECOND) // how long a word of another thread may wait

static enum dg_load_stage stage_of(const struct dg_load_thread *thread)
{
    return (enum dg_load_stage)atomic_load_explicit(&thread->stage, memory_order_relaxed);
}

static void enter(struct dg_load_thread *thread, enum dg_load_stage stage)
{
    atomic_store_explicit(&thread->stage, stage, memory_order_release); // after what others read then
}

// --- what a stage begins with ----------------------------------------------------------------------------------

static void begin_connecting(struct dg_load_thread *thread, dg_time now)
{
    const struct dg_load_config *config = thread->config;
    uint64_t wanted = dg_load_share(config->associations, thread->self, config->threads);
    if (config->kind == DG_LOAD_HANDSHAKES)
        wanted = config->wants_resumed ? 1 : 0;
    thread->started_at = now;
    thread->ramp = (struct dg_load_schedule){.start = now,
                                             .period = DG_SECOND,
                                             .count = config->ramp,
                                             .first = thread->self,
                                             .step = config->threads,
                                             .limit = wanted,
                                             .end = DG_NEVER};
    dg_load_usage_read(&thread->usage_before);
}

// What was counted until now is connecting's; counting goes on, and the difference is the load's.
static void note_tally(struct dg_load_thread *thread)
{
    for (size_t i = 0; i < DG_LOAD_TALLY_COUNT; i++)
        atomic_store_explicit(&thread->tally_before.values[i],
                              dg_load_tally_read(&thread->tally, (enum dg_load_tally_item)i), memory_order_relaxed);
}

static void begin_loading(struct dg_load_thread *thread, dg_time load_at)
{
    const struct dg_load_config *config = thread->config;
    thread->load = (struct dg_load_schedule){.start = load_at,
                                             .period = DG_SECOND,
                                             .count = config->rate,
                                             .count_from = config->rate_from,
                                             .first = thread->self,
                                             .step = config->threads,
                                             .limit = DG_LOAD_NO_LIMIT,
                                             .end = load_at + config->duration};
    if (config->every > 0) {
        thread->load.period = config->every;
        thread->load.count = thread->live;
        thread->load.first = 0;
        thread->load.step = 1;
    }
    thread->moves = thread->load;
    thread->moves.period = config->move_every;
    thread->moves.count = thread->moves.count_from = thread->moves.first = 0;
    thread->moves.step = 1;
    if (config->move_every > 0)
        thread->moves.count = thread->live;
    note_tally(thread);
    if (thread->load.count > 0) // the load's lag, not the ramp's
        dg_load_histogram_clear(&thread->times->lag);
    thread->begun_late = 0;
    dg_load_usage_read(&thread->usage_before);
}

static void note_usage(struct dg_load_thread *thread, dg_time wall)
{
    struct dg_load_usage usage;
    dg_load_usage_read(&usage);
    thread->usage = (struct dg_load_usage){.wall = wall,
                                           .cpu = dg_time_since(usage.cpu, thread->usage_before.cpu),
                                           .waited = dg_time_since(usage.waited, thread->usage_before.waited)};
}

// --- from stage to stage -----------------------------------------------------------------------------------------

static bool has_connected(const struct dg_load_thread *thread)
{
    return thread->dialling == 0 && thread->ramp.taken >= thread->ramp.limit;
}

// What was due before the end is still done after it, late as it is: leaving it out would leave out the worst.
static bool has_loaded(const struct dg_load_thread *thread, dg_time now)
{
    const struct dg_load_schedule *load = &thread->load, *moves = &thread->moves;
    if (now < load->end)
        return false;
    bool is_behind = (load->count > 0 && dg_load_schedule_next(load) != DG_NEVER) ||
                     (moves->count > 0 && dg_load_schedule_next(moves) != DG_NEVER);
    bool can_send = thread->live > 0 || thread->config->kind == DG_LOAD_HANDSHAKES;
    return !is_behind || !can_send || now >= load->end + OVERTIME;
}

// Whoever interrupts does not want to wait long for answers; those that are missing then are neither answered nor lost.
static bool has_lingered(const struct dg_load_thread *thread, dg_time now, bool is_stopped)
{
    if (is_stopped && now >= thread->load_ended_at + LINGERS_STOPPED)
        return true;
    return thread->dialling == 0 && thread->pending.open == 0;
}

static void begin_closing(struct dg_load_thread *thread, dg_time now)
{
    thread->closing = (struct dg_load_schedule){.start = now,
                                                .period = DG_SECOND,
                                                .count = CLOSED_PER_SECOND,
                                                .first = thread->self,
                                                .step = thread->config->threads,
                                                .limit = DG_LOAD_NO_LIMIT,
                                                .end = DG_NEVER};
    enter(thread, DG_LOAD_CLOSING);
}

static void end_connecting(struct dg_load_thread *thread, dg_time now)
{
    thread->connected_at = now;
    note_usage(thread, dg_time_since(now, thread->started_at));
    if (thread->config->kind == DG_LOAD_HANDSHAKES) // the one that gave the ticket
        for (uint32_t i = 0; i < thread->seats_used; i++)
            dg_load_seat_close(thread, now, i);
    if (thread->config->connect_only) {
        note_tally(thread);
        thread->load_ended_at = now;
        thread->live_at_end = thread->live;
        begin_closing(thread, now);
        return;
    }
    enter(thread, DG_LOAD_CONNECTED);
}

static void end_loading(struct dg_load_thread *thread, dg_time now, bool is_stopped)
{
    thread->load_ended_at = now;
    if (thread->load.count > 0 && !is_stopped)
        dg_load_tally_by(&thread->tally, DG_LOAD_OMITTED, dg_load_schedule_left(&thread->load));
    note_usage(thread, dg_time_since(now, atomic_load_explicit(&thread->shared->load_at, memory_order_relaxed)));
    enter(thread, DG_LOAD_LINGERING);
}

// A close_notify is not repeated: at a pace, so that the server gets them all. Returns when the next one is due.
static dg_time close_some(struct dg_load_thread *thread, dg_time now)
{
    const bool is_paced = !thread->config->leaves &&
                          !atomic_load_explicit(&thread->shared->stop, memory_order_relaxed);
    for (int i = 0; i < CLOSED_AT_ONCE && thread->closing_at < thread->seats_used; i++) {
        if (is_paced && thread->seats[thread->closing_at].id != 0) {
            dg_time due_at = dg_load_schedule_next(&thread->closing);
            if (due_at > now)
                return due_at;
            dg_load_schedule_take(&thread->closing);
        }
        dg_load_seat_close(thread, now, thread->closing_at++);
    }
    if (thread->closing_at == thread->seats_used)
        enter(thread, DG_LOAD_OVER);
    return now;
}

static void change_stage(struct dg_load_thread *thread, dg_time now)
{
    const dg_time load_at = atomic_load_explicit(&thread->shared->load_at, memory_order_relaxed);
    const bool is_stopped = atomic_load_explicit(&thread->shared->stop, memory_order_relaxed);
    switch (stage_of(thread)) {
    case DG_LOAD_CONNECTING:
        if (is_stopped) {
            thread->ramp.limit = thread->ramp.taken;
            dg_load_dialling_drop(thread);
        }
        if (has_connected(thread))
            end_connecting(thread, now);
        return;
    case DG_LOAD_CONNECTED:
        if (load_at != 0 && now >= load_at) {
            begin_loading(thread, load_at);
            enter(thread, DG_LOAD_LOADING);
        }
        return;
    case DG_LOAD_LOADING:
        if (is_stopped || has_loaded(thread, now))
            end_loading(thread, now, is_stopped);
        return;
    case DG_LOAD_LINGERING:
        if (!has_lingered(thread, now, is_stopped))
            return;
        dg_load_dialling_drop(thread);
        dg_load_talking_sum_up(thread, now);
        begin_closing(thread, now);
        return;
    case DG_LOAD_CLOSING:
    case DG_LOAD_OVER:
        return;
    }
}

// --- one turn ------------------------------------------------------------------------------------------------------

// Handshakes as load leave nothing behind. The one that gives the ticket is closed at the end of connecting.
static void close_finished(struct dg_load_thread *thread, dg_time now)
{
    if (thread->config->kind != DG_LOAD_HANDSHAKES || stage_of(thread) == DG_LOAD_CONNECTING)
        return;
    for (uint32_t i = 0; thread->live > 0 && i < thread->seats_used; i++)
        dg_load_seat_close(thread, now, i);
}

// Returns when this wants to be called again.
static dg_time do_what_is_due(struct dg_load_thread *thread, dg_time now)
{
    dg_time again = now + LOOK_PERIOD;
    switch (stage_of(thread)) {
    case DG_LOAD_CONNECTING:
        return dg_time_min(again, dg_load_dialling_begin(thread, now, &thread->ramp));
    case DG_LOAD_CONNECTED: {
        dg_time load_at = atomic_load_explicit(&thread->shared->load_at, memory_order_relaxed);
        return load_at != 0 ? dg_time_min(again, load_at) : again;
    }
    case DG_LOAD_LOADING:
        again = dg_time_min(again, dg_load_talking_move(thread, now));
        if (thread->config->kind == DG_LOAD_MESSAGES)
            return dg_time_min(again, dg_load_talking_send(thread, now));
        if (thread->config->kind == DG_LOAD_HANDSHAKES)
            return dg_time_min(again, dg_load_dialling_begin(thread, now, &thread->load));
        return again;
    case DG_LOAD_CLOSING:
        return dg_time_min(again, close_some(thread, now));
    case DG_LOAD_LINGERING:
    case DG_LOAD_OVER:
        return again;
    }
    return again;
}

static dg_time deadline_of(const struct dg_load_thread *thread, dg_time again)
{
    again = dg_time_min(again, dg_timer_heap_next(&thread->dial_timers));
    again = dg_time_min(again, dg_load_pending_deadline(&thread->pending));
    return dg_time_min(again, dg_engine_deadline(thread->engine));
}

static void receive(struct dg_load_thread *thread, dg_time now, uint32_t socket, const struct dg_received *received)
{
    uint32_t place = dg_load_place_find(&thread->places, socket, &received->path.local);
    if (place == DG_LOAD_NO_PLACE || !dg_address_equal(&received->path.peer, &thread->config->server)) {
        dg_count(thread->counters, DG_COUNT_DROP_SOURCE_IMPOSSIBLE);
        return;
    }
    const struct dg_path path = dg_load_place_path(&thread->places, place);
    if (dg_engine_receive(thread->engine, now, &path, received->data, received->size) == DG_ENGINE_UNKNOWN &&
        !dg_load_dialling_receive(thread, now, place, received->data, received->size))
        dg_count(thread->counters, DG_COUNT_DROP_NO_ASSOCIATION);
}

static void read_all(struct dg_load_thread *thread)
{
    struct dg_received *received;
    size_t count;
    uint32_t socket;
    while (dg_load_sockets_read(thread->sockets, &socket, &received, &count)) {
        const dg_time now = dg_clock_now(); // what came came by now
        for (size_t i = 0; i < count; i++)
            receive(thread, now, socket, &received[i]);
        dg_load_talking_note_answers(thread, now);
    }
}

void dg_load_thread_run(void *context)
{
    struct dg_load_thread *thread = context;
    (void)prctl(PR_SET_TIMERSLACK, 1000); // nanoseconds: a fixed rate wakes up often
    // What is due does not wait for the turn of another load on this processor; a closed loop has no such times.
    if (thread->config->rate > 0 || thread->config->every > 0)
        dg_thread_go_first();
    begin_connecting(thread, dg_clock_now());
    while (stage_of(thread) != DG_LOAD_OVER) {
        dg_time now = dg_clock_now();
        change_stage(thread, now);
        dg_time again = do_what_is_due(thread, now);
        dg_load_dialling_advance(thread, now);
        close_finished(thread, now);
        dg_engine_advance(thread->engine, now, dg_clock_wall_seconds());
        dg_load_talking_expire(thread, now);
        dg_load_sockets_flush(thread->sockets);
        dg_load_sockets_wait(thread->sockets, now, deadline_of(thread, again));
        read_all(thread);
    }
    dg_load_sockets_flush(thread->sockets);
}
