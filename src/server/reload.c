// SPDX-License-Identifier: GPL-3.0-or-later
// Another configuration for a running server: built and checked whole beside the one in force, then swapped in, or
// refused with nothing changed. Says which options wait for a restart. No thread waits for another here.
#include "server/server_state.h"

#include "base/log.h"
#include "config/option_table.h"
#include "host/privilege.h"
#include "server/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAKE_TURNS 1000 // of a millisecond, for all workers, and then for the front, to take a new snapshot into use

// --- addresses -------------------------------------------------------------------------------------------

static bool is_listed(const struct dg_config *config, const struct dg_address *address)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct dg_address_list *list = &config->listeners[i].options.listen;
        for (uint32_t k = 0; k < list->count; k++)
            if (dg_address_equal(&list->items[k], address))
                return true;
    }
    return false;
}

// Port 0 goes on with the port that the kernel chose.
static bool is_meant(const struct dg_config *config, const struct dg_address *wanted, const struct dg_address *bound)
{
    struct dg_address any_port = *bound;
    any_port.port = 0;
    return dg_address_equal(wanted, bound) || (dg_address_equal(wanted, &any_port) && !is_listed(config, bound));
}

static void explain_address(const char *what, const struct dg_address *address, char *error, size_t error_size)
{
    char text[DG_ADDRESS_TEXT];
    dg_address_format(address, text);
    snprintf(error, error_size, "%s %s: listening addresses change with a restart, not with a reload: dtlsgate upgrade "
             "starts the server anew and loses no association", what, text);
}

// Which of our sockets each listening address means; listeners may share them out anew. False: it is another set.
static bool match_addresses(const struct dg_server *server, const struct dg_config *config, uint16_t *socket_of,
                            char *error, size_t error_size)
{
    bool is_taken[DG_CONFIG_ADDRESSES_MAX] = {false};
    size_t count = 0;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct dg_address_list *list = &config->listeners[i].options.listen;
        for (uint32_t k = 0; k < list->count; k++) {
            const struct dg_socket *sockets = server->sockets[0];
            size_t found = 0;
            while (found < server->address_count &&
                   (is_taken[found] || !is_meant(config, &list->items[k], &sockets[found].address)))
                found++;
            if (found == server->address_count) {
                explain_address("new listening address", &list->items[k], error, error_size);
                return false;
            }
            is_taken[found] = true;
            socket_of[count++] = (uint16_t)found;
        }
    }
    for (size_t i = 0; i < server->address_count; i++)
        if (!is_taken[i]) {
            explain_address("nothing listens any more on", &server->sockets[0][i].address, error, error_size);
            return false;
        }
    return true;
}

// --- options that wait -----------------------------------------------------------------------------------

// What snapshots carry to front and workers. The others of the process need memory, threads or sockets anew.
static bool does_apply(const char *name)
{
    static const char *const APPLIED[] = {"associations-prefix-max", "handshakes-prefix-max", "hello-timeout",
                                          "handshake-timeout", "handover-timeout", "retransmit", "answers-rate",
                                          "answers-rate-network", "answers-rate-global", "handshakes-rate",
                                          "handshakes-rate-network", "handshakes-rate-global", "failures-rate",
                                          "failures-rate-network", "backoff-max", "idle-timeout", "idle-timeout-cid",
                                          "age-max", "cookie-period", "ticket-period", "datagram-max", "connection-id",
                                          "rrc", "address-change", "path-timeout", "on-removal", "drain-rate"};
    for (size_t i = 0; i < sizeof APPLIED / sizeof APPLIED[0]; i++)
        if (strcmp(name, APPLIED[i]) == 0)
            return true;
    return false;
}

// What else than an upgrade it takes, and why. NULL: an upgrade.
static const char *takes_more(const char *name, bool is_more_associations)
{
    static const char *const KEEPERS[] = {"keeper", "binary", "upgrade-socket"};
    for (size_t i = 0; i < sizeof KEEPERS / sizeof KEEPERS[0]; i++)
        if (strcmp(name, KEEPERS[i]) == 0)
            return "the rest is in force; the keeper has read this option as it began, and an upgrade leaves it alone: restart the "
                   "service (systemctl restart loses no association under the unit of dtlsgate)";
    if (is_more_associations || strcmp(name, "connection-id-length") == 0)
        return "the rest is in force; the memory of the associations was made for the old value, and an upgrade goes on with it: "
               "stop the service and start it again, which ends all associations";
    return NULL;
}

