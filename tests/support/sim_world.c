// SPDX-License-Identifier: GPL-3.0-or-later
// The simulated server and its time: what front_loop.c and worker_loop.c do, with virtual rings in place of
// threads. Decides no protocol question.
#include "support/sim_world.h"

#include "backend/echo.h"
#include "base/secret.h"
#include "check.h"
#include "core/wire_constants.h"
#include "support/sim_audit.h"
#include "support/sim_balance.h"
#include "support/sim_books.h"
#include "support/sim_clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STEPS_AT_ONE_TIME 100000 // more: something asks for the clock again and again

enum message_kind { TO_FRONT_UNKNOWN, TO_FRONT_MISROUTED, TO_WORKER, TO_WORKER_FORWARDED, HANDOVER, REPLACE_PATH };

struct sim_message {
    struct sim_message *next;
    enum message_kind kind;
    dg_time due;
    uint32_t worker;
    struct dg_path path;
    size_t size;
    size_t early_sizes[DG_EARLY_MAX];
    size_t early_count;
    bool is_rest; // of a datagram that the front has counted
    _Alignas(16) uint8_t bytes[];
};

struct sim_config sim_config_default(uint64_t seed)
{
    return (struct sim_config){
        .seed = seed,
        .workers = 2,
        .shape = {.shard_count = 16, .slots_per_shard = 256, .flights_per_shard = 256, .cid_size = DG_CID_SIZE_DEFAULT},
        .front = dg_front_config_default(),
        .engine = dg_engine_config_default(),
        .aead = &sim_audit_wolf,
        .hosts_max = 4096,
        .ring_delay = 10 * DG_MICROSECOND,
    };
}

static void *must_have(void *memory)
{
    DG_BUG_UNLESS(memory != NULL);
    return memory;
}

static struct dg_address address_of(const char *text)
{
    struct dg_address address;
    DG_BUG_UNLESS(dg_address_parse(text, &address));
    return address;
}

static struct dg_address server_address(bool is_ipv4)
{
    return address_of(is_ipv4 ? "192.0.2.1:5684" : "[2001:db8::1]:5684");
}

// --- hosts -----------------------------------------------------------------------------------------------

uint32_t sim_host_add(struct sim_world *world, const struct sim_endpoint *endpoint)
{
    DG_BUG_UNLESS(world->host_count < world->config.hosts_max);
    world->hosts[world->host_count] = *endpoint;
    return world->host_count++;
}

// Every fourth speaks IPv6.
struct dg_address sim_host_address(const struct sim_world *world, uint32_t host)
{
    (void)world;
    struct dg_address address = address_of(host % 4 == 3 ? "[2001:db8:1::]:40000" : "10.0.0.0:40000");
    if (host % 4 == 3) {
        address.ip[5] = (uint8_t)(1 + host % 7); // several /64
    }
    address.ip[13] = (uint8_t)(host >> 16);
    address.ip[14] = (uint8_t)(host >> 8);
    address.ip[15] = (uint8_t)host;
    return address;
}

uint32_t sim_host_at(const struct sim_world *world, const struct dg_address *address)
{
    uint32_t host = (uint32_t)address->ip[13] << 16 | (uint32_t)address->ip[14] << 8 | address->ip[15];
    struct dg_address own = sim_host_address(world, host);
    return host < world->host_count && dg_address_equal(&own, address) ? host : UINT32_MAX;
}

// DG_SIM_TRACE=host: each of its datagrams as the network gets it, for whoever looks for the cause.
static void trace(const struct sim_world *world, const char *way, uint32_t host, const uint8_t *data, size_t size)
{
    const char *wanted = getenv("DG_SIM_TRACE");
    if (wanted == NULL || strtoul(wanted, NULL, 10) != host) {
        return;
    }
    fprintf(stderr, "%.3f %s %zu:", (double)world->now / 1e9, way, size);
    for (size_t i = 0; i < size && i < 28; i++) {
        fprintf(stderr, "%s%02x", i == 1 || i == 3 || i == 11 || i == 13 ? " " : "", data[i]);
    }
    fputc('\n', stderr);
}

void sim_host_set_timer(struct sim_world *world, uint32_t host, dg_time at)
{
    dg_timer_heap_set(&world->timers, host, at);
}

