// SPDX-License-Identifier: GPL-3.0-or-later
// Servers and visits for tests of whole life cycles. Owns the key file.
#include "support/live_server.h"

#include "support/live_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

void live_psk_make(struct live_psk *psk)
{
    char line[16 + 2 * LIVE_KEY];
    if (getrandom(psk->key, sizeof psk->key, 0) != (ssize_t)sizeof psk->key)
        abort();
    int size = snprintf(line, sizeof line, "device:");
    for (size_t i = 0; i < sizeof psk->key; i++)
        size += snprintf(line + size, sizeof line - (size_t)size, "%02x", psk->key[i]);
    snprintf(psk->path, sizeof psk->path, "/tmp/dtlsgate-live-XXXXXX");
    int fd = mkstemp(psk->path);
    if (fd < 0 || write(fd, line, (size_t)size) != size || close(fd) != 0)
        abort();
}

void live_psk_remove(struct live_psk *psk)
{
    unlink(psk->path);
}

dtlsgate_server *live_server_start(const struct live_psk *psk)
{
    // Small tables, so that thousands of servers are quick to make.
    static const char *const fixed[][2] = {{"listen", "127.0.0.1:0"},   {"backend", "echo"},      {"workers", "1"},
                                           {"associations-max", "16384"}, {"handshakes-max", "16"},
                                           {"log-level", "error"}};
    char error[DTLSGATE_ERROR_SIZE] = "no memory";
    dtlsgate_options *options = dtlsgate_options_new();
    bool done = options != NULL;
    for (size_t i = 0; done && i < sizeof fixed / sizeof fixed[0]; i++)
        done = dtlsgate_options_set(options, fixed[i][0], fixed[i][1], error, sizeof error);
    done = done && dtlsgate_options_set(options, "psk-file", psk->path, error, sizeof error);
    dtlsgate_server *server = done ? dtlsgate_server_new(options, NULL, NULL, error, sizeof error) : NULL;
    dtlsgate_options_free(options);
    if (!server || !dtlsgate_server_start(server, error, sizeof error)) {
        fprintf(stderr, "no server: %s\n", error);
        abort();
    }
    return server;
}

bool live_server_visit(const dtlsgate_server *server, const struct live_psk *psk, const struct live_visit *visit)
{
    struct live_client *client = live_client_open(server, psk, visit);
    bool done = client != NULL;
    for (unsigned i = 0; done && i < visit->echoes; i++)
        done = live_client_echo(client, i);
    if (done && !visit->vanishes)
        live_client_close(client);
    live_client_free(client);
    return done;
}
