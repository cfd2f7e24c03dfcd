// SPDX-License-Identifier: GPL-3.0-or-later
// The turns of the front: sockets first, each batch answered before the next is read, then bounded messages,
// then timers. The only writer of hand-overs.
#include "io/front_loop.h"

#include "core/cid.h"
#include "core/wire_constants.h"
#include "io/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Paths whose old association another worker has still to be told about, kept while its ring is full. When
// these are used up no hand-over is made: RFC 9147 5.11 leaves no room for forgetting the old association.
#define REPLACEMENTS_MAX 64
// The worker takes the hand-over before what it reads from then on; a datagram may be in its hands already.
#define CONTESTED_AFTER (100 * DG_MILLISECOND)
#define REPLACEMENT_RETRY (10 * DG_MILLISECOND)

struct dg_front_loop {
    struct dg_loop loop;
    struct dg_front_loop_config config;
    struct dg_front *front;
    void *gate;              // in use
    _Atomic(void *) next_gate;
    _Atomic size_t busy; // handshakes under way, for other threads
    bool is_stopping;
    size_t replacement_count;
    struct dg_message_replace replacements[REPLACEMENTS_MAX];
};

static uint32_t thread_of(const struct dg_front_loop *loop, uint32_t shard)
{
    return dg_mesh_worker(dg_steer_worker(shard, loop->config.worker_count));
}

// --- hand-over -------------------------------------------------------------------------------------------

static bool put_replacement(struct dg_front_loop *loop, const struct dg_message_replace *message)
{
    uint32_t to = thread_of(loop, dg_steer_address_shard(&loop->config.steer, &message->path.peer));
    const struct dg_ring_part part = {message, sizeof *message};
    return dg_mesh_put(loop->loop.mesh, loop->loop.self, to, DG_MESSAGE_REPLACE_PATH, &part, 1);
}

static void put_replacements(struct dg_front_loop *loop)
{
    size_t kept = 0;
    for (size_t i = 0; i < loop->replacement_count; i++) {
        if (!put_replacement(loop, &loop->replacements[i])) {
            loop->replacements[kept++] = loop->replacements[i];
        }
    }
    loop->replacement_count = kept;
}

static bool on_hand_over(void *context, dg_time now, const struct dg_handover *handover, const struct dg_bytes *early,
                         size_t early_count)
{
    struct dg_front_loop *loop = context;
    DG_BUG_UNLESS(early_count <= DG_EARLY_MAX);
    const struct dg_steer *steer = &loop->config.steer;
    uint32_t address_thread = thread_of(loop, dg_steer_address_shard(steer, &handover->path.peer));
    uint32_t owner = handover->cid_size > 0 ? thread_of(loop, dg_cid_shard(handover->cid, steer->shard_count))
                                            : address_thread;
    if (owner != address_thread && loop->replacement_count == REPLACEMENTS_MAX) {
        return false;
    }
    uint32_t sizes[DG_EARLY_MAX];
    struct dg_ring_part parts[1 + 2 * DG_EARLY_MAX] = {{handover, sizeof *handover}};
    size_t part_count = 1;
    for (size_t i = 0; i < early_count; i++) {
        DG_BUG_UNLESS(early[i].size <= DG_DATAGRAM_MAX);
        sizes[i] = (uint32_t)early[i].size;
        parts[part_count++] = (struct dg_ring_part){&sizes[i], sizeof sizes[i]};
        parts[part_count++] = (struct dg_ring_part){early[i].data, early[i].size};
    }
    if (!dg_mesh_put_quietly(loop->loop.mesh, loop->loop.self, owner, DG_MESSAGE_HANDOVER, parts, part_count)) {
        return false;
    }
    dg_mesh_contest(loop->loop.mesh, &handover->path.peer, now + CONTESTED_AFTER);
    if (owner != address_thread) {
        // Behind those that wait, so that two for one path keep their order.
        const struct dg_message_replace message = {.path = handover->path, .proven_at = now};
        if (loop->replacement_count > 0 || !put_replacement(loop, &message)) {
            loop->replacements[loop->replacement_count++] = message;
        }
    }
    return true;
}

// --- datagrams -------------------------------------------------------------------------------------------