void sim_host_send(struct sim_world *world, uint32_t host, const uint8_t *data, size_t size)
{
    struct dg_address from = sim_host_address(world, host);
    struct dg_address to = server_address(dg_address_is_ipv4(&from));
    if (world->filter != NULL && !world->filter(world->filter_context, NETSIM_TO_SERVER, &from, data, size)) {
        return;
    }
    trace(world, "client", host, data, size);
    netsim_send(world->net, world->now, NETSIM_TO_SERVER, &from, &to, data, size);
}

void sim_world_inject(struct sim_world *world, const struct dg_address *from, const uint8_t *data, size_t size)
{
    struct dg_address to = server_address(dg_address_is_ipv4(from));
    netsim_send(world->net, world->now, NETSIM_TO_SERVER, from, &to, data, size);
}

// --- what goes out ---------------------------------------------------------------------------------------

static uint8_t *reserve(void *context, size_t capacity)
{
    struct sim_world *world = context;
    DG_BUG_UNLESS(capacity <= sizeof world->room);
    return world->room;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    struct sim_world *world = context;
    if (size == 0) {
        sim_violation(world, "an empty datagram went out");
        return;
    }
    if (world->filter != NULL &&
        !world->filter(world->filter_context, NETSIM_TO_CLIENT, &path->peer, world->room, size)) {
        return;
    }
    trace(world, "server", sim_host_at(world, &path->peer), world->room, size);
    netsim_send(world->net, world->now, NETSIM_TO_CLIENT, &path->local, &path->peer, world->room, size);
}

static void front_commit(void *context, const struct dg_path *path, size_t size)
{
    sim_books_front_sent(context, path, size);
    commit(context, path, size);
}

// --- rings -----------------------------------------------------------------------------------------------

static struct sim_message *message_new(struct sim_world *world, enum message_kind kind, uint32_t worker,
                                       const struct dg_path *path, const void *data, size_t size, size_t more)
{
    struct sim_message *message = must_have(calloc(1, sizeof *message + size + more));
    message->kind = kind;
    message->due = world->now + world->config.ring_delay;
    message->worker = worker;
    message->path = *path;
    message->size = size;
    memcpy(message->bytes, data, size);
    if (world->last_message != NULL) {
        world->last_message->next = message;
    } else {
        world->first_message = message;
    }
    world->last_message = message;
    return message;
}

static struct sim_message *message_take(struct sim_world *world)
{
    struct sim_message *message = world->first_message;
    if (message == NULL || message->due > world->now) {
        return NULL;
    }
    world->first_message = message->next;
    if (world->first_message == NULL) {
        world->last_message = NULL;
    }
    return message;
}

static void message_free(struct sim_message *message)
{
    free(message); // wiped by who used it
}

// --- front -----------------------------------------------------------------------------------------------

static uint32_t worker_of(const struct sim_world *world, uint32_t shard)
{
    return dg_steer_worker(shard, world->config.workers);
}

static const struct dg_steer *steer_of(const struct sim_world *world) { return &world->memory.header->steer; }

static bool on_hand_over(void *context, dg_time now, const struct dg_handover *handover, const struct dg_bytes *early,
                         size_t early_count)
{
    struct sim_world *world = context;
    (void)now;
    if (test_random_permille(&world->random, world->config.ring_full)) {
        world->refused_by_ring++;
        return false;
    }
    sim_books_handed_over(world, handover);
    uint32_t by_address = worker_of(world, dg_steer_address_shard(steer_of(world), &handover->path.peer));
    uint32_t owner = handover->cid_size > 0
                         ? worker_of(world, dg_cid_shard(handover->cid, steer_of(world)->shard_count))
                         : by_address;
    size_t more = 0;
    for (size_t i = 0; i < early_count; i++) {
        more += early[i].size;
    }
    struct sim_message *message =
        message_new(world, HANDOVER, owner, &handover->path, handover, sizeof *handover, more);
    uint8_t *at = message->bytes + sizeof *handover;
    for (size_t i = 0; i < early_count; i++) {
        memcpy(at, early[i].data, early[i].size);
        message->early_sizes[message->early_count++] = early[i].size;
        at += early[i].size;
    }
    if (owner != by_address) {
        (void)message_new(world, REPLACE_PATH, by_address, &handover->path, &world->now, sizeof world->now, 0);
    }
    return true;
}

