// SPDX-License-Identifier: GPL-3.0-or-later
// Reads what a start would read and throws it away. A gate with secrets of its own finds keys and certificates that do
// not belong together while the old server still serves. Never opens a socket, never writes.
#include "server/rehearse.h"

#include "base/secret.h"
#include "core/memory.h"
#include "crypto/gate.h"
#include "crypto/rotation.h"
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

static bool can_make_gate(const struct dg_options *options, char *error, size_t error_size)
{
    struct dg_memory_secrets *secrets = dg_secret_new(sizeof *secrets);
    if (!secrets) {
        snprintf(error, error_size, "memory is short");
        return false;
    }
    dg_secrets_attach(secrets);
    struct dg_gate *gate = dg_server_make_gate(options, secrets, 1, error, error_size);
    if (gate)
        dg_gate_put(gate);
    dg_secret_free(secrets, sizeof *secrets);
    return gate != NULL;
}

static bool can_start(struct dg_server *scratch, char *error, size_t error_size)
{
    return dg_options_check(&scratch->options, error, error_size) && dg_server_check_backend(scratch, error, error_size) &&
           can_make_gate(&scratch->options, error, error_size);
}

bool dg_server_rehearse(const struct dg_options *options, const struct dg_inheritance *inherited, char *error,
                        size_t error_size)
{
    int memory = memory_of(inherited);
    if (memory >= 0 && !dg_memfile_check(memory, error, error_size))
        return false;
    struct dg_server *scratch = calloc(1, sizeof *scratch);
    if (!scratch || !dg_crypto_init()) {
        snprintf(error, error_size, "memory is short, or the TLS library does not start");
        free(scratch);
        return false;
    }
    scratch->options = *options;
    bool done = can_start(scratch, error, error_size);
    dg_crypto_cleanup();
    free(scratch);
    return done;
}

bool dg_server_await(const struct dg_inheritance *inherited, char *error, size_t error_size)
{
    int memory = memory_of(inherited);
    return memory < 0 || dg_memfile_wait(memory, error, error_size);
}