static void report_waiting(const struct dg_server *server, const struct dg_config *config)
{
    for (size_t i = 0; i < dg_options_table_process.count; i++) {
        const struct dg_option *option = &dg_options_table_process.rows[i];
        struct dg_log_line line;
        bool is_fewer_handshakes = strcmp(option->name, "handshakes-max") == 0 &&
                                   config->process.handshakes_max < server->started.handshakes_max;
        if (does_apply(option->name) || is_fewer_handshakes || dg_option_equal(option, &server->started, &config->process))
            continue;
        bool is_more_associations = strcmp(option->name, "associations-max") == 0 &&
                                    config->process.associations_max > server->started.associations_max;
        const char *more = takes_more(option->name, is_more_associations);
        dg_log_begin(&line, DG_LOG_WARNING, "waits-for-restart");
        dg_log_text(&line, "option", option->name);
        dg_log_text(&line, "reason", more ? more : "the rest is in force; this option takes effect as the server starts the next "
                                                   "time: dtlsgate upgrade loses no association");
        dg_log_end(&line);
    }
}

// --- the swap --------------------------------------------------------------------------------------------

static void tell_workers(struct dg_server *server, struct dg_snapshot *snapshot, uint32_t generation)
{
    const struct dg_ring_part part = {&generation, sizeof generation};
    for (uint32_t i = 0; i < server->worker_count; i++) {
        dg_snapshot_put(dg_worker_loop_set_policy(server->workers[i], dg_snapshot_get(snapshot)));
        // Its ring, where nothing else goes, is full only of words that it has not read: the next one takes this snapshot.
        (void)!dg_mesh_put(server->mesh, dg_mesh_control(server->worker_count), dg_mesh_worker(i),
                           DG_MESSAGE_POLICY_GENERATION, &part, 1);
    }
}

static void report_late(const char *thread, uint32_t number)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_WARNING, "reload-late");
    dg_log_text(&line, "thread", thread);
    dg_log_u64(&line, "number", number);
    dg_log_text(&line, "reason", "it is at one thing for long, and goes by the configuration before until it has done that; all others "
                                 "go by the new one");
    dg_log_end(&line);
}

// Until the workers have let go of the snapshot before: freeing a large one takes longer than a worker may stand still.
// Not for ever: one that is stuck must not keep the others from the new one, nor the server from ending.
static void await_workers(const struct dg_server *server, uint32_t generation)
{
    int turns = TAKE_TURNS;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const struct dg_worker_loop *worker = server->workers[i];
        for (; turns > 0 && dg_worker_loop_policy_generation(worker) != generation; turns--)
            usleep(1000);
        if (dg_worker_loop_policy_generation(worker) != generation)
            report_late("worker", i);
    }
}

static void await_front(const struct dg_server *server, uint32_t generation)
{
    for (int turn = 0; turn < TAKE_TURNS; turn++) {
        if (atomic_load_explicit(&server->front_generation, memory_order_acquire) == generation)
            return;
        usleep(1000);
    }
    report_late("front", 0);
}

// The front last: whom it lets in by the new snapshot must not meet a worker that checks again by the old one.
static void swap_in(struct dg_server *server, struct dg_snapshot *snapshot, uint32_t generation)
{
    struct dg_snapshot *before = server->snapshot;
    server->snapshot = snapshot;
    server->policy_generation = generation;
    bool is_running = server->is_started && !server->is_stopped;
    tell_workers(server, snapshot, generation);
    if (is_running)
        await_workers(server, generation);
    dg_snapshot_put(dg_front_loop_set_gate(server->front, dg_snapshot_get(snapshot)));
    if (is_running)
        await_front(server, generation);
    dg_snapshot_put(before);
}

