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

static bool can_make_snapshot(struct dg_server *scratch, const struct dg_config *config, char *error, size_t error_size)
{
    struct dg_memory_secrets *secrets = dg_secret_new(sizeof *secrets);
    if (!secrets) {
        snprintf(error, error_size, "memory is short");
        return false;
    }
    dg_secrets_attach(secrets);
    scratch->memfile.memory.secrets = secrets;
    struct dg_snapshot *snapshot = dg_server_make_snapshot(scratch, config, NULL, 1, error, error_size);
    dg_snapshot_put(snapshot);
    dg_secret_free(secrets, sizeof *secrets);
    return snapshot != NULL;
}

bool dg_server_rehearse(const struct dg_config *config, const struct dg_inheritance *inherited, char *error,
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
    scratch->options = config->process;
    scratch->worker_count = 1;
    scratch->memfile.fd = -1;
    bool done = dg_server_make_backends(scratch, error, error_size) &&
                can_make_snapshot(scratch, config, error, error_size);
    dg_backends_free(scratch->backends);
    dg_crypto_cleanup();
    free(scratch);
    return done;
}

bool dg_server_await(const struct dg_inheritance *inherited, char *error, size_t error_size)
{
    int memory = memory_of(inherited);
    return memory < 0 || dg_memfile_wait(memory, error, error_size);
}