// As named_shard of io/front_loop.c.
static uint32_t named_shard(const struct sim_world *world, const struct dg_path *path, const uint8_t *data,
                            size_t size)
{
    size_t cid_at = 0;
    if (size > 0 && data[0] == DG_CONTENT_TLS12_CID) {
        cid_at = DG_RECORD12_CID_OFFSET;
    } else if (size > 0 &&
               (data[0] & (DG_UNIFIED_FIXED_MASK | DG_UNIFIED_CID)) == (DG_UNIFIED_FIXED | DG_UNIFIED_CID)) {
        cid_at = 1;
    }
    if (cid_at > 0 && size >= cid_at + steer_of(world)->cid_size) {
        return dg_cid_shard(data + cid_at, steer_of(world)->shard_count);
    }
    return dg_steer_address_shard(steer_of(world), &path->peer);
}

static void on_forward(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size,
                       bool is_rest)
{
    struct sim_world *world = context;
    (void)now;
    uint32_t worker = worker_of(world, named_shard(world, path, data, size));
    message_new(world, TO_WORKER_FORWARDED, worker, path, data, size, 0)->is_rest = is_rest;
}

static void on_failed(void *context, dg_time now, const struct dg_path *path,
                      const struct dg_handshake_failure *failure)
{
    struct sim_world *world = context;
    (void)now;
    world->failed++;
    world->last_failure = *failure;
    if (getenv("DG_SIM_VERBOSE") != NULL) {
        char peer[DG_ADDRESS_TEXT];
        dg_address_format(&path->peer, peer);
        fprintf(stderr, "%.6f failed %s: %s alert_sent=%u alert_received=%u\n", (double)world->now / 1e9, peer,
                failure->reason, failure->alert_sent, failure->alert_received);
    }
}

// --- workers ---------------------------------------------------------------------------------------------

static void on_deliver(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                       size_t size)
{
    struct sim_worker *worker = context;
    (void)slot;
    sim_books_delivered(worker->world, ref, data, size);
    worker->backend.ops->deliver(worker->backend.self, now, ref, data, size);
}

static void on_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      const struct dg_handover *handover)
{
    struct sim_worker *worker = context;
    (void)now, (void)slot, (void)handover;
    worker->world->opened++;
    worker->world->last_opened = ref;
}

static void on_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      enum dg_counter reason)
{
    struct sim_worker *worker = context;
    if (slot->id != ref.id) {
        sim_violation(worker->world, "an association ended that the hook's slot does not hold");
    }
    worker->world->closed++;
    worker->world->closed_for[reason]++;
    worker->backend.ops->closed(worker->backend.self, now, ref);
}

static bool on_answer(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct sim_worker *worker = context;
    return dg_engine_send(worker->engine, now, ref, data, size);
}

static void on_port_changed(void *context, struct dg_ref ref, uint16_t port)
{
    struct sim_worker *worker = context;
    dg_engine_set_backend_port(worker->engine, ref, port);
}

static struct dg_bytes on_identity(void *context, struct dg_ref ref)
{
    struct sim_worker *worker = context;
    return dg_engine_identity(worker->engine, ref);
}

static void worker_start(struct sim_world *world, uint32_t number)
{
    struct sim_worker *worker = &world->workers[number];
    uint32_t shards[DG_SHARDS_MAX];
    size_t count = 0;
    for (uint32_t shard = 0; shard < world->config.shape.shard_count; shard++) {
        if (worker_of(world, shard) == number) {
            shards[count++] = shard;
        }
    }
    worker->world = world;
    worker->number = number;
    const struct dg_backend_sink sink = {
        .context = worker, .answer = on_answer, .port_changed = on_port_changed, .identity = on_identity};
    worker->backend = dg_backend_echo_new(&sink);
    DG_BUG_UNLESS(worker->backend.self != NULL);
    const struct dg_engine_hooks hooks = {
        .context = worker, .deliver = on_deliver, .opened = on_opened, .closed = on_closed};
    const struct dg_output output = {.context = world, .reserve = reserve, .commit = commit};
    worker->engine = must_have(dg_engine_new(&world->config.engine, &world->memory, shards, count,
                                             world->config.aead, &output, &hooks, &worker->counters));
}

static void worker_take(struct sim_world *world, struct sim_worker *worker, const struct dg_path *path, uint8_t *data,
                        size_t size, bool is_forwarded, bool is_rest)
{
    dg_datagram_begin(&worker->counters);
    enum dg_engine_verdict verdict = dg_engine_receive(worker->engine, world->now, path, data, size);
    if (verdict == DG_ENGINE_UNKNOWN && !is_forwarded)
        message_new(world, TO_FRONT_UNKNOWN, 0, path, data, size, 0)->is_rest = is_rest;
    else
        sim_balance_end(&worker->counters, verdict, is_rest);
}