static bool reload(struct dg_server *server, const struct dg_config *config, char *error, size_t error_size)
{
    uint16_t socket_of[DG_CONFIG_ADDRESSES_MAX] = {0};
    uint64_t digests[DG_CONFIG_ADDRESSES_MAX];
    if (!match_addresses(server, config, socket_of, error, error_size))
        return false;
    for (size_t i = 0; i < server->address_count; i++)
        digests[i] = server->sockets[0][socket_of[i]].listener;
    struct dg_config *copy = dg_config_copy(config);
    if (!copy) {
        snprintf(error, error_size, "memory is short for a configuration");
        return false;
    }
    uint32_t generation = dg_memory_next_generation(&server->memfile.memory);
    struct dg_snapshot *snapshot = dg_server_make_snapshot(server, copy, digests, generation, error, error_size);
    if (!snapshot) {
        dg_config_free(copy);
        return false;
    }
    report_waiting(server, copy);
    dg_server_warn_of_listeners(copy);
    swap_in(server, snapshot, generation);
    dg_config_free(server->config);
    server->config = copy;
    memcpy(server->socket_of, socket_of, sizeof server->socket_of);
    dg_administration_renew(server);
    return true;
}

bool dg_server_reload(struct dg_server *server, const struct dg_config *config, char *error, size_t error_size)
{
    pthread_mutex_lock(&server->reload_lock);
    bool done = reload(server, config ? config : server->config, error, error_size);
    pthread_mutex_unlock(&server->reload_lock);
    return done;
}

uint32_t dg_server_drain_rate(struct dg_server *server)
{
    pthread_mutex_lock(&server->reload_lock);
    uint32_t rate = server->config->process.drain_rate;
    pthread_mutex_unlock(&server->reload_lock);
    return rate;
}

// --- as an operator asks for it --------------------------------------------------------------------------

static void log_refusal(const char *reason)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_ERROR, "reload-refused");
    dg_log_text(&line, "reason", reason);
    dg_log_end(&line);
}

// All that is wrong in the file: a line of the log for each, and as much as there is room for in error.
static void tell_errors(const struct dg_config_errors *errors, char *error, size_t error_size)
{
    for (size_t i = 0; i < dg_config_errors_held(errors); i++)
        log_refusal(errors->texts[i]);
    char rest[48];
    snprintf(rest, sizeof rest, "and %zu more", dg_config_errors_more(errors));
    if (dg_config_errors_more(errors) > 0)
        log_refusal(rest);
    error[0] = '\0';
    dg_config_errors_join(errors, "; ", error, error_size);
}

// "Permission denied" says root nothing that owners and modes could explain.
static void explain_sandbox(const struct dg_config *config, char *error, size_t error_size)
{
    char folder[DG_OPTION_TEXT];
    size_t used = strlen(error);
    if (dg_server_leaves_sandbox(config, folder, sizeof folder))
        snprintf(error + used, error_size - used, "; %s is not among the folders that the sandbox was made for: dtlsgate upgrade "
                 "makes it anew and loses no association, or name the folder in sandbox-path beforehand", folder);
}

static bool reload_files(struct dg_server *server, struct dg_config_errors *errors, char *error, size_t error_size)
{
    struct dg_config *again = dg_config_again(server->config, errors);
    if (!again) {
        tell_errors(errors, error, error_size);
        return false;
    }
    bool done = reload(server, again, error, error_size);
    if (!done) {
        explain_sandbox(again, error, error_size);
        log_refusal(error);
    }
    dg_config_free(again);
    return done;
}

bool dg_server_reload_again(struct dg_server *server, char *error, size_t error_size)
{
    struct dg_config_errors *errors = calloc(1, sizeof *errors); // large
    if (!errors) {
        snprintf(error, error_size, "memory is short for a configuration");
        return false;
    }
    pthread_mutex_lock(&server->reload_lock);
    dg_privilege_wake_reading();
    bool done = reload_files(server, errors, error, error_size);
    dg_privilege_end_reading();
    pthread_mutex_unlock(&server->reload_lock);
    free(errors);
    if (done) {
        struct dg_log_line line;
        dg_log_begin(&line, DG_LOG_INFO, "reloaded");
        dg_log_end(&line);
    }
    return done;
}
