// SPDX-License-Identifier: GPL-3.0-or-later
// A run of load: its threads made, started together, watched, joined, and their results added up. Never sends.
#include "load/load.h"

#include "io/clock.h"
#include "load/progress.h"
#include "load/thread.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_DELAY (20 * DG_MILLISECOND) // until every thread has seen when the load begins
#define LOOK_PERIOD (50 * DG_MILLISECOND)

struct run {
    const struct dg_load_config *config;
    struct dg_load_shared shared;
    struct dg_load_thread *threads[DG_LOAD_THREADS_MAX];
    uint32_t count;
    struct dg_load_result *result;
    struct dg_load_progress *progress;
};

// --- while it runs -------------------------------------------------------------------------------------------

static bool all_reached(const struct run *run, enum dg_load_stage stage)
{
    for (uint32_t i = 0; i < run->count; i++)
        if (atomic_load_explicit(&run->threads[i]->stage, memory_order_acquire) < (uint32_t)stage)
            return false;
    return true;
}

static uint64_t sum_of(const struct run *run, enum dg_load_tally_item item)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < run->count; i++)
        sum += dg_load_tally_read(&run->threads[i]->tally, item);
    return sum;
}

static void begin_load_together(struct run *run, dg_time now)
{
    if (atomic_load_explicit(&run->shared.load_at, memory_order_relaxed) != 0 || !all_reached(run, DG_LOAD_CONNECTED))
        return;
    // Without a single association there is nothing to load with.
    if (run->config->kind != DG_LOAD_HANDSHAKES && sum_of(run, DG_LOAD_HANDSHAKES_DONE) == 0)
        atomic_store_explicit(&run->shared.stop, true, memory_order_relaxed);
    const dg_time load_at = now + START_DELAY;
    if (run->config->kind == DG_LOAD_MESSAGES && run->config->wants_answers)
        atomic_store_explicit(&run->shared.answered_at, load_at, memory_order_relaxed); // until the first: silence
    atomic_store_explicit(&run->shared.load_at, load_at, memory_order_relaxed);
}

static void watch(struct run *run, int stop_fd)
{
    dg_time next = dg_clock_now() + run->config->progress_every;
    while (!all_reached(run, DG_LOAD_OVER)) {
        struct pollfd fd = {.fd = stop_fd, .events = POLLIN};
        (void)poll(&fd, 1, (int)(LOOK_PERIOD / DG_MILLISECOND));
        const dg_time now = dg_clock_now();
        if ((fd.revents & POLLIN) != 0) {
            stop_fd = -1;
            run->result->is_interrupted = true;
            atomic_store_explicit(&run->shared.stop, true, memory_order_relaxed);
        }
        begin_load_together(run, now);
        if (run->config->progress_every > 0 && now >= next) {
            next += run->config->progress_every;
            dg_load_progress_tell(run->progress, now);
        }
    }
}

// --- afterwards ------------------------------------------------------------------------------------------------

static void add_reason(struct dg_load_result *result, const struct dg_load_reason *reason)
{
    for (size_t i = 0; i < DG_LOAD_REASONS_MAX && reason->count > 0; i++) {
        struct dg_load_reason *known = &result->reasons[i];
        if (known->count > 0 && (strcmp(known->why, reason->why) != 0 || known->alert != reason->alert))
            continue;
        uint64_t before = known->count;
        *known = *reason;
        known->count += before;
        return;
    }
}

static void add_times(struct dg_load_times *into, const struct dg_load_times *from)
{
    dg_load_histogram_add(&into->latency, &from->latency);
    dg_load_histogram_add(&into->handshake, &from->handshake);
    dg_load_histogram_add(&into->lag, &from->lag);
    dg_load_histogram_add(&into->wait, &from->wait);
}

static void add_tallies(struct dg_load_result *result, const struct dg_load_thread *thread)
{
    for (size_t i = 0; i < DG_LOAD_TALLY_COUNT; i++) {
        const enum dg_load_tally_item item = (enum dg_load_tally_item)i;
        uint64_t all = dg_load_tally_read(&thread->tally, item);
        dg_load_tally_by(&result->tally, item, all);
        dg_load_tally_by(&result->tally_load, item, all - dg_load_tally_read(&thread->tally_before, item));
    }
}

