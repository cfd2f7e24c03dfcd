// SPDX-License-Identifier: GPL-3.0-or-later
// The server's side of the control socket: where it is, what it may know, what the hooks write into the book.
#include "server/administration.h"

#include "admin/admin.h"
#include "base/log.h"
#include "io/clock.h"
#include "server/sandbox.h"
#include "server/server_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_NAME "control.sock"

struct dg_administration {
    struct dg_server *server;
    char path[DG_OPTION_TEXT];
    struct dg_failures *failures;
    struct dg_admin *admin;
    dg_time started_at;
    uint64_t started_wall_s;
    pthread_mutex_t lock;         // over what is below: a reload replaces it, the administration's thread reads it
    struct dg_snapshot *snapshot; // in force; our own reference
    uint32_t generation;
    size_t listener_count;
    struct dg_admin_listener listeners[DG_ADMIN_LISTENERS_MAX];
    size_t warning_count;
    char warnings[DG_ADMIN_WARNINGS_MAX][DG_ADMIN_TEXT];
};

// --- what its thread asks ------------------------------------------------------------------------------------------

static void tell_counters(const struct dg_server *server, uint64_t counters[DG_COUNTER_COUNT])
{
    counters[DG_COUNT_NONE] = 0;
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++)
        counters[i] = dg_counters_sum((const struct dg_counters *const *)server->counters, server->thread_count,
                                      (enum dg_counter)i);
}

static void add_expiry(void *context, const struct dg_expiry *expiry)
{
    struct dg_admin_status *status = context;
    char days[64] = "";
    if (status->warning_count == DG_ADMIN_WARNINGS_MAX)
        return;
    if (expiry->ends_s > expiry->now_s)
        snprintf(days, sizeof days, " in %lld days", (long long)(expiry->ends_s - expiry->now_s) / 86400);
    snprintf(status->warnings[status->warning_count++], DG_ADMIN_TEXT, "%s: %s%s, %s: %s",
             expiry->listener ? expiry->listener : "", expiry->event, days, expiry->path ? expiry->path : "", expiry->advice);
}

static void tell_status(void *context, struct dg_admin_status *ret)
{
    struct dg_administration *own = context;
    const struct dg_server *server = own->server;
    ret->started_wall_s = own->started_wall_s;
    ret->uptime = dg_time_since(dg_clock_now(), own->started_at);
    ret->worker_count = server->worker_count;
    for (uint32_t i = 0; i < server->worker_count; i++)
        ret->live[i] = dg_worker_loop_live(server->workers[i]);
    ret->associations_max = server->options.associations_max;
    ret->handshakes = dg_front_loop_busy(server->front);
    tell_counters(server, ret->counters);
    pthread_mutex_lock(&own->lock);
    ret->generation = own->generation;
    ret->handshakes_max = dg_snapshot_process(own->snapshot)->handshakes_max;
    if (ret->handshakes_max > server->started.handshakes_max)
        ret->handshakes_max = server->started.handshakes_max; // its table was made for so many
    ret->listener_count = own->listener_count;
    memcpy(ret->listeners, own->listeners, own->listener_count * sizeof own->listeners[0]);
    ret->warning_count = own->warning_count;
    memcpy(ret->warnings, own->warnings, sizeof own->warnings);
    dg_snapshot_visit_expiries(own->snapshot, add_expiry, ret);
    pthread_mutex_unlock(&own->lock);
}

static void tell_names(void *context, const struct dg_scan_row *row, struct dg_admin_names *ret)
{
    struct dg_administration *own = context;
    char rule[DG_POLICY_RULE_TEXT] = "";
    const struct dg_policy_subject subject = {
        .listener = row->listener,
        .identity = {row->identity, row->identity_size},
        .identity_kind = row->identity_kind,
        .peer = &row->peer,
    };
    pthread_mutex_lock(&own->lock);
    const char *listener = dg_snapshot_listener_name(own->snapshot, row->listener);
    const struct dg_policy *policy = dg_snapshot_policy(own->snapshot);
    struct dg_policy_verdict verdict = dg_policy_judge(policy, &subject);
    if (verdict.rule != DG_POLICY_NO_RULE)
        dg_policy_rule_text(policy, verdict.rule, rule);
    snprintf(ret->listener, sizeof ret->listener, "%s", listener ? listener : "none");
    snprintf(ret->rule, sizeof ret->rule, "%.*s", (int)sizeof ret->rule - 1, rule);
    pthread_mutex_unlock(&own->lock);
}

