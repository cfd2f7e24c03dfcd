// SPDX-License-Identifier: GPL-3.0-or-later
// The turns of a worker: sockets first, each batch answered before the next is read, then the backend, then
// bounded messages, then timers. Every datagram ends in the engine, at another thread, or counted.
#include "io/worker_state.h"

#include "base/secret.h"
#include "core/ahead.h"
#include "io/clock.h"
#include "io/crash_note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How many datagrams before it is taken the rest of a datagram's slot is asked for: some microseconds, longer than
// memory takes, and no more than the nearest cache holds.
#define AHEAD 8
// A socket that takes nothing more must not keep the next process waiting.
#define KEEP_PATIENCE (200 * DG_MILLISECOND)
#define DRAIN_MESSAGE_TURNS 16 // a flood must not keep a worker from ending

// --- making and freeing ----------------------------------------------------------------------------------

// False: memory is short for what its rules count.
static bool use_rules(struct dg_worker_loop *loop)
{
    const struct dg_worker_hooks *hooks = &loop->config.hooks;
    loop->rules = hooks->rules != NULL ? hooks->rules(hooks->context, loop->policy) : NULL;
    return dg_engine_set_rules(loop->engine, loop->rules);
}

struct dg_worker_loop *dg_worker_loop_new(const struct dg_worker_loop_config *config, char *error, size_t error_size)
{
    struct dg_worker_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        snprintf(error, error_size, "memory is short for a worker");
        return NULL;
    }
    loop->config = *config;
    loop->policy = config->policy;
    loop->steer = config->memory->header->steer;
    loop->loop.epoll_fd = -1;
    if (!dg_loop_init(&loop->loop, config->mesh, dg_mesh_worker(config->worker), config->sockets,
                      config->socket_count, config->counters, error, error_size)) {
        dg_worker_loop_free(loop);
        return NULL;
    }
    loop->engine = dg_worker_new_engine(loop);
    if (loop->engine == NULL || !use_rules(loop)) {
        snprintf(error, error_size, "memory is short for a worker's shards");
        dg_worker_loop_free(loop);
        return NULL;
    }
    loop->limits = (struct dg_worker_limits){.tally = config->tally,
                                             .loop = &loop->loop,
                                             .engine = loop->engine,
                                             .worker = config->worker,
                                             .worker_count = config->worker_count};
    const struct dg_worker_backend_hooks backend_hooks = {
        .context = config->hooks.context,
        .backends_of = config->hooks.backends_of,
        .backend_of = config->hooks.backend_of,
        .name = config->hooks.name,
        .trouble = config->hooks.backend_trouble,
        .debug_plaintext = config->hooks.debug_plaintext,
    };
    dg_worker_backends_init(&loop->backends, &config->backend, &backend_hooks, &loop->loop, loop->engine,
                            config->worker, config->worker_count);
    if (!dg_worker_backends_use(&loop->backends, loop->policy, error, error_size)) {
        dg_worker_loop_free(loop);
        return NULL;
    }
    dg_engine_set_policy_generation(loop->engine, config->policy_generation);
    atomic_store_explicit(&loop->policy_generation, config->policy_generation, memory_order_relaxed);
    return loop;
}

void dg_worker_loop_free(struct dg_worker_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->engine != NULL) {
        dg_engine_free(loop->engine);
    }
    dg_worker_backends_clear(&loop->backends);
    dg_loop_clear(&loop->loop);
    free(loop);
}

bool dg_worker_loop_has_turned(struct dg_worker_loop *loop, uint64_t *turns)
{
    return dg_loop_has_turned(&loop->loop, turns);
}

void dg_worker_loop_stop(struct dg_worker_loop *loop, enum dg_stop how) { dg_loop_stop(&loop->loop, how); }

bool dg_worker_loop_is_holding(const struct dg_worker_loop *loop)
{
    return atomic_load_explicit(&loop->is_holding, memory_order_acquire);
}

void *dg_worker_loop_set_policy(struct dg_worker_loop *loop, void *policy)
{
    return atomic_exchange_explicit(&loop->next_policy, policy, memory_order_acq_rel);
}

