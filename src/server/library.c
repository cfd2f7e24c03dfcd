// SPDX-License-Identifier: GPL-3.0-or-later
// The public functions of include/dtlsgate: thin covers over dg_server, which keep a child of its process
// away from it. Never holds other logic.
#include "dtlsgate/dtlsgate.h"

#include "config/config.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

struct dtlsgate_options {
    struct dg_options options;
};

struct dtlsgate_server; // is a dg_server

static struct dg_server *server_of(const dtlsgate_server *server)
{
    return (struct dg_server *)(uintptr_t)server;
}

// In words where not.
static bool is_usable(const dtlsgate_server *server, char *error, size_t error_size)
{
    if (!dg_server_is_of_another_process(server_of(server)))
        return true;
    snprintf(error, error_size, "another process made this server, before fork(2): a program that becomes a daemon does so "
                                "first, and a child leaves the server alone");
    return false;
}

dtlsgate_options *dtlsgate_options_new(void)
{
    dtlsgate_options *options = calloc(1, sizeof *options);
    if (options)
        dg_options_default(&options->options);
    return options;
}

void dtlsgate_options_free(dtlsgate_options *options)
{
    free(options);
}

bool dtlsgate_options_set(dtlsgate_options *options, const char *name, const char *value, char *error,
                          size_t error_size)
{
    return dg_options_set(&options->options, name, value, error, error_size);
}

dtlsgate_server *dtlsgate_server_new(const dtlsgate_options *options, dtlsgate_datagram_callback on_datagram,
                                     void *context, char *error, size_t error_size)
{
    return (dtlsgate_server *)dg_server_new(&options->options, on_datagram, context, error, error_size);
}

dtlsgate_server *dtlsgate_server_new_from_file(const char *path, dtlsgate_datagram_callback on_datagram, void *context,
                                               char *error, size_t error_size)
{
    struct dg_config_errors *errors = calloc(1, sizeof *errors); // large
    if (!errors) {
        snprintf(error, error_size, "memory is short for a configuration");
        return NULL;
    }
    struct dg_config *config = dg_config_load(path, errors);
    struct dg_server *server = config ? dg_server_new_config(config, on_datagram, context, error, error_size) : NULL;
    if (!config)
        dg_config_errors_join(errors, "\n", error, error_size);
    dg_config_free(config);
    free(errors);
    return (dtlsgate_server *)server;
}

bool dtlsgate_server_start(dtlsgate_server *server, char *error, size_t error_size)
{
    return is_usable(server, error, error_size) && dg_server_start(server_of(server), error, error_size);
}

uint16_t dtlsgate_server_port(const dtlsgate_server *server, size_t listener)
{
    return dg_server_port(server_of(server), listener);
}

bool dtlsgate_server_reload(dtlsgate_server *server, char *error, size_t error_size)
{
    return is_usable(server, error, error_size) && dg_server_reload_again(server_of(server), error, error_size);
}

void dtlsgate_server_stop(dtlsgate_server *server, unsigned wait_ms)
{
    if (!dg_server_is_of_another_process(server_of(server)))
        dg_server_stop(server_of(server), wait_ms);
}

void dtlsgate_server_free(dtlsgate_server *server)
{
    if (server && !dg_server_is_of_another_process(server_of(server)))
        dg_server_free(server_of(server));
}

size_t dtlsgate_server_associations(const dtlsgate_server *server)
{
    return dg_server_is_of_another_process(server_of(server)) ? 0 : dg_server_associations(server_of(server));
}

uint64_t dtlsgate_server_counter(const dtlsgate_server *server, const char *name)
{
    return dg_server_is_of_another_process(server_of(server)) ? 0 : dg_server_counter(server_of(server), name);
}

const char *dtlsgate_version(void)
{
    return DTLSGATE_VERSION;
}