// The shard that a protected record names, handshake epochs included, which dg_steer_datagram leaves to us.
static uint32_t named_shard(const struct dg_front_loop *loop, const struct dg_path *path, const uint8_t *data,
                            size_t size)
{
    const struct dg_steer *steer = &loop->config.steer;
    size_t cid_at = 0;
    if (size > 0 && data[0] == DG_CONTENT_TLS12_CID) {
        cid_at = DG_RECORD12_CID_OFFSET;
    } else if (size > 0 && (data[0] & (DG_UNIFIED_FIXED_MASK | DG_UNIFIED_CID)) == (DG_UNIFIED_FIXED | DG_UNIFIED_CID)) {
        cid_at = 1;
    }
    if (cid_at > 0 && size >= cid_at + steer->cid_size) {
        return dg_cid_shard(data + cid_at, steer->shard_count);
    }
    return dg_steer_address_shard(steer, &path->peer);
}

static void on_forward(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size,
                       bool is_rest)
{
    struct dg_front_loop *loop = context;
    (void)now;
    dg_loop_pass_on(&loop->loop, thread_of(loop, named_shard(loop, path, data, size)), path, DG_ERRAND_FORWARDED, is_rest,
                    data, size);
}

static void on_started(void *context, dg_time now, const struct dg_path *path)
{
    struct dg_front_loop *loop = context;
    dg_mesh_contest(loop->loop.mesh, &path->peer, now + loop->config.front.handshake_timeout);
}

static void on_failed(void *context, dg_time now, const struct dg_path *path,
                      const struct dg_handshake_failure *failure)
{
    struct dg_front_loop *loop = context;
    if (loop->config.hooks.failed != NULL) {
        loop->config.hooks.failed(loop->config.hooks.context, now, path, failure);
    }
}

static void on_doubted(void *context, dg_time now, const struct dg_path *path,
                       const struct dg_handshake_failure *failure)
{
    struct dg_front_loop *loop = context;
    if (loop->config.hooks.doubted != NULL) {
        loop->config.hooks.doubted(loop->config.hooks.context, now, path, failure);
    }
}

static void on_refused(void *context, dg_time now, const struct dg_path *path, enum dg_counter reason)
{
    struct dg_front_loop *loop = context;
    if (loop->config.hooks.refused != NULL) {
        loop->config.hooks.refused(loop->config.hooks.context, now, path, reason);
    }
}

static void on_timed(void *context, const struct dg_handover *handover, dg_time elapsed)
{
    struct dg_front_loop *loop = context;
    static const enum dg_latency_kind kinds[2][2] = {{DG_LATENCY_HANDSHAKE12, DG_LATENCY_HANDSHAKE12_RESUMED},
                                                     {DG_LATENCY_HANDSHAKE13, DG_LATENCY_HANDSHAKE13_RESUMED}};
    if (loop->config.latencies != NULL) {
        dg_latency_record(&loop->config.latencies->kinds[kinds[handover->version == 13][handover->resumed != 0]], elapsed, 1);
    }
}

static void take_from_socket(struct dg_front_loop *loop, dg_time now, const struct dg_received *received)
{
    if (loop->config.hooks.debug_datagram != NULL) {
        loop->config.hooks.debug_datagram(loop->config.hooks.context, now, &received->path, received->data,
                                          received->size);
    }
    uint32_t shard = dg_steer_datagram(&loop->config.steer, &received->path.peer, received->data, received->size);
    if (shard == DG_STEER_FRONT) {
        dg_front_receive(loop->front, now, &received->path, received->data, received->size, false);
        return;
    }
    dg_count(loop->loop.counters, DG_COUNT_MISROUTED);
    dg_loop_pass_on(&loop->loop, thread_of(loop, shard), &received->path, DG_ERRAND_MISROUTED, false,
                    received->data, received->size);
}

static void take_datagrams(void *context, dg_time now, const struct dg_received *received, size_t count)
{
    struct dg_front_loop *loop = context;
    for (size_t i = 0; i < count; i++) {
        take_from_socket(loop, now, &received[i]);
    }
}

// --- messages --------------------------------------------------------------------------------------------

static void take_message(void *context, dg_time now, uint32_t kind, uint8_t *message, size_t size)
{
    DG_BUG_UNLESS(kind == DG_MESSAGE_DATAGRAM);
    struct dg_message_datagram head;
    uint8_t *data;
    size_t data_size;
    DG_BUG_UNLESS(dg_loop_read_datagram(message, size, &head, &data, &data_size));
    struct dg_front_loop *loop = context;
    dg_front_receive(loop->front, now, &head.path, data, data_size, head.errand == DG_ERRAND_UNKNOWN);
}

// --- making and freeing ----------------------------------------------------------------------------------

