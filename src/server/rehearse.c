// SPDX-License-Identifier: GPL-3.0-or-later
// Reads what a start would read and throws it away. Never opens a socket, never writes.
#include "server/rehearse.h"

#include "credentials/credentials.h"
#include "io/memfile_wait.h"
#include "server/server_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int memory_of(const struct dg_inheritance *inherited)
{
    for (size_t i = 0; i < inherited->count; i++)
        if (strcmp(inherited->items[i].name, "memory") == 0)
            return inherited->items[i].fd;
    return -1;
}

static bool can_read_credentials(const struct dg_options *options, char *error, size_t error_size)
{
    const struct dg_credential_files files = {
        .psk_file = options->psk_file[0] ? options->psk_file : NULL,
        .certificate_file = options->cert[0] ? options->cert : NULL,
        .key_file = options->key[0] ? options->key : NULL,
        .client_ca_file = options->client_ca[0] ? options->client_ca : NULL,
        .client_keys_file = options->client_keys[0] ? options->client_keys : NULL,
    };
    struct dg_credentials *credentials = dg_credentials_new(&files, error, error_size);
    if (credentials)
        dg_credentials_put(credentials);
    return credentials != NULL;
}

static bool can_start(struct dg_server *scratch, char *error, size_t error_size)
{
    return dg_options_check(&scratch->options, error, error_size) && dg_server_check_backend(scratch, error, error_size) &&
           can_read_credentials(&scratch->options, error, error_size);
}

bool dg_server_rehearse(const struct dg_options *options, const struct dg_inheritance *inherited, char *error,
                        size_t error_size)
{
    int memory = memory_of(inherited);
    if (memory >= 0 && !dg_memfile_check(memory, error, error_size))
        return false;
    struct dg_server *scratch = calloc(1, sizeof *scratch);
    if (!scratch) {
        snprintf(error, error_size, "memory is short");
        return false;
    }
    scratch->options = *options;
    bool done = can_start(scratch, error, error_size);
    free(scratch);
    return done;
}

bool dg_server_await(const struct dg_inheritance *inherited, char *error, size_t error_size)
{
    int memory = memory_of(inherited);
    return memory < 0 || dg_memfile_wait(memory, error, error_size);
}
