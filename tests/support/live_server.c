// SPDX-License-Identifier: GPL-3.0-or-later
// Servers and visits for tests of whole life cycles. Owns the key file and the client's socket.
#include "support/live_server.h"

#include "support/wolf_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP_MS 10000

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

static void wire_send(void *context, const uint8_t *bytes, size_t size)
{
    (void)!send(*(int *)context, bytes, size, 0); // a lost datagram is sent again
}

static size_t wire_receive(void *context, uint8_t *buffer, size_t capacity)
{
    ssize_t got = recv(*(int *)context, buffer, capacity, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}

static bool something_came(int fd, int wait_ms)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    return poll(&readable, 1, wait_ms) == 1;
}

static bool connect_client(struct wolf_client *client, int fd)
{
    for (int left = STEP_MS; left > 0;) {
        enum wolf_client_step step = wolf_client_connect(client);
        if (step != WOLF_CLIENT_GOES_ON)
            return step == WOLF_CLIENT_DONE;
        if (something_came(fd, 1000))
            continue;
        left -= 1000;
        if (!wolf_client_timeout(client))
            return false;
    }
    return false;
}

static bool echo_once(struct wolf_client *client, int fd, unsigned number)
{
    char sent[32], got[64];
    snprintf(sent, sizeof sent, "word %u", number);
    if (!wolf_client_write(client, sent, strlen(sent)))
        return false;
    for (int left = STEP_MS; left > 0;) {
        int size = wolf_client_read(client, got, sizeof got);
        if (size != 0)
            return size == (int)strlen(sent) && memcmp(got, sent, (size_t)size) == 0;
        if (!something_came(fd, 1000))
            left -= 1000;
    }
    return false;
}

static int connected_socket(uint16_t port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) != 0)
        abort();
    return fd;
}

bool live_server_visit(const dtlsgate_server *server, const struct live_psk *psk, const struct live_visit *visit)
{
    int fd = connected_socket(dtlsgate_server_port(server, 0));
    struct wolf_client_config config = {
        .wire = {.context = &fd, .send = wire_send, .receive = wire_receive},
        .version = visit->version,
        .psk_identity = "device",
        .psk_key = psk->key,
        .psk_key_size = sizeof psk->key,
        .groups = {WOLF_GROUP_X25519},
        .offer_cid = visit->has_cid,
        .cid = {0xc1, 0xc2},
        .cid_size = 2,
    };
    struct wolf_client *client = wolf_client_new(&config);
    bool done = client && connect_client(client, fd);
    for (unsigned i = 0; done && i < visit->echoes; i++)
        done = echo_once(client, fd, i);
    if (done && !visit->vanishes)
        wolf_client_close(client);
    if (!done)
        fprintf(stderr, "visit: the client's error is %d, alert received %d\n", client ? wolf_client_error(client) : 0,
                client ? wolf_client_alert_received(client) : 0);
    wolf_client_free(client);
    close(fd);
    return done;
}
