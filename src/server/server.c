// SPDX-License-Identifier: GPL-3.0-or-later
// Builds and starts one server, and answers questions about it. What it makes is freed in ending.c.
#include "server/server_state.h"

#include "base/log.h"
#include "crypto/key_log.h"
#include "crypto/rotation.h"
#include "host/privilege.h"
#include "io/crash_note.h"
#include "server/log_options.h"
#include "server/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLIGHTS_PER_SHARD_MIN 256
#define FLIGHTS_PER_SHARD_MAX (1u << 20)

static uint32_t square_root(uint32_t value)
{
    uint32_t root = 0;
    while ((uint64_t)(root + 1) * (root + 1) <= value)
        root++;
    return root;
}

// Associations come to their shards by chance, so some shards fill before others. Room for the mean and six times its
// deviation: that one of them refuses somebody while there are fewer than associations-max in all is then not to be
// expected. Slots that nobody comes to cost address space only.
struct dg_memory_shape dg_server_shape(const struct dg_options *options)
{
    uint32_t mean = (options->associations_max + DG_SHARDS_DEFAULT - 1) / DG_SHARDS_DEFAULT;
    uint32_t slots = mean + 6 * square_root(mean) + 8;
    // One for each association should all identities be long, and half as many again for what hardly is over.
    uint32_t flights = slots + slots / 2;
    if (flights < FLIGHTS_PER_SHARD_MIN)
        flights = FLIGHTS_PER_SHARD_MIN;
    if (flights > FLIGHTS_PER_SHARD_MAX)
        flights = FLIGHTS_PER_SHARD_MAX;
    return (struct dg_memory_shape){
        .shard_count = DG_SHARDS_DEFAULT,
        .slots_per_shard = slots,
        .flights_per_shard = flights,
        .cid_size = options->connection_id_length,
    };
}

static uint32_t worker_count_of(const struct dg_options *options)
{
    if (options->steering == DG_STEERING_FORWARD)
        return 1;
    if (options->workers > 0)
        return options->workers;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < 1)
        return 1;
    return processors > DG_WORKERS_MAX ? DG_WORKERS_MAX : (uint32_t)processors;
}

static bool make_memory(struct dg_server *server, char *error, size_t error_size)
{
    struct dg_inherited *left = dg_server_inherited_memory(server);
    const struct dg_memory_shape shape = dg_server_shape(&server->options);
    if (!left)
        return dg_memfile_new(&server->memfile, &shape, error, error_size);
    if (!dg_memfile_adopt(&server->memfile, left->fd, error, error_size))
        return false;
    left->fd = -1;
    server->goes_on = true;
    return true;
}

static bool make_shared_parts(struct dg_server *server, char *error, size_t error_size)
{
    server->is_crypto_up = dg_crypto_init();
    if (!server->is_crypto_up) {
        snprintf(error, error_size, "the TLS library does not start");
        return false;
    }
    if (!make_memory(server, error, error_size))
        return false;
    dg_secrets_attach(server->memfile.memory.secrets);
    server->has_key_log = server->options.key_log[0] && dg_key_log_open(server->options.key_log, error, error_size);
    if (server->options.key_log[0] && !server->has_key_log)
        return false;
    return dg_server_make_backends(server, error, error_size);
}

// Addresses whose port the kernel chooses are known by it.
static bool make_first_snapshot(struct dg_server *server, char *error, size_t error_size)
{
    uint64_t digests[DG_CONFIG_ADDRESSES_MAX];
    for (size_t i = 0; i < server->address_count; i++)
        digests[i] = server->sockets[0][i].listener;
    server->policy_generation = dg_memory_next_generation(&server->memfile.memory);
    server->snapshot = dg_server_make_snapshot(server, server->config, digests, server->policy_generation, error, error_size);
    if (!server->snapshot)
        return false;
    server->front_snapshot = dg_snapshot_get(server->snapshot);
    return true;
}

static bool make_threads_parts(struct dg_server *server, char *error, size_t error_size)
{
    server->thread_count = dg_mesh_size(server->worker_count);
    server->mesh = dg_mesh_new(server->thread_count, DG_MESH_RING_BYTES);
    if (!server->mesh) {
        snprintf(error, error_size, "memory or descriptors are short for %u threads", server->thread_count);
        return false;
    }
    for (uint32_t i = 0; i < server->thread_count; i++) {
        server->counters[i] = aligned_alloc(DG_CACHE_LINE, (sizeof(struct dg_counters) + DG_CACHE_LINE - 1) /
                                                               DG_CACHE_LINE * DG_CACHE_LINE);
        if (!server->counters[i]) {
            snprintf(error, error_size, "memory is short for the counters");
            return false;
        }
        memset(server->counters[i], 0, sizeof *server->counters[i]);
    }
    if (!dg_server_make_latencies(server)) {
        snprintf(error, error_size, "memory is short for the latencies");
        return false;
    }
    const struct dg_memory_shape *shape = &server->memfile.memory.header->shape;
    server->tally = dg_tally_new(shape->shard_count, shape->slots_per_shard);
    if (!server->tally) {
        snprintf(error, error_size, "memory is short for counting associations");
        return false;
    }
    return dg_server_make_loops(server, error, error_size) && dg_administration_make(server, error, error_size) &&
           dg_server_bind_metrics(server, error, error_size);
}

