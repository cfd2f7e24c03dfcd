// SPDX-License-Identifier: GPL-3.0-or-later
// So many bursts of one kind of datagram: hellos without cookie, or messages that are echoed. Against a gate that it
// starts, or, with "-" in the gate's place, hellos by wolfSSL in memory. For profilers (bench/instructions).
#include "measure/clients.h"
#include "measure/process.h"
#include "measure/wolf_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASSOCIATIONS 128

static const struct load {
    struct bench_kind kind;
    size_t size; // of the message; 0: a hello
} loads[] = {
    {{.name = "hello without cookie, DTLS 1.2", .version = 12, .suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
      .group = WOLF_GROUP_P256}, 0},
    {{.name = "hello without cookie, DTLS 1.3", .version = 13, .suites = "TLS13-AES128-GCM-SHA256",
      .group = WOLF_GROUP_X25519}, 0},
    {{.name = "message of 64 bytes, DTLS 1.2", .version = 12, .suites = "ECDHE-PSK-AES128-GCM-SHA256",
      .group = WOLF_GROUP_X25519, .with_psk = true}, 64},
    {{.name = "message of 1200 bytes, DTLS 1.2", .version = 12, .suites = "ECDHE-PSK-AES128-GCM-SHA256",
      .group = WOLF_GROUP_X25519, .with_psk = true}, 1200},
    {{.name = "message of 64 bytes, DTLS 1.3", .version = 13, .suites = "TLS13-AES128-GCM-SHA256",
      .group = WOLF_GROUP_X25519, .with_psk = true}, 64},
    {{.name = "message of 1200 bytes, DTLS 1.3", .version = 13, .suites = "TLS13-AES128-GCM-SHA256",
      .group = WOLF_GROUP_X25519, .with_psk = true}, 1200},
};
#define LOADS ((int)(sizeof loads / sizeof loads[0]))

static struct bench_burst burst;

static void make_hellos(struct bench_wire *wire, const struct bench_kind *kind,
                        const struct bench_credentials *credentials)
{
    bench_client_hello(wire, kind, credentials, &burst.datagrams[0]);
    for (uint32_t i = 0; i < BENCH_BURST; i++) {
        burst.datagrams[i] = burst.datagrams[0];
        burst.datagrams[i].source = i;
    }
    burst.count = BENCH_BURST;
}

static void play(const struct bench_process *gate, const struct bench_wire *wire)
{
    bench_hold(gate);
    bench_wire_send_burst(wire, &burst);
    bench_release(gate);
    for (int back = 0, tries = 0; back < burst.count; tries++) { // under a profiler the gate is slow
        back += bench_wire_collect(wire, burst.count - back);
        if (tries == 50)
            BENCH_FAIL("%d of a burst are not answered", burst.count - back);
    }
}

static void load_gate(const char *dtlsgate, const struct load *load, const struct bench_credentials *credentials,
                      int bursts)
{
    // A short time, for the reason in messages.c; it is waited for below.
    static const char *const more[] = {"--handshake-timeout", "1", NULL};
    struct bench_process gate = bench_start_gate(dtlsgate, credentials, more);
    struct bench_wire wire;
    bench_wire_open(&wire, gate.port);
    struct bench_clients *clients = NULL;
    if (load->size == 0)
        make_hellos(&wire, &load->kind, credentials);
    else
        clients = bench_clients_new(&wire, &load->kind, credentials, ASSOCIATIONS);
    if (clients != NULL)
        (void)nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 200000000}, NULL); // until no handshake may be under way
    for (int i = 0; i < bursts; i++) {
        if (clients != NULL)
            bench_clients_burst(clients, load->size, &burst);
        play(&gate, &wire);
    }
    if (clients != NULL)
        bench_clients_free(clients);
    bench_wire_close(&wire);
    bench_end(&gate);
}

static void load_library(const struct load *load, const struct bench_credentials *credentials, int bursts)
{
    struct bench_wire wire = {.fd = -1};
    make_hellos(&wire, &load->kind, credentials);
    struct wolf_server *server = wolf_server_new(&load->kind, credentials);
    for (int i = 0; i < bursts; i++)
        (void)wolf_server_hello(server, burst.datagrams[0].bytes, burst.datagrams[0].size, BENCH_BURST);
    wolf_server_free(server);
}

int main(int argc, char **argv)
{
    int number = argc == 5 ? atoi(argv[3]) : -1, bursts = argc == 5 ? atoi(argv[4]) : -1;
    if (number < 0 || number >= LOADS || bursts < 0)
        BENCH_FAIL("usage: datagram_load DTLSGATE DTLSGATE|- KIND BURSTS (the first makes the credentials)");
    static struct bench_credentials credentials;
    bench_credentials_make(argv[1], &credentials);
    const struct load *load = &loads[number];
    if (strcmp(argv[2], "-") != 0)
        load_gate(argv[2], load, &credentials, bursts);
    else if (load->size == 0)
        load_library(load, &credentials, bursts);
    printf("%s\n", load->kind.name);
    bench_credentials_remove(&credentials);
    return 0;
}
