// SPDX-License-Identifier: GPL-3.0-or-later
// Drives wolfSSL clients with poll(2), one after the other.
#include "measure/clients.h"

#include "measure/process.h"

#include <stdlib.h>
#include <string.h>

#define CID_SIZE 8 // as long as the server's: echoes are then as long as what they answer
#define STEP_MS 1000
#define TRIES 20
#define MTU 1400

struct bench_clients {
    struct bench_wire *wire;
    uint32_t count;
    uint32_t next;
    struct wolf_client *items[];
};

struct wolf_client_config bench_client_config(const struct bench_kind *kind,
                                              const struct bench_credentials *credentials)
{
    struct wolf_client_config config = {
        .version = kind->version,
        .suites = kind->suites,
        .groups = {kind->group},
        .offer_cid = !kind->without_cid,
        .cid_size = CID_SIZE,
        .cid = {1, 2, 3, 4, 5, 6, 7, 8},
        .datagram_max = MTU,
        .tickets = kind->resumes,
    };
    if (kind->with_psk) {
        config.psk_identity = credentials->psk_identity;
        config.psk_key = credentials->psk;
        config.psk_key_size = credentials->psk_size;
    } else {
        config.ca = credentials->ca;
        config.certificate = credentials->client;
        config.key = credentials->client_key;
    }
    return config;
}

static struct wolf_client *start(struct bench_wire *wire, const struct bench_kind *kind,
                                 const struct bench_credentials *credentials)
{
    struct wolf_client_config config = bench_client_config(kind, credentials);
    config.wire = (struct wolf_client_wire){wire, bench_wire_send, bench_wire_receive};
    struct wolf_client *client = wolf_client_new(&config);
    if (client == NULL)
        BENCH_FAIL("no client");
    return client;
}

// wolfSSL's client is patient about single datagrams, so a step that brings nothing is waited for.
static void finish(struct wolf_client *client, struct bench_wire *wire, const struct bench_kind *kind)
{
    for (int tries = 0; tries < TRIES;) {
        enum wolf_client_step step = wolf_client_connect(client);
        if (step == WOLF_CLIENT_DONE)
            break;
        if (step == WOLF_CLIENT_FAILED || tries == TRIES - 1)
            BENCH_FAIL("a handshake (%s) failed: wolfSSL error %d", kind->name, wolf_client_error(client));
        if (!bench_wire_wait(wire, STEP_MS)) {
            (void)wolf_client_timeout(client);
            tries++;
        }
    }
    // What follows the client's last flight (DTLS 1.3: tickets, ACK) belongs to the handshake too.
    uint8_t ignored[64];
    for (unsigned before = wire->traffic.received; wire->traffic.received < before + (unsigned)kind->datagrams_after;) {
        if (!bench_wire_wait(wire, STEP_MS))
            BENCH_FAIL("%s: not %d datagrams after the handshake", kind->name, kind->datagrams_after);
        (void)wolf_client_read(client, ignored, sizeof ignored);
    }
}

// Without a word to the server, which keeps the association.
static void forget(struct wolf_client *client, struct bench_wire *wire)
{
    struct bench_burst *discard = malloc(sizeof *discard);
    if (discard == NULL)
        BENCH_FAIL("out of memory");
    discard->count = 0;
    wire->into = discard;
    wolf_client_free(client);
    wire->into = NULL;
    free(discard);
}

void bench_session_begin(struct bench_wire *wire, const struct bench_kind *kind,
                         const struct bench_credentials *credentials)
{
    struct wolf_client *client = start(wire, kind, credentials);
    finish(client, wire, kind);
    wire->session = wolf_client_session(client);
    if (wire->session == NULL)
        BENCH_FAIL("%s: no session to resume", kind->name);
    forget(client, wire);
}

void bench_handshake(struct bench_wire *wire, const struct bench_kind *kind,
                     const struct bench_credentials *credentials, bool echo)
{
    struct wolf_client *client = start(wire, kind, credentials);
    if (kind->resumes && !wolf_client_resume(client, wire->session))
        BENCH_FAIL("%s: no session to resume", kind->name);
    finish(client, wire, kind);
    if (wolf_client_resumed(client) != kind->resumes && !kind->with_psk)
        BENCH_FAIL("%s: resumed or not, against what was asked", kind->name);
    if (echo) {
        uint8_t message[16] = {0};
        if (!wolf_client_write(client, message, sizeof message))
            BENCH_FAIL("a client does not write");
        while (wolf_client_read(client, message, sizeof message) == 0)
            if (!bench_wire_wait(wire, STEP_MS))
                BENCH_FAIL("no echo");
    }
    forget(client, wire);
}

void bench_client_hello(struct bench_wire *wire, const struct bench_kind *kind,
                        const struct bench_credentials *credentials, struct bench_datagram *ret)
{
    struct bench_burst *burst = calloc(1, sizeof *burst);
    if (burst == NULL)
        BENCH_FAIL("out of memory");
    wire->into = burst;
    struct wolf_client *client = start(wire, kind, credentials);
    if (wolf_client_connect(client) != WOLF_CLIENT_GOES_ON || burst->count != 1)
        BENCH_FAIL("%s: the first hello is not one datagram", kind->name);
    *ret = burst->datagrams[0];
    wolf_client_free(client);
    wire->into = NULL;
    free(burst);
}

struct bench_clients *bench_clients_new(struct bench_wire *wire, const struct bench_kind *kind,
                                        const struct bench_credentials *credentials, uint32_t count)
{
    struct bench_clients *clients = calloc(1, sizeof *clients + count * sizeof clients->items[0]);
    if (clients == NULL)
        BENCH_FAIL("out of memory");
    clients->wire = wire;
    clients->count = count;
    for (uint32_t i = 0; i < count; i++) {
        wire->source = i;
        clients->items[i] = start(wire, kind, credentials);
        finish(clients->items[i], wire, kind);
    }
    return clients;
}

void bench_clients_free(struct bench_clients *clients)
{
    for (uint32_t i = 0; i < clients->count; i++)
        forget(clients->items[i], clients->wire);
    free(clients);
}

void bench_clients_burst(struct bench_clients *clients, size_t size, struct bench_burst *ret)
{
    static const uint8_t plaintext[BENCH_DATAGRAM_MAX];
    struct bench_wire *wire = clients->wire;
    ret->count = 0;
    wire->into = ret;
    while (ret->count < BENCH_BURST) {
        wire->source = clients->next++ % clients->count;
        if (!wolf_client_write(clients->items[wire->source], plaintext, size))
            BENCH_FAIL("a client does not write");
    }
    wire->into = NULL;
}
