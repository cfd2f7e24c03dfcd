// SPDX-License-Identifier: GPL-3.0-or-later
// Server CPU of an echoed message, as a ratio to a plain UDP echo of the same datagrams: in full batches, and at a
// fixed rate. Prints lines of the table; judges nothing.
#include "measure/compare.h"

#include <stdio.h>

#define ROUNDS 9
#define ROUNDS_PACED 5
#define BURSTS 125 // of 128 messages: 16,000 a measurement
#define ASSOCIATIONS 200

static const struct bench_kind kinds[] = {
    {.name = "DTLS 1.2, connection ID", .version = 12, .suites = "ECDHE-PSK-AES128-GCM-SHA256",
     .group = WOLF_GROUP_X25519, .with_psk = true},
    {.name = "DTLS 1.3, connection ID", .version = 13, .suites = "TLS13-AES128-GCM-SHA256",
     .group = WOLF_GROUP_X25519, .with_psk = true},
    {.name = "DTLS 1.2, by address", .version = 12, .suites = "ECDHE-PSK-AES128-GCM-SHA256",
     .group = WOLF_GROUP_X25519, .with_psk = true, .without_cid = true},
};
#define KINDS (sizeof kinds / sizeof kinds[0])
static const size_t sizes[] = {64, 1200};
#define SIZES (sizeof sizes / sizeof sizes[0])

// The aims are set for associations with connection IDs.
static double aim_of(const struct bench_kind *kind, size_t size)
{
    if (kind->without_cid)
        return 0;
    return kind->version == 12 && size == 64 ? 1.15 : 1.25;
}

struct lane {
    struct bench_clients *clients;
    struct bench_side gate;
    struct bench_figure saturated[SIZES], paced[SIZES];
    char saturated_names[SIZES][112], paced_names[SIZES][112];
};

static void begin(struct lane *lane, const struct bench_kind *kind, const struct bench_process *gate,
                  const struct bench_credentials *credentials)
{
    lane->gate.process = *gate;
    bench_wire_open(&lane->gate.wire, gate->port);
    lane->clients = bench_clients_new(&lane->gate.wire, kind, credentials, ASSOCIATIONS);
    for (size_t s = 0; s < SIZES; s++) {
        snprintf(lane->saturated_names[s], sizeof lane->saturated_names[s],
                 "CPU of an echoed message of %zu bytes: %s, full batches", sizes[s], kind->name);
        snprintf(lane->paced_names[s], sizeof lane->paced_names[s],
                 "CPU of an echoed message of %zu bytes: %s, %d a second", sizes[s], kind->name, BENCH_RATE);
        const double aim = aim_of(kind, sizes[s]);
        lane->saturated[s] = (struct bench_figure){.name = lane->saturated_names[s], .unit = "us", .aim = aim};
        lane->paced[s] = (struct bench_figure){.name = lane->paced_names[s], .unit = "us", .aim = aim};
    }
}

static void measure(struct lane *lane, struct bench_side *plain, int round)
{
    for (size_t s = 0; s < SIZES; s++) {
        struct bench_figure warming = {.name = lane->saturated_names[s]};
        const struct bench_comparison comparison = {
            .gate = &lane->gate, .plain = plain, .clients = lane->clients, .size = sizes[s], .bursts = BURSTS};
        bench_compare_saturated(&comparison, round < 0 ? &warming : &lane->saturated[s]);
        if (round >= 0 && round < ROUNDS_PACED)
            bench_compare_paced(&comparison, &lane->paced[s]);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        BENCH_FAIL("usage: messages DTLSGATE");
    static struct bench_credentials credentials;
    bench_credentials_make(argv[1], &credentials);
    // For as long as a handshake may take, what comes from its address is copied in case that it belongs to
    // the next one. The warming round outlasts this short time: associations are measured, not their beginning.
    static const char *const more[] = {"--handshake-timeout", "1", NULL};
    struct bench_process gate = bench_start_gate(argv[1], &credentials, more);
    static struct bench_side plain;
    plain.process = bench_start_plain_echo();
    bench_pin(BENCH_CLIENT_CPU);
    bench_wire_open(&plain.wire, plain.process.port);

    static struct lane lanes[KINDS];
    for (size_t k = 0; k < KINDS; k++)
        begin(&lanes[k], &kinds[k], &gate, &credentials);
    for (int round = -1; round < ROUNDS; round++) // the first one warms up
        for (size_t k = 0; k < KINDS; k++)
            measure(&lanes[k], &plain, round);
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t s = 0; s < SIZES; s++) {
            bench_figure_print_ratio(&lanes[k].saturated[s]);
            bench_figure_print_ratio(&lanes[k].paced[s]);
        }
    }
    fprintf(stderr, "messages: %u sent to both servers, %u lost\n", bench_compare_sent(), bench_compare_lost());

    for (size_t k = 0; k < KINDS; k++)
        bench_clients_free(lanes[k].clients);
    bench_stop(&gate);
    bench_stop(&plain.process);
    bench_credentials_remove(&credentials);
    return 0;
}
