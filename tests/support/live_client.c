// SPDX-License-Identifier: GPL-3.0-or-later
// A client of a live server over a socket of its own, kept for as long as the test wants. Owns both.
#include "support/live_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP_MS 10000
#define AGAIN_MS 100

struct live_client {
    int fd;
    struct wolf_client *wolf;
};

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

// Sends the word, and again whenever again_ms have passed without its echo. Returns how often; 0: no echo came.
static unsigned echo(struct wolf_client *client, int fd, unsigned number, int again_ms)
{
    char sent[32], got[64];
    snprintf(sent, sizeof sent, "word %u", number);
    for (int left = STEP_MS, times = 0; left > 0; left -= again_ms) {
        if (!wolf_client_write(client, sent, strlen(sent)))
            return 0;
        times++;
        do {
            int size = wolf_client_read(client, got, sizeof got);
            if (size < 0)
                return 0;
            if (size == (int)strlen(sent) && memcmp(got, sent, (size_t)size) == 0)
                return (unsigned)times; // any other word is the late echo of one that was sent again
        } while (something_came(fd, again_ms));
    }
    return 0;
}

static int connected_socket(uint16_t port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) != 0)
        abort();
    return fd;
}

struct live_client *live_client_dial(uint16_t port, const struct wolf_client_config *config,
                                     const struct wolf_session *session)
{
    struct live_client *client = calloc(1, sizeof *client);
    if (!client)
        abort();
    client->fd = connected_socket(port);
    struct wolf_client_config own = *config;
    own.wire = (struct wolf_client_wire){.context = &client->fd, .send = wire_send, .receive = wire_receive};
    client->wolf = wolf_client_new(&own);
    if (client->wolf && (!session || wolf_client_resume(client->wolf, session)) && connect_client(client->wolf, client->fd))
        return client;
    fprintf(stderr, "live client: its error is %d, alert received %d\n",
            client->wolf ? wolf_client_error(client->wolf) : 0,
            client->wolf ? wolf_client_alert_received(client->wolf) : 0);
    live_client_free(client);
    return NULL;
}

struct live_client *live_client_open(const dtlsgate_server *server, const struct live_psk *psk,
                                     const struct live_visit *visit)
{
    const struct wolf_client_config config = {
        .version = visit->version,
        .psk_identity = "device",
        .psk_key = psk->key,
        .psk_key_size = sizeof psk->key,
        .groups = {WOLF_GROUP_X25519},
        .offer_cid = visit->has_cid,
        .cid = {0xc1, 0xc2},
        .cid_size = 2,
    };
    return live_client_dial(dtlsgate_server_port(server, 0), &config, NULL);
}

struct wolf_client *live_client_wolf(struct live_client *client) { return client->wolf; }

bool live_client_ends(struct live_client *client)
{
    char got[64];
    for (int left = STEP_MS; left > 0; left -= AGAIN_MS) {
        if (wolf_client_read(client->wolf, got, sizeof got) < 0)
            return true;
        (void)something_came(client->fd, AGAIN_MS);
    }
    return false;
}

bool live_client_echo(struct live_client *client, unsigned number)
{
    return echo(client->wolf, client->fd, number, STEP_MS) == 1;
}

unsigned live_client_echo_repeated(struct live_client *client, unsigned number)
{
    return echo(client->wolf, client->fd, number, AGAIN_MS);
}

size_t live_client_server_cid(struct live_client *client, uint8_t cid[255])
{
    int size = wolf_client_server_cid(client->wolf, cid);
    return size > 0 ? (size_t)size : 0;
}

void live_client_close(struct live_client *client)
{
    wolf_client_close(client->wolf);
}

void live_client_free(struct live_client *client)
{
    if (!client)
        return;
    wolf_client_free(client->wolf);
    close(client->fd);
    free(client);
}
