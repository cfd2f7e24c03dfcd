// SPDX-License-Identifier: GPL-3.0-or-later
// Turns options into loops and backends, and hangs the log lines onto their hooks.
#include "server/server_state.h"

#include "backend/echo.h"
#include "backend/udp.h"
#include "base/log.h"
#include "crypto/wolf_aead.h"
#include "server/callback_backend.h"
#include "server/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASSEMBLY_MAX 256
#define BURST_SECONDS 2

// --- backends --------------------------------------------------------------------------------------------

bool dg_server_check_backend(struct dg_server *server, char *error, size_t error_size)
{
    const char *backend = server->options.backend;
    if (strcmp(backend, "echo") == 0)
        return true;
    if (strncmp(backend, "udp:", 4) == 0)
        return dg_backend_udp_resolve(backend + 4, &server->backend_target, error, error_size);
    if (strcmp(backend, "callback") == 0 && server->on_datagram)
        return true;
    snprintf(error, error_size, "--backend: found \"%.80s\", expected echo or udp:HOST:PORT%s", backend,
             strcmp(backend, "callback") == 0 ? " (callback is for programs that give one to dtlsgate_server_new)" : "");
    return false;
}

static struct dg_backend make_backend(void *context, const struct dg_backend_sink *sink, uint32_t worker,
                                      uint32_t worker_count, struct dg_counters *counters, char *error,
                                      size_t error_size)
{
    const struct dg_server *server = context;
    const struct dg_options *options = &server->options;
    struct dg_backend backend;
    if (strncmp(options->backend, "udp:", 4) == 0) {
        struct dg_backend_udp_config config = dg_backend_udp_config_default();
        config.target = server->backend_target;
        config.allow_beyond_loopback = options->backend_network == DG_BACKEND_NETWORK_ANY;
        config.worker = worker;
        config.worker_count = worker_count;
        config.ports =
            (struct dg_port_range){(uint16_t)options->backend_port_min, (uint16_t)options->backend_port_max};
        config.quarantine = options->backend_rest * DG_SECOND;
        config.hold = options->backend_hold * DG_SECOND;
        config.book.words = dg_memory_ports(&server->memfile.memory);
        return dg_backend_udp_new(&config, sink, counters, error, error_size);
    }
    backend = strcmp(options->backend, "echo") == 0
                  ? dg_backend_echo_new(sink)
                  : dg_backend_callback_new(sink, server->on_datagram, server->callback_context);
    if (!backend.self)
        snprintf(error, error_size, "memory is short for the backend");
    return backend;
}

// --- hooks -----------------------------------------------------------------------------------------------

static void on_failed(void *context, dg_time now, const struct dg_path *path,
                      const struct dg_handshake_failure *failure)
{
    struct dg_server *server = context;
    dg_report_refused(&server->refused, now, path, failure);
}

static void on_doubted(void *context, dg_time now, const struct dg_path *path,
                       const struct dg_handshake_failure *failure)
{
    struct dg_server *server = context;
    dg_report_doubted(&server->refused, now, path, failure);
}

static void on_datagram(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size)
{
    (void)context;
    (void)now;
    (void)data;
    dg_report_datagram("datagram", path, size);
}

static void on_gate_replaced(void *context, void *gate)
{
    (void)context;
    dg_gate_put(gate);
}

static void on_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      const struct dg_handover *handover)
{
    (void)context;
    (void)now;
    (void)slot;
    dg_report_connected(ref, handover);
}

static void on_no_room(void *context, dg_time now, const struct dg_handover *handover)
{
    static _Thread_local struct dg_report_limit limit; // each worker's
    struct dg_handshake_failure failure = {
        .counter = DG_COUNT_TABLE_FULL,
        .reason = "proven, and no place for its association: the table is full (table_full; raise --associations-max), or "
                  "its connection ID is in use (cid_collision; a longer --connection-id-length makes that rarer)",
        .identity_kind = handover->identity_kind,
        .identity_size = handover->identity_size,
        .alert_sent = 255,
        .alert_received = 255,
    };
    (void)context;
    memcpy(failure.identity, handover->identity, handover->identity_size);
    dg_report_refused(&limit, now, &handover->path, &failure);
}

static void on_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      struct dg_bytes identity, enum dg_counter reason)
{
    (void)context;
    (void)now;
    dg_report_closed(ref, slot, identity, reason);
}

static void on_moved(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                     struct dg_bytes identity, const struct dg_address *from)
{
    static _Thread_local struct dg_report_limit limit; // each worker's
    (void)context;
    dg_report_moved(&limit, now, ref, slot, identity, from);
}

static bool on_authorise(void *context, const void *gate, const struct dg_slot *slot, struct dg_bytes identity)
{
    (void)context;
    return dg_gate_knows_credential(gate, slot->identity_kind, slot->credential, identity);
}

