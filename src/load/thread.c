// SPDX-License-Identifier: GPL-3.0-or-later
// One thread of load is made and freed: its sockets and places, its memory and engine. Never sends by itself.
#include "load/thread.h"

#include "base/random.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FLIGHTS_MIN 64
#define FLIGHTS_MAX (UINT32_C(1) << 18)
#define SOCKETS_MAX 16384

// --- made and freed -----------------------------------------------------------------------------------------

static bool has_spread(const struct dg_load_config *config)
{
    return dg_address_is_ipv4(&config->server) && dg_address_is_loopback(&config->server);
}

// Places that this thread's handshakes and associations need at the same time.
static uint32_t places_needed(const struct dg_load_thread *thread)
{
    const struct dg_load_config *config = thread->config;
    uint32_t holding = config->offers_cid && !has_spread(config) ? 0 : thread->seats_max;
    uint64_t needed = (uint64_t)thread->dials_max + holding + (config->move_every > 0 ? 1 : 0);
    return needed < DG_LOAD_SOURCES_MAX ? (uint32_t)needed : DG_LOAD_SOURCES_MAX;
}

static bool make_places(struct dg_load_thread *thread, char *error, size_t error_size)
{
    const struct dg_load_config *config = thread->config;
    const uint32_t needed = places_needed(thread);
    uint32_t sources = 1, sockets = config->sockets;
    struct dg_address source;
    if (has_spread(config)) {
        sockets = sockets > 0 ? sockets : 1;
        sources = config->sources > 0 ? config->sources : (needed + sockets - 1) / sockets;
    } else if (sockets == 0) {
        sockets = needed < SOCKETS_MAX ? needed : SOCKETS_MAX;
    }
    if (config->move_every > 0 && sources < 2 && sockets < 2) {
        snprintf(error, error_size, "--move needs two addresses or ports of ours at least: say --sources or --sockets");
        return false;
    }
    if (!dg_load_source_towards(&config->server, &source, error, error_size))
        return false;
    thread->sockets = dg_load_sockets_open(sockets, dg_address_is_ipv4(&config->server), thread->counters, error,
                                           error_size);
    if (!thread->sockets)
        return false;
    const uint16_t *ports = dg_load_sockets_ports(thread->sockets);
    if (dg_load_places_init(&thread->places, &config->server, &source, sources, ports, sockets))
        return true;
    snprintf(error, error_size, "%u sockets with %u source addresses each are more than memory or 2^24 allow", sockets,
             sources);
    return false;
}

static bool make_memory(struct dg_load_thread *thread)
{
    uint32_t seats = thread->seats_max;
    const struct dg_memory_shape shape = {
        .shard_count = 1,
        .slots_per_shard = seats,
        .flights_per_shard = seats < FLIGHTS_MIN ? FLIGHTS_MIN : seats < FLIGHTS_MAX ? seats : FLIGHTS_MAX,
        .cid_size = thread->config->cid_size,
    };
    thread->region_size = dg_memory_size(&shape);
    thread->region = mmap(NULL, thread->region_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (thread->region == MAP_FAILED) {
        thread->region = NULL;
        return false;
    }
    dg_secret_shield(thread->region, thread->region_size);
    dg_memory_format(&thread->memory, thread->region, thread->region_size, &shape);
    thread->seats = calloc(seats, sizeof *thread->seats);
    return thread->seats != NULL;
}

static uint8_t *reserve(void *context, size_t capacity)
{
    struct dg_load_thread *thread = context;
    return capacity <= sizeof thread->out ? thread->out : NULL;
}

// The path's local address says which place it leaves from.
static void commit(void *context, const struct dg_path *path, size_t size)
{
    struct dg_load_thread *thread = context;
    uint32_t socket = 0;
    if (thread->places.sockets > 1)
        socket = dg_load_sockets_of_port(thread->sockets, path->local.port);
    dg_load_sockets_send(thread->sockets, socket, path, thread->out, size);
}

static bool make_engine(struct dg_load_thread *thread)
{
    const struct dg_load_config *config = thread->config;
    struct dg_engine_config engine = dg_engine_config_default();
    engine.idle_timeout = engine.idle_timeout_cid = engine.maximal_age = DG_NEVER;
    engine.retransmit_initial = config->retransmit;
    engine.datagram_max = config->datagram_max;
    const struct dg_engine_hooks hooks = dg_load_talking_hooks(thread);
    const uint32_t shard = 0;
    thread->output = (struct dg_output){.context = thread, .reserve = reserve, .commit = commit};
    thread->engine = dg_engine_new(&engine, &thread->memory, &shard, 1, config->aead, &thread->output, &hooks,
                                   thread->counters);
    return thread->engine != NULL;
}

static bool make_parts(struct dg_load_thread *thread, char *error, size_t error_size)
{
    const struct dg_load_config *config = thread->config;
    const size_t line = DG_CACHE_LINE;
    snprintf(error, error_size, "memory is short for %u associations", thread->seats_max);
    thread->counters = aligned_alloc(line, (sizeof *thread->counters + line - 1) / line * line);
    thread->times = calloc(1, sizeof *thread->times);
    thread->message = malloc(config->message_bytes);
    if (!thread->counters || !thread->times || !thread->message)
        return false;
    memset(thread->counters, 0, sizeof *thread->counters);
    memset(thread->message, 'd', config->message_bytes);
    if (!dg_load_dialling_init(thread) || !dg_load_pending_init(&thread->pending, 1024) || !make_memory(thread) ||
        !make_engine(thread) || !make_places(thread, error, error_size))
        return false;
    thread->dialer = config->dialer_new(config->dialer_context, error, error_size);
    return thread->dialer != NULL;
}

struct dg_load_thread *dg_load_thread_new(const struct dg_load_config *config, struct dg_load_shared *shared,
                                          uint32_t self, char *error, size_t error_size)
{
    struct dg_load_thread *thread = calloc(1, sizeof *thread);
    snprintf(error, error_size, "memory is short");
    if (!thread)
        return NULL;
    thread->config = config;
    thread->shared = shared;
    thread->self = self;
    thread->run_id = dg_random_u64();
    thread->dials_max = (uint32_t)dg_load_share(config->handshakes_at_once, self, config->threads);
    uint32_t wanted = (uint32_t)dg_load_share(config->associations, self, config->threads);
    // Those of handshakes are closed at once, but one each may be there.
    thread->seats_max = config->kind == DG_LOAD_HANDSHAKES ? thread->dials_max + 1 : wanted;
    thread->in_flight = (uint32_t)dg_load_share(config->in_flight, self, config->threads);
    if (make_parts(thread, error, error_size))
        return thread;
    dg_load_thread_free(thread);
    return NULL;
}

void dg_load_thread_free(struct dg_load_thread *thread)
{
    if (!thread)
        return;
    dg_load_dialling_clear(thread);
    dg_engine_free(thread->engine);
    if (thread->region) // slots were wiped as they were given back; the rest was never touched
        munmap(thread->region, thread->region_size);
    dg_load_sockets_close(thread->sockets);
    dg_load_places_clear(&thread->places);
    dg_load_pending_clear(&thread->pending);
    if (thread->dialer)
        thread->config->dialer_free(thread->dialer);
    free(thread->seats);
    free(thread->counters);
    free(thread->times);
    free(thread->message);
    free(thread);
}
