// SPDX-License-Identifier: GPL-3.0-or-later
// What a server shows over HTTP, and to whom it gives memory for it. Reads what its threads write, and locks nothing.
#include "base/log.h"
#include "host/privilege.h"
#include "io/clock.h"
#include "server/sandbox.h"
#include "server/server_state.h"

#include <stdlib.h>
#include <string.h>

#define HEALTH_PERIOD (2 * DG_SECOND) // no turn of a thread that is well takes so long

bool dg_server_make_latencies(struct dg_server *server)
{
    const size_t size = (sizeof(struct dg_latencies) + DG_CACHE_LINE - 1) / DG_CACHE_LINE * DG_CACHE_LINE;
    for (uint32_t i = 0; i < 1 + server->worker_count; i++) {
        server->latencies[i] = aligned_alloc(DG_CACHE_LINE, size);
        if (!server->latencies[i])
            return false;
        memset(server->latencies[i], 0, size);
    }
    return true;
}

void dg_server_free_latencies(struct dg_server *server)
{
    for (uint32_t i = 0; i < 1 + server->worker_count; i++)
        free(server->latencies[i]);
}

static uint64_t sum(const struct dg_server *server, enum dg_counter counter)
{
    return dg_counters_sum((const struct dg_counters *const *)server->counters, server->thread_count, counter);
}

// The counters move meanwhile: an end may be counted that was no beginning yet.
static uint64_t under_way(const struct dg_server *server)
{
    static const enum dg_counter ends[] = {DG_COUNT_HANDSHAKES_COMPLETED, DG_COUNT_HANDSHAKES_FAILED,
                                           DG_COUNT_HANDSHAKES_EXPIRED, DG_COUNT_HANDSHAKES_REPLACED,
                                           DG_COUNT_HANDSHAKES_STOPPED};
    uint64_t ended = 0;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        ended += sum(server, ends[i]);
    uint64_t begun = sum(server, DG_COUNT_HANDSHAKES_STARTED);
    return begun > ended ? begun - ended : 0;
}

// Side slots are given from the beginning of their table: up to its mark all have been in use at once, about.
static uint64_t side_slots_touched(const struct dg_memory *memory)
{
    uint64_t touched = 0;
    for (uint32_t shard = 0; shard < memory->shape.shard_count; shard++)
        touched += atomic_load_explicit(&dg_memory_shard_head(memory, shard)->flights_used, memory_order_relaxed);
    return touched;
}

static void view(void *context, struct dg_metrics *ret)
{
    const struct dg_server *server = context;
    const struct dg_memory *memory = &server->memfile.memory;
    const uint64_t shards = memory->shape.shard_count;
    *ret = (struct dg_metrics){.version = DTLSGATE_VERSION};
    for (uint32_t i = 0; i < server->thread_count; i++)
        ret->counters[ret->counter_sets++] = server->counters[i];
    for (uint32_t i = 0; i < 1 + server->worker_count; i++)
        ret->latencies[ret->latency_sets++] = server->latencies[i];
    dg_metrics_add_gauge(ret, "start_time_seconds", "when this process began to serve, in Unix time",
                         server->started_at_s);
    dg_metrics_add_gauge(ret, "ending", "1 while the server stops", server->is_ending ? 1 : 0);
    dg_metrics_add_gauge(ret, "workers", "threads that serve associations", server->worker_count);
    dg_metrics_add_gauge(ret, "associations", "associations that live, those of the process before included",
                         dg_server_associations(server));
    dg_metrics_add_gauge(ret, "associations_slots", "places for associations in the memory file",
                         shards * memory->shape.slots_per_shard);
    dg_metrics_add_gauge(ret, "handshakes_under_way", "handshakes between their valid cookie and their end", under_way(server));
    dg_metrics_add_gauge(ret, "side_slots", "places in the memory file for what associations need for a while",
                         shards * memory->shape.flights_per_shard);
    dg_metrics_add_gauge(ret, "side_slots_touched", "of these, places that have ever been in use, and not been given back", side_slots_touched(memory));
    dg_metrics_add_gauge(ret, "ring_bytes", "room for messages from one thread to another", DG_MESH_RING_BYTES);
    dg_metrics_add_gauge(ret, "ring_bytes_most", "of this, what has ever been in use at once in one ring",
                         dg_mesh_most(server->mesh));
}

// Threads that had nothing to do are woken by the question, and have turned when it is asked again a while later. The
// loops outlive the HTTP thread.
static bool is_healthy(void *context)
{
    struct dg_server *server = context;
    dg_time now = dg_clock_now();
    if (server->health_asked_at == 0 || dg_time_since(now, server->health_asked_at) >= HEALTH_PERIOD) {
        bool have_turned = dg_server_is_alive(server, &server->health);
        server->was_alive = have_turned || server->health_asked_at == 0; // at first they may not have begun
        server->health_asked_at = now;
    }
    return server->was_alive && !server->is_ending;
}

bool dg_server_bind_metrics(struct dg_server *server, char *error, size_t error_size)
{
    if (!server->options.metrics[0])
        return true;
    const struct dg_http_config config = {.address = server->options.metrics,
                                          .context = server,
                                          .view = view,
                                          .is_healthy = is_healthy,
                                          .begin = dg_privilege_begin_serving};
    server->http = dg_http_new(&config, error, error_size);
    if (server->http && dg_http_path(server->http))
        dg_server_give_to_user(&server->options, dg_http_path(server->http));
    return server->http != NULL;
}

bool dg_server_open_metrics(struct dg_server *server, char *error, size_t error_size)
{
    server->started_at_s = dg_clock_wall_seconds();
    if (!server->http)
        return true;
    if (!dg_http_start(server->http, error, error_size))
        return false;
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "metrics");
    dg_log_text(&line, "address", server->options.metrics);
    if (dg_http_port(server->http) > 0)
        dg_log_u64(&line, "port", dg_http_port(server->http));
    dg_log_end(&line);
    return true;
}

void dg_server_close_metrics(struct dg_server *server)
{
    dg_http_free(server->http);
    server->http = NULL;
}