uint32_t dg_worker_loop_policy_generation(const struct dg_worker_loop *loop)
{
    return atomic_load_explicit(&loop->policy_generation, memory_order_acquire);
}

void *dg_worker_loop_policy(const struct dg_worker_loop *loop) { return loop->policy; }

size_t dg_worker_loop_live(const struct dg_worker_loop *loop) { return dg_engine_live(loop->engine); }

// --- datagrams -------------------------------------------------------------------------------------------

// What becomes of a datagram that ends here; nothing of a rest, whose datagram has been counted.
static void count_end(struct dg_worker_loop *loop, enum dg_engine_verdict verdict, bool is_rest)
{
    if (is_rest) {
        return;
    }
    if (verdict == DG_ENGINE_OPENED) {
        dg_count(loop->loop.counters, DG_COUNT_DATAGRAMS_OPENED);
    } else {
        dg_datagram_dropped(loop->loop.counters);
    }
}

static void take_datagram(struct dg_worker_loop *loop, dg_time now, const struct dg_path *path,
                          enum dg_datagram_errand errand, bool is_rest, uint8_t *data, size_t size)
{
    dg_datagram_begin(loop->loop.counters);
    enum dg_engine_verdict verdict = dg_engine_receive(loop->engine, now, path, data, size);
    if (verdict == DG_ENGINE_UNKNOWN && errand != DG_ERRAND_FORWARDED) {
        dg_loop_pass_on(&loop->loop, DG_MESH_FRONT, path, DG_ERRAND_UNKNOWN, is_rest, data, size);
        return;
    }
    if (verdict == DG_ENGINE_UNKNOWN) {
        dg_count(loop->loop.counters, DG_COUNT_DROP_NO_ASSOCIATION); // the front does not know it either
    }
    count_end(loop, verdict, is_rest);
}

static void serve_messages(struct dg_worker_loop *loop, dg_time now);

// A record of the handshake's last moment may be here before we have looked at its hand-over.
static void take_own(struct dg_worker_loop *loop, dg_time now, const struct dg_received *received)
{
    const struct dg_path *path = &received->path;
    dg_datagram_begin(loop->loop.counters);
    enum dg_engine_verdict verdict = dg_engine_receive(loop->engine, now, path, received->data, received->size);
    if (verdict != DG_ENGINE_UNKNOWN) {
        count_end(loop, verdict, false);
        return;
    }
    if (!dg_mesh_is_empty(loop->loop.mesh, loop->loop.self)) {
        serve_messages(loop, now);
        take_datagram(loop, now, path, DG_ERRAND_MISROUTED, false, received->data, received->size);
        return;
    }
    dg_loop_pass_on(&loop->loop, DG_MESH_FRONT, path, DG_ERRAND_UNKNOWN, false, received->data, received->size);
}

// A handshake is under way at this peer: what its old association cannot open may be the new one's. The copy is
// needed because a record is opened in place.
static void take_contested(struct dg_worker_loop *loop, dg_time now, const struct dg_received *received)
{
    DG_BUG_UNLESS(received->size <= sizeof loop->contested);
    memcpy(loop->contested, received->data, received->size);
    if (dg_engine_receive(loop->engine, now, &received->path, received->data, received->size) == DG_ENGINE_OPENED) {
        count_end(loop, DG_ENGINE_OPENED, false);
        return;
    }
    dg_loop_pass_on(&loop->loop, DG_MESH_FRONT, &received->path, DG_ERRAND_UNKNOWN, false, loop->contested,
                    received->size);
}