// Gives the message's datagram at `from` in a buffer of exactly its size, so that a sanitizer sees who reads on.
static uint8_t *exact_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = must_have(malloc(size > 0 ? size : 1));
    memcpy(copy, data, size);
    return copy;
}

static void replace_path(struct sim_world *world, struct sim_worker *worker, const struct sim_message *message)
{
    dg_time proven_at;
    memcpy(&proven_at, message->bytes, sizeof proven_at);
    dg_engine_replace_path(worker->engine, world->now, &message->path, proven_at);
}

static void take_handover(struct sim_world *world, struct sim_message *message)
{
    struct sim_worker *worker = &world->workers[message->worker];
    struct dg_handover handover;
    memcpy(&handover, message->bytes, sizeof handover);
    bool is_open = dg_engine_take_over(worker->engine, world->now, &handover);
    dg_wipe(&handover, sizeof handover);
    dg_wipe(message->bytes, sizeof handover);
    const uint8_t *at = message->bytes + sizeof handover;
    for (size_t i = 0; is_open && i < message->early_count; i++) {
        uint8_t *copy = exact_copy(at, message->early_sizes[i]);
        worker_take(world, worker, &message->path, copy, message->early_sizes[i], true, true);
        at += message->early_sizes[i];
        free(copy);
    }
}

static void take_message(struct sim_world *world, struct sim_message *message)
{
    struct sim_worker *worker = &world->workers[message->worker];
    uint8_t *copy = exact_copy(message->bytes, message->size);
    switch (message->kind) {
    case TO_FRONT_UNKNOWN:
    case TO_FRONT_MISROUTED:
        dg_front_receive(world->front, world->now, &message->path, copy, message->size,
                         message->kind == TO_FRONT_UNKNOWN);
        break;
    case TO_WORKER:
    case TO_WORKER_FORWARDED:
        worker_take(world, worker, &message->path, copy, message->size, message->kind == TO_WORKER_FORWARDED,
                    message->is_rest);
        break;
    case HANDOVER:
        dg_wipe(copy, message->size);
        take_handover(world, message);
        break;
    case REPLACE_PATH:
        replace_path(world, worker, message);
        break;
    }
    free(copy);
    message_free(message);
}

// --- making and freeing ----------------------------------------------------------------------------------

