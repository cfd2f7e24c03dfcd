// SPDX-License-Identifier: GPL-3.0-or-later
// What a configuration means for the parts of a server: the backends of the process, a snapshot, and the numbers that
// front and engine go by. Starts nothing.
#include "server/server_state.h"

#include "server/callback_backend.h"

#include <stdio.h>

#define REASSEMBLY_MAX 256
#define BURST_SECONDS 2    // that may be saved up
#define FAILURE_SECONDS 20 // failures come in bursts: a site with a wrong key comes back whole
#define NETWORK_ADDRESSES 4
#define NETWORK_FAILURES 10

static struct dg_backend make_callback(void *context, const struct dg_backend_sink *sink)
{
    const struct dg_server *server = context;
    return dg_backend_callback_new(sink, server->on_datagram, server->callback_context);
}

bool dg_server_make_backends(struct dg_server *server, char *error, size_t error_size)
{
    const struct dg_options *options = &server->options;
    struct dg_backends_config config = {
        .worker_count = server->worker_count,
        .ports = {(uint16_t)options->backend_port_min, (uint16_t)options->backend_port_max},
        .rest = options->backend_rest * DG_SECOND,
        .hold = options->backend_hold * DG_SECOND,
        .callback = server->on_datagram ? make_callback : NULL,
        .callback_context = server,
    };
    if (server->memfile.fd >= 0)
        config.book.words = dg_memory_ports(&server->memfile.memory);
    server->backends = dg_backends_new(&config);
    if (!server->backends)
        snprintf(error, error_size, "memory is short for the backends");
    return server->backends != NULL;
}

static bool backend_number(void *backends, const char *backend, bool allow_beyond_loopback, uint16_t *ret_number,
                           char *error, size_t error_size)
{
    return dg_backends_number(backends, backend, allow_beyond_loopback, ret_number, error, error_size);
}

struct dg_snapshot *dg_server_make_snapshot(struct dg_server *server, const struct dg_config *config,
                                            const uint64_t *digests, uint32_t generation, char *error, size_t error_size)
{
    const struct dg_snapshot_source source = {
        .config = config,
        .digests = digests,
        .secrets = server->memfile.memory.secrets,
        .turns = server->turns,
        .generation = generation,
        .backend_number = backend_number,
        .context = server->backends,
    };
    return dg_snapshot_new(&source, error, error_size);
}

static struct dg_bucket_rate rate_of(uint64_t rate, uint32_t seconds)
{
    uint64_t burst = rate * seconds;
    return (struct dg_bucket_rate){.rate = rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX,
                                   .burst = burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX};
}

// of_network 0: so many addresses' worth.
static struct dg_admission_rates rates_of(uint64_t of_address, uint64_t of_network, uint32_t addresses, uint64_t of_all,
                                          uint32_t seconds)
{
    return (struct dg_admission_rates){.address = rate_of(of_address, seconds),
                                       .network = rate_of(of_network ? of_network : addresses * of_address, seconds),
                                       .all = rate_of(of_all, seconds)};
}

struct dg_front_config dg_server_front_config(const struct dg_server *server, const struct dg_options *options)
{
    struct dg_front_config config = dg_front_config_default();
    config.handshakes_max = options->handshakes_max;
    config.handshakes_per_prefix = options->handshakes_prefix_max;
    config.handshake_timeout = options->handshake_timeout * DG_SECOND;
    config.handover_timeout = options->handover_timeout * DG_SECOND;
    config.reassembly_timeout = options->hello_timeout * DG_SECOND;
    config.reassembly_max = REASSEMBLY_MAX;
    config.admission.backoff_max = options->backoff_max * DG_SECOND;
    config.admission.answers = rates_of(options->answers_rate, options->answers_rate_network, NETWORK_ADDRESSES,
                                        options->answers_rate_global, BURST_SECONDS);
    config.admission.starts = rates_of(options->handshakes_rate, options->handshakes_rate_network, NETWORK_ADDRESSES,
                                       options->handshakes_rate_global, BURST_SECONDS);
    config.admission.failures =
        rates_of(options->failures_rate, options->failures_rate_network, NETWORK_FAILURES, 0, FAILURE_SECONDS);
    config.offer_cid = options->connection_id == DG_CHOICE_YES;
    config.cid_size = server->memfile.memory.shape.cid_size;
    config.own_count = (uint32_t)server->address_count;
    for (size_t i = 0; i < server->address_count; i++)
        config.own[i] = server->sockets[0][i].address;
    return config;
}

struct dg_engine_config dg_server_engine_config(const struct dg_server *server, const struct dg_options *options)
{
    struct dg_engine_config config = dg_engine_config_default();
    config.idle_timeout = options->idle_timeout * DG_SECOND;
    config.idle_timeout_cid = options->idle_timeout_cid * DG_SECOND;
    config.maximal_age = options->age_max ? options->age_max * DG_SECOND : DG_NEVER;
    config.datagram_max = (uint16_t)options->datagram_max;
    config.address_strict = options->address_change == DG_ADDRESS_CHANGE_STRICT;
    config.path_basic = options->rrc == DG_RRC_BASIC;
    config.path_timeout = options->path_timeout * DG_MILLISECOND;
    config.drain_per_second = (options->drain_rate + server->worker_count - 1) / server->worker_count;
    config.associations_max = server->options.associations_max; // as the memory file was made, or less
    config.prefix_max = options->associations_prefix_max;
    config.closes_removed = options->on_removal == DG_ON_REMOVAL_CLOSE;
    return config;
}