static void take_from_socket(struct dg_worker_loop *loop, dg_time now, const struct dg_received *received)
{
    if (loop->config.hooks.debug_datagram != NULL) {
        loop->config.hooks.debug_datagram(loop->config.hooks.context, now, &received->path, received->data,
                                          received->size);
    }
    uint32_t shard = dg_steer_datagram(&loop->steer, &received->path.peer, received->data, received->size);
    uint32_t owner = shard == DG_STEER_FRONT
                         ? DG_MESH_FRONT
                         : dg_mesh_worker(dg_steer_worker(shard, loop->config.worker_count));
    if (owner == loop->loop.self) {
        if (dg_mesh_is_contested(loop->loop.mesh, &received->path.peer, now)) {
            take_contested(loop, now, received);
        } else {
            take_own(loop, now, received);
        }
        return;
    }
    dg_count(loop->loop.counters, DG_COUNT_MISROUTED);
    dg_loop_pass_on(&loop->loop, owner, &received->path, DG_ERRAND_MISROUTED, false, received->data,
                    received->size);
}

static void take_datagrams(void *context, dg_time now, const struct dg_received *received, size_t count)
{
    struct dg_worker_loop *loop = context;
    // A hand-over is put before the handshake's last flight goes out: it comes before what answers that.
    if (!dg_mesh_is_empty(loop->loop.mesh, loop->loop.self)) {
        serve_messages(loop, now);
    }
    struct dg_ahead ahead[DG_RECEIVE_BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        ahead[i] = (struct dg_ahead){.path = &received[i].path, .data = received[i].data, .size = received[i].size};
    }
    dg_ahead_batch(loop->engine, ahead, count);
    for (size_t i = 0; i < count + AHEAD; i++) {
        if (i < count) {
            dg_ahead_slot(&ahead[i]);
        }
        if (i >= AHEAD) {
            take_from_socket(loop, now, &received[i - AHEAD]);
            if (!dg_engine_is_found(loop->engine)) {
                dg_loop_flush(&loop->loop); // the next one may take milliseconds
            }
        }
    }
    dg_worker_backends_flush(&loop->backends, now);
}

void dg_worker_loop_take(struct dg_worker_loop *loop, const struct dg_received *received)
{
    take_from_socket(loop, dg_clock_now(), received);
    dg_loop_flush(&loop->loop);
}

// --- messages --------------------------------------------------------------------------------------------

// A later message may have brought a newer policy than this one was put for: then there is nothing left to take.
static bool is_newer(const struct dg_worker_loop *loop, uint32_t generation)
{
    uint32_t current = atomic_load_explicit(&loop->policy_generation, memory_order_relaxed);
    return (int32_t)(generation - current) > 0;
}

// The newest policy, with its own generation, whichever message is read first.
static void take_policy(struct dg_worker_loop *loop, uint32_t generation)
{
    void *policy = atomic_exchange_explicit(&loop->next_policy, NULL, memory_order_acq_rel);
    if (policy == NULL && !is_newer(loop, generation)) {
        return;
    }
    if (policy != NULL) {
        void *before = loop->policy;
        loop->policy = policy;
        (void)use_rules(loop); // where memory is short, what rated rules allow is dropped
        if (loop->config.hooks.policy_taken != NULL) {
            generation = loop->config.hooks.policy_taken(loop->config.hooks.context, policy, &loop->config.engine);
            dg_engine_set_config(loop->engine, &loop->config.engine);
        }
        char error[256]; // what could not be made is tried again, and said, when it is wanted
        (void)dg_worker_backends_use(&loop->backends, policy, error, sizeof error);
        if (loop->config.hooks.policy_replaced != NULL) {
            loop->config.hooks.policy_replaced(loop->config.hooks.context, before);
        }
    }
    dg_engine_set_policy_generation(loop->engine, generation);
    atomic_store_explicit(&loop->policy_generation, generation, memory_order_release);
}

// The front lets in by a new policy whoever comes, though this worker was late and has not read yet that there is one.
static void take_newest_policy(struct dg_worker_loop *loop)
{
    bool is_late = atomic_load_explicit(&loop->next_policy, memory_order_relaxed) != NULL;
    if (is_late && loop->config.hooks.policy_taken != NULL) {
        take_policy(loop, atomic_load_explicit(&loop->policy_generation, memory_order_relaxed));
    }
}