struct sim_world *sim_world_new(const struct sim_config *config)
{
    sim_clock_start(config->seed);
    sim_audit_start();
    struct sim_world *world = must_have(calloc(1, sizeof *world));
    world->config = *config;
    world->now = 1000 * DG_SECOND;
    sim_clock_set(world->now);
    world->random.state = config->seed ^ UINT64_C(0x5eed);
    world->net = netsim_new(config->seed);
    world->region_size = dg_memory_size(&config->shape);
    DG_BUG_UNLESS(world->region_size > 0 && config->workers > 0 && config->workers <= SIM_WORKERS_MAX);
    world->region =
        mmap(NULL, world->region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    DG_BUG_UNLESS(world->region != MAP_FAILED);
    dg_memory_format(&world->memory, world->region, world->region_size, &config->shape);
    world->hosts = must_have(calloc(config->hosts_max, sizeof *world->hosts));
    DG_BUG_UNLESS(dg_timer_heap_init(&world->timers, config->hosts_max));
    sim_books_open(world);
    for (uint32_t i = 0; i < config->workers; i++) {
        worker_start(world, i);
    }
    return world;
}

void sim_world_open(struct sim_world *world, const struct dg_handshake_ops *ops, void *gate)
{
    const struct dg_front_hooks hooks = {
        .context = world, .hand_over = on_hand_over, .forward = on_forward, .failed = on_failed};
    const struct dg_output output = {.context = world, .reserve = reserve, .commit = front_commit};
    struct dg_front_config config = world->config.front;
    config.cid_size = world->config.shape.cid_size;
    config.own[0] = server_address(true);
    config.own[1] = server_address(false);
    config.own_count = 2;
    world->front = must_have(dg_front_new(&config, ops, gate, &output, &hooks, &world->front_counters));
}

void sim_world_close(struct sim_world *world)
{
    if (world->front != NULL)
        dg_front_give_up(world->front);
    dg_front_free(world->front);
    world->front = NULL;
}

void sim_world_free(struct sim_world *world)
{
    if (world == NULL) {
        return;
    }
    sim_world_close(world);
    for (struct sim_message *message = world->first_message, *next; message != NULL; message = next) {
        next = message->next;
        sim_balance_leftover(world, message->kind == HANDOVER, message->is_rest || message->kind == REPLACE_PATH);
        message_free(message);
    }
    sim_balance_check(world);
    for (uint32_t i = 0; i < world->config.workers; i++) {
        dg_engine_free(world->workers[i].engine);
        world->workers[i].backend.ops->free(world->workers[i].backend.self);
    }
    sim_books_close(world);
    dg_timer_heap_clear(&world->timers);
    free(world->hosts);
    netsim_free(world->net);
    (void)munmap(world->region, world->region_size);
    free(world);
    sim_audit_stop();
    sim_clock_stop();
}

// --- time ------------------------------------------------------------------------------------------------

static void take_at_server(struct sim_world *world, const struct dg_address *from, const struct dg_address *to,
                           uint8_t *data, size_t size)
{
    const struct dg_path path = {.peer = *from, .local = *to, .listener = SIM_LISTENER};
    uint32_t shard = dg_steer_datagram(steer_of(world), from, data, size);
    if (shard == DG_STEER_FRONT) {
        dg_count(&world->front_counters, DG_COUNT_DATAGRAMS_RECEIVED);
        dg_front_receive(world->front, world->now, &path, data, size, false);
    } else {
        struct sim_worker *worker = &world->workers[worker_of(world, shard)];
        dg_count(&worker->counters, DG_COUNT_DATAGRAMS_RECEIVED);
        worker_take(world, worker, &path, data, size, false, false);
    }
}

static bool take_datagram(struct sim_world *world)
{
    static uint8_t buffer[65536];
    struct dg_address from, to;
    size_t size;
    if (!netsim_receive(world->net, world->now, &from, &to, buffer, sizeof buffer, &size)) {
        return false;
    }
    uint8_t *copy = exact_copy(buffer, size);
    if (to.port == SIM_LISTENER) {
        take_at_server(world, &from, &to, copy, size);
    } else if (sim_host_at(world, &to) != UINT32_MAX) {
        const struct sim_endpoint *host = &world->hosts[sim_host_at(world, &to)];
        trace(world, "arrived", sim_host_at(world, &to), copy, size);
        host->receive(host->context, copy, size);
    }
    free(copy);
    return true;
}

static void serve(struct sim_world *world)
{
    struct sim_message *message;
    uint32_t host;
    bool more = true;
    while (more) {
        more = take_datagram(world);
        while ((message = message_take(world)) != NULL) {
            take_message(world, message);
        }
    }
    if (dg_front_deadline(world->front) <= world->now) {
        dg_front_advance(world->front, world->now);
    }
    for (uint32_t i = 0; i < world->config.workers; i++) {
        struct dg_engine *engine = world->workers[i].engine;
        if (dg_engine_deadline(engine) <= world->now) {
            dg_engine_advance(engine, world->now, sim_clock_wall_seconds());
        }
    }
    while (dg_timer_heap_pop(&world->timers, world->now, &host)) {
        world->hosts[host].timer(world->hosts[host].context);
    }
}

static dg_time next_event(const struct sim_world *world)
{
    dg_time next = dg_time_min(netsim_next(world->net), dg_timer_heap_next(&world->timers));
    next = dg_time_min(next, dg_front_deadline(world->front));
    if (world->first_message != NULL) {
        next = dg_time_min(next, world->first_message->due);
    }
    for (uint32_t i = 0; i < world->config.workers; i++) {
        next = dg_time_min(next, dg_engine_deadline(world->workers[i].engine));
    }
    return next;
}

bool sim_world_step(struct sim_world *world, dg_time limit)
{
    unsigned steps = 0;
    while (next_event(world) <= world->now) {
        if (++steps > STEPS_AT_ONE_TIME) {
            sim_violation(world, "time stands still: somebody's deadline stays in the past");
            sim_world_print(world, stderr);
            abort();
        }
        serve(world);
    }
    dg_time next = next_event(world);
    world->now = dg_time_min(next, limit);
    sim_clock_set(world->now);
    return next <= limit;
}

void sim_world_run(struct sim_world *world, dg_time duration)
{
    dg_time limit = world->now + duration;
    while (sim_world_step(world, limit)) {
    }
}