static void on_plaintext(void *context, dg_time now, struct dg_ref ref, struct dg_bytes identity, bool is_from_client,
                         const uint8_t *data, size_t size)
{
    const struct dg_server *server = context;
    (void)now;
    dg_report_plaintext(is_from_client ? "said" : "answered", ref, identity, data, size,
                        server->options.log_contents == DG_CHOICE_YES);
}

// --- loops -----------------------------------------------------------------------------------------------

static struct dg_front_config front_config_of(const struct dg_server *server)
{
    const struct dg_options *options = &server->options;
    struct dg_front_config config = dg_front_config_default();
    config.handshakes_max = options->handshakes_max;
    config.handshakes_per_prefix = options->handshakes_prefix_max;
    config.handshake_timeout = options->handshake_timeout * DG_SECOND;
    config.reassembly_max = REASSEMBLY_MAX;
    config.admission.answers_per_prefix =
        (struct dg_bucket_rate){options->answers_rate, BURST_SECONDS * options->answers_rate};
    config.admission.answers_global =
        (struct dg_bucket_rate){options->answers_rate_global, BURST_SECONDS * options->answers_rate_global};
    config.admission.failures_per_prefix =
        (struct dg_bucket_rate){options->failures_rate, 20 * options->failures_rate};
    config.offer_cid = options->connection_id == DG_CHOICE_YES;
    config.cid_size = server->memfile.memory.shape.cid_size;
    config.own_count = options->listen.count;
    for (uint32_t i = 0; i < options->listen.count; i++)
        config.own[i] = server->sockets[0][i].address;
    return config;
}

static struct dg_engine_config engine_config_of(const struct dg_server *server)
{
    const struct dg_options *options = &server->options;
    struct dg_engine_config config = dg_engine_config_default();
    config.idle_timeout = options->idle_timeout * DG_SECOND;
    config.idle_timeout_cid = options->idle_timeout_cid * DG_SECOND;
    config.maximal_age = options->age_max ? options->age_max * DG_SECOND : DG_NEVER;
    config.datagram_max = (uint16_t)options->datagram_max;
    config.address_strict = options->address_change == DG_ADDRESS_CHANGE_STRICT;
    config.path_basic = options->rrc == DG_RRC_BASIC;
    config.path_timeout = options->path_timeout * DG_MILLISECOND;
    config.drain_per_second = (options->drain_rate + server->worker_count - 1) / server->worker_count;
    return config;
}

static bool make_front(struct dg_server *server, char *error, size_t error_size)
{
    bool debug = dg_log_enabled(DG_LOG_DEBUG);
    const struct dg_front_loop_config config = {
        .worker_count = server->worker_count,
        .mesh = server->mesh,
        .sockets = server->sockets[0],
        .socket_count = server->options.listen.count,
        .steer = server->memfile.memory.header->steer,
        .front = front_config_of(server),
        .ops = &dg_wolf_handshake,
        .gate = server->front_gate,
        .hooks = {.context = server,
                  .failed = on_failed,
                  .doubted = on_doubted,
                  .debug_datagram = debug ? on_datagram : NULL,
                  .gate_replaced = on_gate_replaced},
        .counters = server->counters[DG_MESH_FRONT],
    };
    server->front = dg_front_loop_new(&config, error, error_size);
    return server->front != NULL;
}

static bool make_worker(struct dg_server *server, uint32_t worker, char *error, size_t error_size)
{
    bool debug = dg_log_enabled(DG_LOG_DEBUG);
    const struct dg_worker_loop_config config = {
        .worker = worker,
        .worker_count = server->worker_count,
        .mesh = server->mesh,
        .sockets = server->sockets[1 + worker],
        .socket_count = server->options.listen.count,
        .memory = &server->memfile.memory,
        .aead = &dg_wolf_aead,
        .engine = engine_config_of(server),
        .backend = {.context = server, .make = make_backend},
        .hooks = {.context = server,
                  .opened = on_opened,
                  .no_room = on_no_room,
                  .closed = on_closed,
                  .moved = on_moved,
                  .authorise = on_authorise,
                  .policy_replaced = on_gate_replaced,
                  .debug_datagram = debug ? on_datagram : NULL,
                  .debug_plaintext = debug ? on_plaintext : NULL},
        .counters = server->counters[dg_mesh_worker(worker)],
        .policy = dg_gate_get(server->gate),
        .policy_generation = server->policy_generation,
    };
    server->workers[worker] = dg_worker_loop_new(&config, error, error_size);
    if (!server->workers[worker])
        dg_gate_put(server->gate);
    return server->workers[worker] != NULL;
}

bool dg_server_make_loops(struct dg_server *server, char *error, size_t error_size)
{
    bool done = make_front(server, error, error_size);
    for (uint32_t i = 0; done && i < server->worker_count; i++)
        done = make_worker(server, i, error, error_size);
    return done;
}