static bool do_reload(void *context, char *error, size_t error_size)
{
    const struct dg_administration *own = context;
    return dg_server_reload_again(own->server, error, error_size);
}

// --- what is shown of a configuration ------------------------------------------------------------------------------

static void warn(struct dg_administration *own, const char *listener, const char *text)
{
    if (own->warning_count < DG_ADMIN_WARNINGS_MAX)
        snprintf(own->warnings[own->warning_count++], DG_ADMIN_TEXT, "%s%s%s", listener, listener[0] ? ": " : "", text);
}

static void show_listener(struct dg_administration *own, const struct dg_config_listener *listener,
                          const struct dg_address *address)
{
    if (own->listener_count == DG_ADMIN_LISTENERS_MAX)
        return;
    struct dg_admin_listener *shown = &own->listeners[own->listener_count++];
    snprintf(shown->name, sizeof shown->name, "%s", listener->name);
    snprintf(shown->backend, sizeof shown->backend, "%.*s", DG_ADMIN_TEXT - 1, listener->options.backend);
    dg_address_format(address, shown->address);
}

static void show_configuration(struct dg_administration *own)
{
    const struct dg_server *server = own->server;
    size_t address = 0;
    own->listener_count = own->warning_count = 0;
    for (size_t i = 0; i < server->config->listener_count; i++) {
        const struct dg_config_listener *listener = &server->config->listeners[i];
        for (uint32_t k = 0; k < listener->options.listen.count && address < server->address_count; k++)
            show_listener(own, listener, &server->sockets[0][server->socket_of[address++]].address);
        if (listener->options.client_auth == DG_CLIENT_AUTH_INSECURE_NONE)
            warn(own, listener->name, "clients are NOT authenticated (client-auth insecure-none): everybody is let in");
    }
    if (!server->memfile.is_locked_in_ram)
        warn(own, "", "keys may reach swap: raise LimitMEMLOCK, or switch swap off");
}

void dg_administration_renew(struct dg_server *server)
{
    struct dg_administration *own = server->administration;
    if (!own)
        return;
    pthread_mutex_lock(&own->lock);
    struct dg_snapshot *before = own->snapshot;
    own->snapshot = dg_snapshot_get(server->snapshot);
    own->generation = server->policy_generation;
    show_configuration(own);
    pthread_mutex_unlock(&own->lock);
    dg_snapshot_put(before);
}

// --- making and ending ---------------------------------------------------------------------------------------------

bool dg_administration_path(const struct dg_options *options, char path[DG_OPTION_TEXT])
{
    const char *told = options->control_socket;
    if (dg_option_is_nowhere(told))
        return false;
    if (told[0]) {
        snprintf(path, DG_OPTION_TEXT, "%s", told);
        return true;
    }
    const char *folder = getenv("RUNTIME_DIRECTORY"); // systemd.exec(5): several stand with colons between
    if (!folder || folder[0] != '/')
        return false;
    size_t size = strcspn(folder, ":");
    snprintf(path, DG_OPTION_TEXT, "%.*s/" SOCKET_NAME, (int)size, folder);
    return true;
}

static bool bind_socket(struct dg_administration *own, char *error, size_t error_size)
{
    char reason[400];
    const struct dg_admin_config config = {
        .path = own->path,
        .mesh = own->server->mesh,
        .worker_count = own->server->worker_count,
        .failures = own->failures,
        .server = {.context = own, .status = tell_status, .reload = do_reload, .name = tell_names},
    };
    own->admin = dg_admin_new(&config, reason, sizeof reason);
    if (!own->admin) {
        snprintf(error, error_size, "--control-socket %s", reason);
        return false;
    }
    dg_server_give_to_user(&own->server->options, own->path);
    return true;
}