static bool build(struct dg_server *server, char *error, size_t error_size)
{
    return make_shared_parts(server, error, error_size) && dg_server_open_sockets(server, error, error_size) &&
           make_first_snapshot(server, error, error_size) && make_threads_parts(server, error, error_size);
}

static void list_addresses(struct dg_server *server)
{
    for (size_t i = 0; i < server->config->listener_count; i++) {
        const struct dg_address_list *list = &server->config->listeners[i].options.listen;
        for (uint32_t k = 0; k < list->count && server->address_count < DG_CONFIG_ADDRESSES_MAX; k++) {
            server->socket_of[server->address_count] = (uint16_t)server->address_count;
            server->wanted[server->address_count++] = list->items[k];
        }
    }
}

static struct dg_server *new_server(const struct dg_config *config, dtlsgate_datagram_callback on_datagram, void *context)
{
    struct dg_server *server = calloc(1, sizeof *server);
    if (!server)
        return NULL;
    server->maker = getpid();
    server->config = dg_config_copy(config);
    server->turns = dg_key_turns_new(DG_KEY_TURNS_MAX);
    if (!server->config || !server->turns) {
        dg_config_free(server->config);
        dg_key_turns_free(server->turns);
        free(server);
        return NULL;
    }
    dg_log_begin_by(&config->process); // the process', as its lines are
    server->started = server->options = config->process;
    server->on_datagram = on_datagram;
    server->callback_context = context;
    server->worker_count = worker_count_of(&config->process);
    server->memfile.fd = -1;
    list_addresses(server);
    pthread_mutex_init(&server->reload_lock, NULL);
    return server;
}

static void close_all(const struct dg_inheritance *inherited)
{
    for (size_t i = 0; i < inherited->count; i++)
        close(inherited->items[i].fd);
}

struct dg_server *dg_server_new_config_from(const struct dg_config *config, dtlsgate_datagram_callback on_datagram,
                                            void *context, const struct dg_inheritance *inherited, char *error,
                                            size_t error_size)
{
    struct dg_server *server = new_server(config, on_datagram, context);
    if (!server) {
        close_all(inherited);
        snprintf(error, error_size, "memory is short for a server");
        return NULL;
    }
    bool done = dg_server_inherit(server, inherited, error, error_size) && build(server, error, error_size);
    dg_server_disinherit(server);
    if (!done) {
        dg_server_free(server);
        return NULL;
    }
    return server;
}

struct dg_server *dg_server_new_config(const struct dg_config *config, dtlsgate_datagram_callback on_datagram,
                                       void *context, char *error, size_t error_size)
{
    const struct dg_inheritance nothing = {0};
    return dg_server_new_config_from(config, on_datagram, context, &nothing, error, error_size);
}

struct dg_server *dg_server_new_from(const struct dg_options *options, dtlsgate_datagram_callback on_datagram,
                                     void *context, const struct dg_inheritance *inherited, char *error,
                                     size_t error_size)
{
    struct dg_config *config = dg_config_of_options(options, error, error_size);
    if (!config) {
        close_all(inherited);
        return NULL;
    }
    struct dg_server *server = dg_server_new_config_from(config, on_datagram, context, inherited, error, error_size);
    dg_config_free(config);
    return server;
}

struct dg_server *dg_server_new(const struct dg_options *options, dtlsgate_datagram_callback on_datagram, void *context,
                                char *error, size_t error_size)
{
    const struct dg_inheritance nothing = {0};
    return dg_server_new_from(options, on_datagram, context, &nothing, error, error_size);
}

void dg_server_warn_of_listeners(const struct dg_config *config)
{
    struct dg_log_line line;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct dg_config_listener *listener = &config->listeners[i];
        if (listener->options.client_auth != DG_CLIENT_AUTH_INSECURE_NONE)
            continue;
        dg_log_begin(&line, DG_LOG_WARNING, "insecure");
        dg_log_text(&line, "listener", listener->name);
        dg_log_text(&line, "reason", "--client-auth insecure-none: clients are NOT authenticated, everybody is let in");
        dg_log_end(&line);
    }
}

static void warn_of_choices(const struct dg_server *server)
{
    struct dg_log_line line;
    dg_server_warn_of_listeners(server->config);
    if (server->has_key_log) {
        dg_log_begin(&line, DG_LOG_WARNING, "insecure");
        dg_log_text(&line, "reason", "--key-log: the secrets of every handshake are written to a file; whoever reads it can "
                                     "read everything that clients and service say");
        dg_log_text(&line, "file", server->options.key_log);
        dg_log_end(&line);
    }
    if (!server->memfile.is_locked_in_ram) {
        dg_log_begin(&line, DG_LOG_INFO, "memory");
        dg_log_text(&line, "reason", "the host does not let keys be locked in memory; they may reach swap: raise "
                                     "LimitMEMLOCK, or switch swap off");
        dg_log_end(&line);
    }
}

