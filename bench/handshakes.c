// SPDX-License-Identifier: GPL-3.0-or-later
// CPU of a handshake, as a ratio to wolfSSL in memory with the same credentials and suites plus what a plain
// UDP echo pays for as many datagrams that come one by one. Prints lines of the table; judges nothing.
#include "measure/clients.h"
#include "measure/process.h"
#include "measure/table.h"
#include "measure/wolf_server.h"

#include <stdio.h>

#define ROUNDS 7
#define HANDSHAKES 200 // a measurement
#define AIM 1.25

static const struct bench_kind kinds[] = {
    {.name = "DTLS 1.2, mutual ECDSA P-256", .version = 12, .suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
     .group = WOLF_GROUP_P256},
    {.name = "DTLS 1.2, ECDHE-PSK, P-256", .version = 12, .suites = "ECDHE-PSK-AES128-GCM-SHA256",
     .group = WOLF_GROUP_P256, .with_psk = true},
    {.name = "DTLS 1.3, mutual ECDSA P-256, X25519", .version = 13, .suites = "TLS13-AES128-GCM-SHA256",
     .group = WOLF_GROUP_X25519, .datagrams_after = 1},
    {.name = "DTLS 1.3, mutual ECDSA P-256, X25519MLKEM768", .version = 13, .suites = "TLS13-AES128-GCM-SHA256",
     .group = WOLF_GROUP_X25519_MLKEM768, .datagrams_after = 1},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

// CPU seconds of one handshake at the gate; the traffic of all is added up.
static double measure_gate(const struct bench_process *gate, struct bench_wire *wire, const struct bench_kind *kind,
                           const struct bench_credentials *credentials)
{
    double before = bench_cpu_seconds(gate);
    for (int i = 0; i < HANDSHAKES; i++) {
        wire->source++;
        bench_handshake(wire, kind, credentials, false);
    }
    return (bench_cpu_seconds(gate) - before) / HANDSHAKES;
}

static double measure_library(struct wolf_server *server)
{
    double seconds = 0;
    for (int i = 0; i < HANDSHAKES; i++)
        seconds += wolf_server_handshake(server);
    return seconds / HANDSHAKES;
}

// CPU seconds that the plain echo needs for one datagram in or out, of this size and all alone.
static double measure_io(const struct bench_process *plain, const struct bench_wire *wire, size_t size)
{
    static struct bench_burst burst;
    burst.count = 1;
    burst.datagrams[0].size = size;
    const int count = 2000;
    double before = bench_cpu_seconds(plain);
    for (int i = 0; i < count; i++) {
        bench_wire_send_burst(wire, &burst);
        if (!bench_wire_collect_one(wire))
            BENCH_FAIL("the plain echo lost a datagram");
    }
    return (bench_cpu_seconds(plain) - before) / count / 2;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        BENCH_FAIL("usage: handshakes DTLSGATE");
    static struct bench_credentials credentials;
    bench_credentials_make(argv[1], &credentials);
    static const char *const no_more[] = {NULL};
    struct bench_process gate = bench_start_gate(argv[1], &credentials, no_more);
    struct bench_process plain = bench_start_plain_echo();
    bench_pin(BENCH_CLIENT_CPU);

    struct bench_wire wire, plain_wire;
    bench_wire_open(&wire, gate.port);
    bench_wire_open(&plain_wire, plain.port);
    static struct bench_figure figures[KINDS];
    static char names[KINDS][96];
    struct wolf_server *servers[KINDS];
    struct bench_traffic traffic[KINDS];
    double io[KINDS], library[KINDS];
    for (size_t k = 0; k < KINDS; k++) {
        snprintf(names[k], sizeof names[k], "CPU of a handshake: %s", kinds[k].name);
        figures[k] = (struct bench_figure){.name = names[k], .unit = "us", .aim = AIM};
        servers[k] = wolf_server_new(&kinds[k], &credentials);
    }
    for (int round = -1; round < ROUNDS; round++) { // the first one warms up
        for (size_t k = 0; k < KINDS; k++) {
            wire.traffic = (struct bench_traffic){0};
            double cost = measure_gate(&gate, &wire, &kinds[k], &credentials);
            traffic[k] = wire.traffic;
            double datagrams = traffic[k].sent + traffic[k].received;
            library[k] = measure_library(servers[k]);
            io[k] = measure_io(&plain, &plain_wire, (size_t)((double)traffic[k].bytes / datagrams)) *
                    (datagrams / HANDSHAKES);
            if (round >= 0)
                bench_figure_add(&figures[k], cost * 1e6, (library[k] + io[k]) * 1e6);
        }
    }
    for (size_t k = 0; k < KINDS; k++) {
        bench_figure_print_ratio(&figures[k]);
        fprintf(stderr,
                "handshakes: %s: %.2f datagrams in, %.2f out, %.0f bytes each; the last round's yardstick: wolfSSL "
                "%.1f us, I/O %.1f us\n",
                kinds[k].name, (double)traffic[k].sent / HANDSHAKES, (double)traffic[k].received / HANDSHAKES,
                (double)traffic[k].bytes / (traffic[k].sent + traffic[k].received), library[k] * 1e6, io[k] * 1e6);
        wolf_server_free(servers[k]);
    }
    bench_stop(&gate);
    bench_stop(&plain);
    bench_credentials_remove(&credentials);
    return 0;
}