static void add_thread(struct dg_load_result *result, const struct dg_load_thread *thread, dg_time load_at)
{
    add_tallies(result, thread);
    add_times(result->times, thread->times);
    for (size_t i = 0; i < DG_LOAD_REASONS_MAX; i++)
        add_reason(result, &thread->reasons[i]);
    result->associations_live += thread->live_at_end;
    result->associations_unheard += thread->unheard;
    result->begun_late += thread->begun_late;
    result->receive_overflows += dg_load_sockets_overflows(thread->sockets);
    result->send_refusals += dg_counter_read(thread->counters, DG_COUNT_DROP_SEND_FULL) +
                             dg_counter_read(thread->counters, DG_COUNT_DROP_SEND_ERROR);
    dg_time connect_time = dg_time_since(thread->connected_at, thread->started_at);
    dg_time load_time = load_at != 0 ? dg_time_since(thread->load_ended_at, load_at) : 0;
    result->connect_time = connect_time > result->connect_time ? connect_time : result->connect_time;
    result->load_time = load_time > result->load_time ? load_time : result->load_time;
    result->usage[thread->self] = thread->usage;
    if (thread->silence > result->silence) {
        result->silence = thread->silence;
        result->silence_began = dg_time_since(thread->silence_began, load_at);
    }
    if (result->version == 0) {
        result->version = thread->version;
        result->has_cid = thread->has_cid;
        result->has_rrc = thread->has_rrc;
        memcpy(result->suite, thread->suite, sizeof result->suite);
    }
}

// The time without an answer that nothing has ended.
static void add_last_silence(struct dg_load_result *result, const struct dg_load_shared *shared)
{
    dg_time answered_at = atomic_load_explicit(&shared->answered_at, memory_order_relaxed);
    dg_time load_at = atomic_load_explicit(&shared->load_at, memory_order_relaxed);
    dg_time silence = dg_time_since(load_at + result->load_time, answered_at);
    if (answered_at == 0 || silence <= result->silence)
        return;
    result->silence = silence;
    result->silence_began = dg_time_since(answered_at, load_at);
}

// --- the whole ---------------------------------------------------------------------------------------------------

static bool make_threads(struct run *run, char *error, size_t error_size)
{
    while (run->count < run->config->threads) {
        struct dg_load_thread *thread = dg_load_thread_new(run->config, &run->shared, run->count, error, error_size);
        if (!thread)
            return false;
        run->threads[run->count++] = thread;
    }
    return true;
}

static bool start_threads(struct run *run, char *error, size_t error_size)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct dg_load_thread *thread = run->threads[i];
        if (dg_thread_start(&thread->thread, "load", dg_load_thread_run, thread))
            continue;
        snprintf(error, error_size, "the host allows no further thread");
        atomic_store_explicit(&run->shared.stop, true, memory_order_relaxed);
        atomic_store_explicit(&run->shared.load_at, dg_clock_now(), memory_order_relaxed);
        return false;
    }
    return true;
}

static void clear(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        dg_thread_join(&run->threads[i]->thread);
        dg_load_thread_free(run->threads[i]);
    }
    dg_load_progress_free(run->progress);
}

static bool make_result(struct run *run)
{
    run->result = calloc(1, sizeof *run->result);
    if (!run->result)
        return false;
    run->result->times = calloc(1, sizeof *run->result->times);
    run->result->samples = calloc(DG_LOAD_SAMPLES_MAX, sizeof *run->result->samples);
    return run->result->times && run->result->samples;
}

struct dg_load_result *dg_load_run(const struct dg_load_config *config, int stop_fd, char *error, size_t error_size)
{
    struct run run = {.config = config};
    snprintf(error, error_size, "memory is short");
    bool done = make_result(&run) && make_threads(&run, error, error_size);
    if (done) {
        run.progress = dg_load_progress_new(config, &run.shared, run.threads, run.result);
        done = run.progress && start_threads(&run, error, error_size);
    }
    if (done) {
        watch(&run, stop_fd);
        const dg_time load_at = atomic_load_explicit(&run.shared.load_at, memory_order_relaxed);
        for (uint32_t i = 0; i < run.count; i++) {
            dg_thread_join(&run.threads[i]->thread);
            add_thread(run.result, run.threads[i], load_at);
        }
        add_last_silence(run.result, &run.shared);
    }
    clear(&run);
    if (done)
        return run.result;
    dg_load_result_free(run.result);
    return NULL;
}

void dg_load_result_free(struct dg_load_result *result)
{
    if (!result)
        return;
    free(result->times);
    free(result->samples);
    free(result);
}