struct dg_front_loop *dg_front_loop_new(const struct dg_front_loop_config *config, char *error, size_t error_size)
{
    struct dg_front_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        snprintf(error, error_size, "memory is short for the front");
        return NULL;
    }
    loop->config = *config;
    loop->gate = config->gate;
    loop->loop.epoll_fd = -1;
    atomic_init(&loop->next_gate, NULL);
    if (!dg_loop_init(&loop->loop, config->mesh, DG_MESH_FRONT, config->sockets, config->socket_count,
                      config->counters, error, error_size)) {
        dg_front_loop_free(loop);
        return NULL;
    }
    const struct dg_front_hooks hooks = {.context = loop,
                                         .hand_over = on_hand_over,
                                         .forward = on_forward,
                                         .failed = on_failed,
                                         .doubted = on_doubted,
                                         .refused = on_refused,
                                         .timed = on_timed,
                                         .started = on_started};
    const struct dg_output output = dg_send_batch_output(loop->loop.send);
    loop->front = dg_front_new(&config->front, config->ops, config->gate, &output, &hooks, config->counters);
    if (loop->front == NULL) {
        snprintf(error, error_size, "memory is short for the front's tables");
        dg_front_loop_free(loop);
        return NULL;
    }
    return loop;
}

void dg_front_loop_free(struct dg_front_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->front != NULL) {
        dg_front_free(loop->front);
    }
    dg_loop_clear(&loop->loop);
    free(loop);
}

bool dg_front_loop_has_turned(struct dg_front_loop *loop, uint64_t *turns)
{
    return dg_loop_has_turned(&loop->loop, turns);
}

void dg_front_loop_stop(struct dg_front_loop *loop, enum dg_stop how) { dg_loop_stop(&loop->loop, how); }

void *dg_front_loop_set_gate(struct dg_front_loop *loop, void *gate)
{
    void *unused = atomic_exchange_explicit(&loop->next_gate, gate, memory_order_acq_rel);
    dg_wake_surely(dg_mesh_wake(loop->loop.mesh, loop->loop.self));
    return unused;
}

void *dg_front_loop_gate(const struct dg_front_loop *loop) { return loop->gate; }

size_t dg_front_loop_busy(const struct dg_front_loop *loop)
{
    return atomic_load_explicit(&loop->busy, memory_order_relaxed);
}

// --- the turns -------------------------------------------------------------------------------------------

static void take_gate(struct dg_front_loop *loop)
{
    if (atomic_load_explicit(&loop->next_gate, memory_order_relaxed) == NULL) {
        return;
    }
    void *gate = atomic_exchange_explicit(&loop->next_gate, NULL, memory_order_acq_rel);
    void *before = loop->gate;
    dg_front_set_gate(loop->front, gate);
    loop->gate = gate;
    if (loop->config.hooks.gate_taken != NULL) {
        loop->config.hooks.gate_taken(loop->config.hooks.context, gate, &loop->config.front);
        dg_front_set_config(loop->front, &loop->config.front);
    }
    if (loop->config.hooks.gate_replaced != NULL) {
        loop->config.hooks.gate_replaced(loop->config.hooks.context, before);
    }
}

static bool is_over(struct dg_front_loop *loop)
{
    switch (dg_loop_stopping(&loop->loop)) {
    case DG_STOP_NOT:
        return false;
    case DG_STOP_GENTLY:
        if (!loop->is_stopping) {
            loop->is_stopping = true;
            dg_front_stop(loop->front);
        }
        return dg_front_busy(loop->front) == 0 && loop->replacement_count == 0 &&
               dg_send_batch_waiting(loop->loop.send) == 0;
    case DG_STOP_HOLD:
    case DG_STOP_KEEP:
    case DG_STOP_NOW:
        return true;
    }
    return true;
}

static dg_time next_deadline(struct dg_front_loop *loop, dg_time now)
{
    dg_time deadline = dg_front_deadline(loop->front);
    return loop->replacement_count > 0 ? dg_time_min(deadline, now + REPLACEMENT_RETRY) : deadline;
}

void dg_front_loop_run(void *context)
{
    struct dg_front_loop *loop = context;
    const struct dg_loop_owner owner = {.context = loop, .datagrams = take_datagrams, .message = take_message};
    dg_time now = dg_clock_now();
    while (!is_over(loop)) {
        dg_loop_wait(&loop->loop, now, next_deadline(loop, now));
        now = dg_clock_now();
        take_gate(loop);
        dg_loop_serve_sockets(&loop->loop, now, &owner);
        dg_loop_serve_messages(&loop->loop, now, &owner);
        put_replacements(loop);
        if (dg_front_deadline(loop->front) <= now) {
            dg_front_advance(loop->front, now);
        }
        atomic_store_explicit(&loop->busy, dg_front_busy(loop->front), memory_order_relaxed);
        dg_loop_flush(&loop->loop);
    }
    dg_front_give_up(loop->front);
    dg_loop_flush(&loop->loop);
}