static void take_handover(struct dg_worker_loop *loop, dg_time now, uint8_t *message, size_t size)
{
    DG_BUG_UNLESS(size >= sizeof(struct dg_handover));
    take_newest_policy(loop);
    struct dg_handover *handover = (struct dg_handover *)(void *)message; // the buffer is aligned
    const struct dg_path path = handover->path;
    bool is_open = dg_engine_take_over(loop->engine, now, handover);
    dg_wipe(handover, sizeof *handover);
    size_t at = sizeof *handover;
    while (is_open && size - at >= sizeof(uint32_t)) {
        uint32_t early_size;
        memcpy(&early_size, message + at, sizeof early_size);
        at += sizeof early_size;
        DG_BUG_UNLESS(early_size <= size - at);
        take_datagram(loop, now, &path, DG_ERRAND_FORWARDED, true, message + at, early_size);
        at += early_size;
    }
}

// One slice for the administration. Its ring has room: it asks again only when it has the answer, and counts its askers.
static void take_scan(struct dg_worker_loop *loop, dg_time now, const uint8_t *message, size_t size)
{
    struct dg_scan_request request;
    struct dg_scan_answer answer;
    DG_BUG_UNLESS(size == sizeof request);
    memcpy(&request, message, sizeof request);
    dg_engine_scan(loop->engine, now, &request, &answer);
    const struct dg_ring_part part = {&answer,
                                      offsetof(struct dg_scan_answer, rows) + answer.row_count * sizeof answer.rows[0]};
    if (!dg_mesh_put(loop->loop.mesh, loop->loop.self, dg_mesh_admin(loop->config.worker_count), DG_MESSAGE_SCANNED,
                     &part, 1)) {
        dg_count(loop->loop.counters, DG_COUNT_DROP_RING_FULL); // the asker gives up in time
    }
}

static void take_message(void *context, dg_time now, uint32_t kind, uint8_t *message, size_t size)
{
    struct dg_worker_loop *loop = context;
    switch ((enum dg_message)kind) {
    case DG_MESSAGE_DATAGRAM: {
        struct dg_message_datagram head;
        uint8_t *data;
        size_t data_size;
        DG_BUG_UNLESS(dg_loop_read_datagram(message, size, &head, &data, &data_size));
        take_datagram(loop, now, &head.path, (enum dg_datagram_errand)head.errand, head.is_rest != 0, data,
                      data_size);
        return;
    }
    case DG_MESSAGE_HANDOVER:
        take_handover(loop, now, message, size);
        return;
    case DG_MESSAGE_REPLACE_PATH: {
        struct dg_message_replace replace;
        DG_BUG_UNLESS(size == sizeof replace);
        memcpy(&replace, message, sizeof replace);
        dg_engine_replace_path(loop->engine, now, &replace.path, replace.proven_at);
        return;
    }
    case DG_MESSAGE_CLOSE_REF: {
        struct dg_message_close close;
        DG_BUG_UNLESS(size == sizeof close);
        memcpy(&close, message, sizeof close);
        dg_engine_close(loop->engine, now, close.ref, (enum dg_counter)close.reason);
        return;
    }
    case DG_MESSAGE_POLICY_GENERATION: {
        uint32_t generation;
        DG_BUG_UNLESS(size == sizeof generation);
        memcpy(&generation, message, sizeof generation);
        take_policy(loop, generation);
        return;
    }
    case DG_MESSAGE_SCAN:
        take_scan(loop, now, message, size);
        return;
    case DG_MESSAGE_ANSWER:
        dg_worker_backends_take_answer(&loop->backends, now, message, size);
        return;
    case DG_MESSAGE_SCANNED:
        break; // the administration's alone
    }
    DG_BUG("message of unknown kind");
}

static struct dg_loop_owner owner_of(struct dg_worker_loop *loop)
{
    return (struct dg_loop_owner){.context = loop, .datagrams = take_datagrams, .message = take_message};
}

static void serve_messages(struct dg_worker_loop *loop, dg_time now)
{
    const struct dg_loop_owner owner = owner_of(loop);
    dg_loop_serve_messages(&loop->loop, now, &owner);
}