// The file's shape is the one that it was made with; options that say another one wait for a new file.
static void report_memory(const struct dg_server *server)
{
    if (!server->goes_on)
        return;
    const struct dg_memory_shape wanted = dg_server_shape(&server->options);
    const struct dg_memory_shape *found = &server->memfile.memory.shape;
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "goes-on");
    dg_log_u64(&line, "associations", dg_server_associations(server));
    dg_log_end(&line);
    if (wanted.slots_per_shard == found->slots_per_shard && wanted.cid_size == found->cid_size)
        return;
    dg_log_begin(&line, DG_LOG_WARNING, "memory");
    dg_log_text(&line, "reason", "--associations-max or --connection-id-length is not what the memory file was made with: it "
                                 "takes effect when the server starts without the associations of the one before");
    dg_log_u64(&line, "slots", (uint64_t)found->shard_count * found->slots_per_shard);
    dg_log_u64(&line, "slots_wanted", (uint64_t)wanted.shard_count * wanted.slots_per_shard);
    dg_log_end(&line);
}

static void report_address(const struct dg_server *server, const struct dg_config_listener *listener,
                           const struct dg_socket *socket)
{
    char text[DG_ADDRESS_TEXT];
    struct dg_log_line line;
    dg_address_format(&socket->address, text);
    dg_log_begin(&line, DG_LOG_INFO, "listening");
    dg_log_text(&line, "address", text);
    dg_log_text(&line, "listener", listener->name);
    dg_log_text(&line, "backend", listener->options.backend);
    dg_log_text(&line, "profile", listener->options.profile == DG_PROFILE_MODERN ? "modern" : "iot");
    dg_log_u64(&line, "workers", server->worker_count);
    dg_log_text(&line, "steering", server->options.steering == DG_STEERING_FILTER ? "filter" : "forward");
    dg_log_end(&line);
    const struct dg_socket_facts facts = dg_socket_facts(socket);
    dg_report_sockets(text, &facts);
}

static void report_start(const struct dg_server *server)
{
    const struct dg_socket *socket = server->sockets[0];
    for (size_t i = 0; i < server->config->listener_count; i++)
        for (uint32_t k = 0; k < server->config->listeners[i].options.listen.count; k++)
            report_address(server, &server->config->listeners[i], socket++);
}

static void run_worker(void *loop)
{
    dg_privilege_begin_serving();
    dg_thread_go_first();
    dg_worker_loop_run(loop);
}

static void run_front(void *loop)
{
    dg_privilege_begin_serving();
    dg_thread_give_way();
    dg_front_loop_run(loop);
}

bool dg_server_is_of_another_process(const struct dg_server *server)
{
    return server->maker != getpid();
}

bool dg_server_start(struct dg_server *server, char *error, size_t error_size)
{
    server->is_started = true;
    report_memory(server);
    dg_crash_note_memory(&server->memfile.memory, server->worker_count);
    if (!dg_server_drain_retired(server)) {
        snprintf(error, error_size, "memory is short for what waits in the sockets of workers that are no more");
        return false;
    }
    bool done = true; // workers first: who is known is served before who is not
    for (uint32_t i = 0; done && i < server->worker_count; i++) {
        char name[32]; // the kernel shows the first 15 characters, and there are at most 64 workers
        snprintf(name, sizeof name, "dg-worker-%u", i);
        done = dg_thread_start(&server->threads[1 + i], name, run_worker, server->workers[i]);
    }
    if (!done || !dg_thread_start(&server->threads[0], "dg-front", run_front, server->front)) {
        snprintf(error, error_size, "the host allows no further thread (%u wanted)", 1 + server->worker_count);
        return false;
    }
    warn_of_choices(server);
    report_start(server);
    // The control socket last: its reload frees the configuration that was read until here.
    server->is_serving = dg_server_open_metrics(server, error, error_size) && dg_administration_start(server, error, error_size);
    return server->is_serving;
}

uint16_t dg_server_port(const struct dg_server *server, size_t address)
{
    return address < server->address_count ? server->sockets[0][address].address.port : 0;
}

static uint64_t sum(const struct dg_server *server, enum dg_counter counter)
{
    return dg_counters_sum((const struct dg_counters *const *)server->counters, server->thread_count, counter);
}

size_t dg_server_associations(const struct dg_server *server)
{
    size_t live = 0;
    for (uint32_t i = 0; i < server->worker_count; i++)
        live += server->workers[i] ? dg_worker_loop_live(server->workers[i]) : 0;
    return live;
}

uint64_t dg_server_counter(const struct dg_server *server, const char *name)
{
    for (int counter = DG_COUNT_NONE + 1; counter < DG_COUNTER_COUNT; counter++)
        if (strcmp(dg_counter_name((enum dg_counter)counter), name) == 0)
            return sum(server, (enum dg_counter)counter);
    return 0;
}

void dg_server_report_counters(const struct dg_server *server)
{
    dg_report_counters((const struct dg_counters *const *)server->counters, server->thread_count);
}
