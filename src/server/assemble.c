// SPDX-License-Identifier: GPL-3.0-or-later
// Makes the loops of front and workers, and hangs the log lines onto their hooks.
#include "server/server_state.h"

#include "base/log.h"
#include "core/wire_constants.h"
#include "crypto/wolf_aead.h"
#include "server/backend_hooks.h"
#include "server/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- hooks -----------------------------------------------------------------------------------------------

static void on_failed(void *context, dg_time now, const struct dg_path *path,
                      const struct dg_handshake_failure *failure)
{
    struct dg_server *server = context;
    dg_report_refused(&server->refused, now, path, failure);
    dg_administration_failed(server, path, failure, false);
}

static void on_hello_refused(void *context, dg_time now, const struct dg_path *path, enum dg_counter reason)
{
    (void)now;
    dg_administration_refused(context, path, reason);
}

static void on_doubted(void *context, dg_time now, const struct dg_path *path,
                       const struct dg_handshake_failure *failure)
{
    struct dg_server *server = context;
    dg_report_doubted(&server->refused, now, path, failure);
    dg_administration_failed(server, path, failure, false);
}

static void on_datagram(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size)
{
    (void)context;
    (void)now;
    (void)data;
    dg_report_datagram("datagram", path, size);
}

static void on_replaced(void *context, void *snapshot)
{
    (void)context;
    dg_snapshot_put(snapshot);
}

static void on_front_replaced(void *context, void *snapshot)
{
    struct dg_server *server = context;
    dg_snapshot_put(snapshot);
    atomic_store_explicit(&server->front_generation, server->front_takes, memory_order_release);
}

static void on_front_taken(void *context, const void *snapshot, struct dg_front_config *config)
{
    struct dg_server *server = context;
    server->front_takes = dg_snapshot_generation(snapshot);
    *config = dg_server_front_config(server, dg_snapshot_process(snapshot));
}

static uint32_t on_worker_taken(void *context, const void *snapshot, struct dg_engine_config *config)
{
    const struct dg_server *server = context;
    *config = dg_server_engine_config(server, dg_snapshot_process(snapshot));
    return dg_snapshot_generation(snapshot);
}

static void on_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      const struct dg_handover *handover)
{
    (void)context;
    (void)now;
    (void)slot;
    dg_report_connected(ref, handover);
}

static const char *refusal_of(enum dg_counter reason)
{
    switch (reason) {
    case DG_COUNT_FAIL_POLICY:
        return "proven, and not let in: the rule that fits denies it, or no rule fits (add one to the listener's rules)";
    case DG_COUNT_FAIL_IDENTITY_LIMIT:
        return "proven, and not let in: its identity has as many associations as its rule allows at once (raise "
               "associations-max of the rule, or let the newest replace the oldest)";
    case DG_COUNT_FAIL_PREFIX_LIMIT:
        return "proven, and not let in: its address or subnet has as many associations as --associations-prefix-max allows";
    case DG_COUNT_CID_COLLISION:
        return "proven, and its connection ID is in use, by chance: it comes again (a longer --connection-id-length makes "
               "that rarer)";
    case DG_COUNT_TABLE_FULL:
        return "proven, and no place for its association: the table is full (raise --associations-max)";
    default:
        return "proven, and what its handshake handed over could not be used";
    }
}

static void on_refused(void *context, const void *snapshot, dg_time now, const struct dg_handover *handover,
                       enum dg_counter reason, uint16_t rule)
{
    static _Thread_local struct dg_report_limit limit; // each worker's
    bool by_rule = reason == DG_COUNT_FAIL_POLICY || reason == DG_COUNT_FAIL_IDENTITY_LIMIT;
    char name[DG_POLICY_RULE_TEXT];
    struct dg_handshake_failure failure = {
        .counter = reason,
        .reason = refusal_of(reason),
        .identity_kind = handover->identity_kind,
        .identity_size = handover->identity_size,
        .alert_sent = by_rule || reason == DG_COUNT_FAIL_PREFIX_LIMIT ? DG_ALERT_ACCESS_DENIED : DG_ALERT_INTERNAL_ERROR,
        .alert_received = 255,
    };
    if (by_rule) {
        dg_policy_rule_text(dg_snapshot_policy(snapshot), rule, name);
        failure.rule = name;
    }
    memcpy(failure.identity, handover->identity, handover->identity_size);
    dg_report_refused(&limit, now, &handover->path, &failure);
    dg_administration_failed(context, &handover->path, &failure, handover->identity_kind != DG_IDENTITY_NONE);
}