// --- the turns -------------------------------------------------------------------------------------------

static dg_time next_deadline(struct dg_worker_loop *loop)
{
    return dg_time_min(dg_engine_deadline(loop->engine), dg_worker_backends_deadline(&loop->backends));
}

static void serve_timers(struct dg_worker_loop *loop, dg_time now)
{
    if (dg_engine_deadline(loop->engine) <= now) {
        dg_engine_advance(loop->engine, now, dg_clock_wall_seconds());
    }
    dg_worker_backends_advance(&loop->backends, now);
}

static bool has_nothing_left(struct dg_worker_loop *loop)
{
    return dg_mesh_is_empty(loop->loop.mesh, loop->loop.self) && dg_send_batch_waiting(loop->loop.send) == 0;
}

// True: the thread may end.
static bool is_over(struct dg_worker_loop *loop, dg_time now)
{
    switch (dg_loop_stopping(&loop->loop)) {
    case DG_STOP_NOT:
        return false;
    case DG_STOP_GENTLY:
        if (!loop->is_draining) {
            loop->is_draining = true;
            // Hand-overs of a front that has ended already: these associations are closed like the others.
            for (int i = 0; i < DRAIN_MESSAGE_TURNS && !dg_mesh_is_empty(loop->loop.mesh, loop->loop.self); i++) {
                serve_messages(loop, now);
            }
            dg_engine_drain(loop->engine, now);
        }
        return dg_engine_live(loop->engine) == 0 && dg_send_batch_waiting(loop->loop.send) == 0;
    case DG_STOP_HOLD:
        atomic_store_explicit(&loop->is_holding, true, memory_order_release);
        return false;
    case DG_STOP_KEEP:
        if (loop->kept_until == 0) {
            loop->kept_until = now + KEEP_PATIENCE;
        }
        return has_nothing_left(loop) || now >= loop->kept_until;
    case DG_STOP_NOW:
        return true;
    }
    return true;
}

// How long a turn took, for each message that went through in it: the time is read once more, and only then.
static void time_turn(struct dg_worker_loop *loop, dg_time begun, uint64_t delivered_before, uint64_t answered_before)
{
    const struct dg_counters *counters = loop->loop.counters;
    uint64_t delivered = dg_counter_read(counters, DG_COUNT_PLAINTEXT_DELIVERED) - delivered_before;
    uint64_t answered = dg_counter_read(counters, DG_COUNT_PLAINTEXT_ANSWERED) - answered_before;
    if (loop->config.latencies == NULL || (delivered | answered) == 0) {
        return;
    }
    dg_time elapsed = dg_time_since(dg_clock_now(), begun);
    dg_latency_record(&loop->config.latencies->kinds[DG_LATENCY_TO_BACKEND], elapsed, delivered);
    dg_latency_record(&loop->config.latencies->kinds[DG_LATENCY_TO_CLIENT], elapsed, answered);
}

void dg_worker_loop_run(void *context)
{
    struct dg_worker_loop *loop = context;
    const struct dg_loop_owner owner = owner_of(loop);
    dg_crash_note_worker(loop->config.worker);
    dg_time now = dg_clock_now();
    while (!is_over(loop, now)) {
        dg_loop_wait(&loop->loop, now, next_deadline(loop));
        now = dg_clock_now();
        uint64_t delivered = dg_counter_read(loop->loop.counters, DG_COUNT_PLAINTEXT_DELIVERED);
        uint64_t answered = dg_counter_read(loop->loop.counters, DG_COUNT_PLAINTEXT_ANSWERED);
        if (!dg_worker_loop_is_holding(loop)) {
            dg_loop_serve_sockets(&loop->loop, now, &owner);
        }
        dg_worker_backends_ready(&loop->backends, now);
        serve_messages(loop, now);
        serve_timers(loop, now);
        dg_worker_backends_flush(&loop->backends, now);
        dg_loop_flush(&loop->loop);
        time_turn(loop, now, delivered, answered);
    }
    dg_loop_flush(&loop->loop);
}
