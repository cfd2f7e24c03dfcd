// SPDX-License-Identifier: GPL-3.0-or-later
// Resident bytes of the server for each idle association: the slope between 10,000 and 50,000 of them.
// Prints lines of the table; judges nothing.
#include "measure/clients.h"
#include "measure/process.h"
#include "measure/table.h"

#include <stdio.h>

#define ROUNDS 5
#define FIRST 10000
#define LAST 50000
#define AIM 1024

// Key exchange is the cheapest there is: an association does not tell afterwards how its keys were agreed on.
static const struct bench_kind kinds[] = {
    {.name = "DTLS 1.2, AES-128-GCM, connection ID of 8 bytes", .version = 12, .suites = "PSK-AES128-GCM-SHA256",
     .group = WOLF_GROUP_X25519, .with_psk = true},
    {.name = "DTLS 1.3, the same, side slots still held", .version = 13, .suites = "TLS13-AES128-GCM-SHA256",
     .group = WOLF_GROUP_X25519, .with_psk = true, .datagrams_after = 1},
};

static double slope(const char *dtlsgate, const struct bench_kind *kind, const struct bench_credentials *credentials)
{
    static const char *const more[] = {"--profile", "iot", NULL};
    struct bench_process gate = bench_start_gate(dtlsgate, credentials, more);
    struct bench_wire wire;
    bench_wire_open(&wire, gate.port);
    uint64_t at_first = 0;
    for (int i = 0; i < LAST; i++) {
        if (i == FIRST)
            at_first = bench_resident_bytes(&gate);
        wire.source++;
        bench_handshake(&wire, kind, credentials, true);
    }
    double bytes = (double)bench_resident_bytes(&gate) - (double)at_first;
    bench_wire_close(&wire);
    bench_stop(&gate);
    return bytes / (LAST - FIRST);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        BENCH_FAIL("usage: idle_memory DTLSGATE");
    static struct bench_credentials credentials;
    bench_credentials_make(argv[1], &credentials);
    bench_pin(BENCH_CLIENT_CPU);
    static struct bench_figure figures[2];
    static char names[2][96];
    for (size_t k = 0; k < 2; k++) {
        snprintf(names[k], sizeof names[k], "Memory of an idle association: %s", kinds[k].name);
        figures[k] = (struct bench_figure){.name = names[k], .unit = "bytes", .aim = k == 0 ? AIM : 0};
    }
    for (int round = 0; round < ROUNDS; round++)
        bench_figure_add(&figures[0], slope(argv[1], &kinds[0], &credentials), 1);
    bench_figure_add(&figures[1], slope(argv[1], &kinds[1], &credentials), 1);
    for (size_t k = 0; k < 2; k++)
        bench_figure_print_cost(&figures[k]);
    bench_credentials_remove(&credentials);
    return 0;
}
