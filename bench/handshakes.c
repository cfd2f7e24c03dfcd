// SPDX-License-Identifier: GPL-3.0-or-later
// CPU of a handshake, as a ratio to wolfSSL in memory with the same credentials and suites plus what a plain
// UDP echo pays for as many datagrams that come one by one. Prints lines of the table; judges nothing.
#include "measure/clients.h"
#include "measure/process.h"
#include "measure/table.h"
#include "measure/wolf_server.h"

#include <stdio.h>

#define ROUNDS 9
#define HANDSHAKES 150 // a measurement
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

struct yard {
    double library, io; // CPU seconds of one handshake
    double datagrams;   // of one handshake, in and out
};

// What the plain echo needs for a datagram that comes or goes alone: half of what one there and back costs.
static void echo_alone(const struct bench_wire *wire, size_t size)
{
    static struct bench_burst burst = {.count = 1};
    burst.datagrams[0].size = size;
    bench_wire_send_burst(wire, &burst);
    if (!bench_wire_collect_one(wire))
        BENCH_FAIL("the plain echo lost a datagram");
}

// One round, gate and yardsticks taking turns, so that what disturbs the machine meets all. Returns the CPU
// seconds of one handshake at the gate.
static double measure(const struct bench_process *gate, const struct bench_process *plain, struct bench_wire *wire,
                      const struct bench_wire *plain_wire, struct wolf_server *server, const struct bench_kind *kind,
                      const struct bench_credentials *credentials, struct yard *ret)
{
    const int echoes = 8;
    size_t size = 100; // until the first handshake has shown what is usual
    double gate_before = bench_cpu_seconds(gate), plain_before = bench_cpu_seconds(plain);
    *ret = (struct yard){0};
    wire->traffic = (struct bench_traffic){0};
    for (int i = 0; i < HANDSHAKES; i++) {
        wire->source++;
        bench_handshake(wire, kind, credentials, false);
        ret->library += wolf_server_handshake(server) / HANDSHAKES;
        for (int k = 0; k < echoes; k++)
            echo_alone(plain_wire, size);
        size = (size_t)(wire->traffic.bytes / (wire->traffic.sent + wire->traffic.received));
    }
    ret->datagrams = (double)(wire->traffic.sent + wire->traffic.received) / HANDSHAKES;
    ret->io = (bench_cpu_seconds(plain) - plain_before) / (HANDSHAKES * echoes * 2) * ret->datagrams;
    return (bench_cpu_seconds(gate) - gate_before) / HANDSHAKES;
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
    struct yard yards[KINDS];
    for (size_t k = 0; k < KINDS; k++) {
        snprintf(names[k], sizeof names[k], "CPU of a handshake: %s", kinds[k].name);
        figures[k] = (struct bench_figure){.name = names[k], .unit = "us", .aim = AIM};
        servers[k] = wolf_server_new(&kinds[k], &credentials);
    }
    for (int round = -1; round < ROUNDS; round++) { // the first one warms up
        for (size_t k = 0; k < KINDS; k++) {
            double cost = measure(&gate, &plain, &wire, &plain_wire, servers[k], &kinds[k], &credentials, &yards[k]);
            traffic[k] = wire.traffic;
            if (round >= 0)
                bench_figure_add(&figures[k], cost * 1e6, (yards[k].library + yards[k].io) * 1e6);
        }
    }
    for (size_t k = 0; k < KINDS; k++) {
        bench_figure_print_ratio(&figures[k]);
        fprintf(stderr,
                "handshakes: %s: %.2f datagrams in, %.2f out, %.0f bytes each; the last round's yardstick: wolfSSL "
                "%.1f us, I/O %.1f us\n",
                kinds[k].name, (double)traffic[k].sent / HANDSHAKES, (double)traffic[k].received / HANDSHAKES,
                (double)traffic[k].bytes / (traffic[k].sent + traffic[k].received), yards[k].library * 1e6, yards[k].io * 1e6);
        wolf_server_free(servers[k]);
    }
    bench_stop(&gate);
    bench_stop(&plain);
    bench_credentials_remove(&credentials);
    return 0;
}