static void on_limited(void *context, const void *snapshot, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                       struct dg_bytes identity, enum dg_counter reason)
{
    static _Thread_local struct dg_report_limit limit; // each worker's
    char rule[DG_POLICY_RULE_TEXT];
    dg_policy_rule_text(dg_snapshot_policy(snapshot), slot->rule, rule);
    dg_report_limited(&limit, now, ref, slot, identity, rule, reason);
    dg_administration_closed(context, ref, slot, identity, rule, reason);
}

static const struct dg_policy *on_rules(void *context, const void *snapshot)
{
    (void)context;
    return dg_snapshot_policy(snapshot);
}

static void on_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      struct dg_bytes identity, enum dg_counter reason)
{
    (void)now;
    dg_report_closed(ref, slot, identity, reason);
    dg_administration_closed(context, ref, slot, identity, NULL, reason);
}

static void on_moved(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                     struct dg_bytes identity, const struct dg_address *from)
{
    static _Thread_local struct dg_report_limit limit; // each worker's
    (void)context;
    dg_report_moved(&limit, now, ref, slot, identity, from);
}

static struct dg_policy_verdict on_authorise(void *context, const void *snapshot, const struct dg_slot *slot,
                                             struct dg_bytes identity)
{
    (void)context;
    return dg_snapshot_authorise(snapshot, slot, identity);
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

static bool make_front(struct dg_server *server, char *error, size_t error_size)
{
    bool debug = dg_log_enabled(DG_LOG_DEBUG);
    const struct dg_front_loop_config config = {
        .worker_count = server->worker_count,
        .mesh = server->mesh,
        .sockets = server->sockets[0],
        .socket_count = server->address_count,
        .steer = server->memfile.memory.header->steer,
        .front = dg_server_front_config(server, &server->options),
        .ops = &dg_snapshot_handshake,
        .gate = server->front_snapshot,
        .hooks = {.context = server,
                  .failed = on_failed,
                  .doubted = on_doubted,
                  .refused = on_hello_refused,
                  .debug_datagram = debug ? on_datagram : NULL,
                  .gate_taken = on_front_taken,
                  .gate_replaced = on_front_replaced},
        .counters = server->counters[DG_MESH_FRONT],
        .latencies = server->latencies[0],
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
        .socket_count = server->address_count,
        .memory = &server->memfile.memory,
        .aead = &dg_wolf_aead,
        .engine = dg_server_engine_config(server, &server->options),
        .backend = {.context = server->backends, .make = dg_backends_make},
        .hooks = {.context = server,
                  .opened = on_opened,
                  .refused = on_refused,
                  .limited = on_limited,
                  .rules = on_rules,
                  .closed = on_closed,
                  .moved = on_moved,
                  .authorise = on_authorise,
                  .policy_taken = on_worker_taken,
                  .policy_replaced = on_replaced,
                  .backends_of = dg_server_backends_of,
                  .backend_of = dg_server_backend_of,
                  .name = dg_server_name_subject,
                  .backend_trouble = dg_server_backend_trouble,
                  .debug_datagram = debug ? on_datagram : NULL,
                  .debug_plaintext = debug ? on_plaintext : NULL},
        .counters = server->counters[dg_mesh_worker(worker)],
        .latencies = server->latencies[1 + worker],
        .tally = server->tally,
        .policy = dg_snapshot_get(server->snapshot),
        .policy_generation = server->policy_generation,
    };
    server->workers[worker] = dg_worker_loop_new(&config, error, error_size);
    if (!server->workers[worker])
        dg_snapshot_put(server->snapshot);
    return server->workers[worker] != NULL;
}

bool dg_server_make_loops(struct dg_server *server, char *error, size_t error_size)
{
    bool done = make_front(server, error, error_size);
    for (uint32_t i = 0; done && i < server->worker_count; i++)
        done = make_worker(server, i, error, error_size);
    return done;
}