bool dg_administration_make(struct dg_server *server, char *error, size_t error_size)
{
    char path[DG_OPTION_TEXT];
    if (!dg_administration_path(&server->options, path))
        return true;
    struct dg_administration *own = calloc(1, sizeof *own);
    if (own) {
        own->server = server;
        memcpy(own->path, path, sizeof own->path);
        pthread_mutex_init(&own->lock, NULL);
        own->failures = dg_failures_new();
        server->administration = own;
    }
    if (!own || !own->failures) {
        snprintf(error, error_size, "memory is short for the book of failures");
        return false;
    }
    dg_administration_renew(server);
    return bind_socket(own, error, error_size);
}

bool dg_administration_start(struct dg_server *server, char *error, size_t error_size)
{
    struct dg_administration *own = server->administration;
    if (!own)
        return true;
    own->started_at = dg_clock_now();
    own->started_wall_s = dg_clock_wall_seconds();
    if (!dg_admin_start(own->admin)) {
        snprintf(error, error_size, "the host allows no further thread for the control socket");
        return false;
    }
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "control");
    dg_log_text(&line, "socket", own->path);
    dg_log_end(&line);
    return true;
}

void dg_administration_end(struct dg_server *server)
{
    struct dg_administration *own = server->administration;
    if (!own)
        return;
    dg_admin_free(own->admin);
    own->admin = NULL;
}

void dg_administration_free(struct dg_server *server)
{
    struct dg_administration *own = server->administration;
    if (!own)
        return;
    dg_administration_end(server);
    dg_failures_free(own->failures);
    dg_snapshot_put(own->snapshot);
    pthread_mutex_destroy(&own->lock);
    free(own);
    server->administration = NULL;
}

// --- the book ------------------------------------------------------------------------------------------------------

static void note(struct dg_server *server, const struct dg_failure *failure)
{
    dg_failures_note(server->administration->failures, dg_clock_wall_seconds(), failure);
}

void dg_administration_failed(struct dg_server *server, const struct dg_path *path,
                              const struct dg_handshake_failure *failure, bool is_proven)
{
    if (!server->administration)
        return;
    note(server, &(struct dg_failure){
                     .counter = failure->counter,
                     .reason = failure->reason,
                     .detail = failure->rule,
                     .peer = &path->peer,
                     .identity = {failure->identity, failure->identity_size},
                     .identity_kind = failure->identity_kind,
                     .is_proven = is_proven,
                     .alert_sent = failure->alert_sent,
                     .alert_received = failure->alert_received,
                 });
}

void dg_administration_refused(struct dg_server *server, const struct dg_path *path, enum dg_counter reason)
{
    if (!server->administration)
        return;
    note(server, &(struct dg_failure){.counter = reason, .peer = &path->peer, .alert_sent = 255, .alert_received = 255});
}

// Goodbyes are no failures, and a fleet that says goodbye must not push out those who have some.
static bool is_usual(enum dg_counter reason)
{
    return reason == DG_COUNT_CLOSED_BY_PEER || reason == DG_COUNT_CLOSED_SHUTDOWN;
}

void dg_administration_closed(struct dg_server *server, struct dg_ref ref, const struct dg_slot *slot,
                              struct dg_bytes identity, const char *rule, enum dg_counter reason)
{
    if (!server->administration || is_usual(reason))
        return;
    note(server, &(struct dg_failure){
                     .counter = reason,
                     .detail = rule,
                     .peer = &slot->peer,
                     .identity = identity,
                     .identity_kind = slot->identity_kind,
                     .is_proven = slot->identity_kind != DG_IDENTITY_NONE,
                     .alert_sent = 255,
                     .alert_received = 255,
                     .association = ref.id,
                 });
}
