// SPDX-License-Identifier: GPL-3.0-or-later
// Server CPU of an echoed message where 100,000 associations take turns, so that none is in a cache when its turn
// comes, as a ratio to the plain echo of the same datagrams from as many addresses. Prints lines of the table; judges
// nothing.
#include "measure/compare.h"

#include <stdio.h>

#define ASSOCIATIONS 100000
#define ROUNDS 5
#define BURSTS (ASSOCIATIONS / BENCH_BURST) // each association once in a round
#define BURSTS_PACED 160
#define AIM 1.3

// The cheapest key exchange there is: an association does not tell afterwards how its keys were agreed on.
static const struct bench_kind kind = {.name = "DTLS 1.2, connection ID", .version = 12,
                                       .suites = "PSK-AES128-GCM-SHA256", .group = WOLF_GROUP_X25519, .with_psk = true};

int main(int argc, char **argv)
{
    if (argc != 2)
        BENCH_FAIL("usage: crowd DTLSGATE");
    static struct bench_credentials credentials;
    bench_credentials_make(argv[1], &credentials);
    static const char *const more[] = {"--profile", "iot", "--handshake-timeout", "1", NULL};
    static struct bench_side gate, plain;
    gate.process = bench_start_gate(argv[1], &credentials, more);
    plain.process = bench_start_plain_echo();
    bench_pin(BENCH_CLIENT_CPU);
    bench_wire_open(&gate.wire, gate.process.port);
    bench_wire_open(&plain.wire, plain.process.port);
    struct bench_clients *clients = bench_clients_new(&gate.wire, &kind, &credentials, ASSOCIATIONS);

    struct bench_figure saturated = {.name = "CPU of an echoed message of 64 bytes: 100,000 associations in turn, full batches",
                                     .unit = "us", .aim = AIM};
    struct bench_figure paced = {.name = "CPU of an echoed message of 64 bytes: 100,000 associations in turn, 20000 a second",
                                 .unit = "us", .aim = AIM};
    struct bench_comparison comparison = {
        .gate = &gate, .plain = &plain, .clients = clients, .size = 64, .bursts = BURSTS};
    for (int round = -1; round < ROUNDS; round++) { // the first one frees what is left of the handshakes
        struct bench_figure warming = {.name = saturated.name};
        comparison.bursts = BURSTS;
        bench_compare_saturated(&comparison, round < 0 ? &warming : &saturated);
        comparison.bursts = BURSTS_PACED;
        if (round >= 0)
            bench_compare_paced(&comparison, &paced);
    }
    bench_figure_print_ratio(&saturated);
    bench_figure_print_ratio(&paced);
    fprintf(stderr, "crowd: %u sent to both servers, %u lost\n", bench_compare_sent(), bench_compare_lost());
    bench_clients_free(clients);
    bench_stop(&gate.process);
    bench_stop(&plain.process);
    bench_credentials_remove(&credentials);
    return 0;
}
