// SPDX-License-Identifier: GPL-3.0-or-later
// CPU of a ClientHello without a cookie, as a ratio to wolfSSL's stateless call for the same hello plus what a plain
// server pays for a datagram in and one out of these sizes; and whether strangers make the process grow. Prints
// lines of the table; judges nothing.
#include "measure/clients.h"
#include "measure/process.h"
#include "measure/table.h"
#include "measure/wolf_server.h"

#include <stdio.h>

#define ROUNDS 9
#define BURSTS 60 // of 128 hellos
#define HELLOS (BURSTS * BENCH_BURST)
#define AIM 1.20

static const struct bench_kind kinds[] = {
    {.name = "DTLS 1.2", .version = 12, .suites = "ECDHE-ECDSA-AES128-GCM-SHA256", .group = WOLF_GROUP_P256},
    {.name = "DTLS 1.3, key share of X25519", .version = 13, .suites = "TLS13-AES128-GCM-SHA256",
     .group = WOLF_GROUP_X25519},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

struct yard {
    struct bench_credentials credentials;
    struct bench_process gate, plain;
    struct bench_wire wire, plain_wire;
    unsigned sent, answered;
};

struct lane {
    const struct bench_kind *kind;
    struct wolf_server *server;
    char name[96];
    struct bench_figure figure;
    struct bench_burst hellos, orders; // the same sizes
    size_t answer_size;
};

static void begin(struct yard *yard, struct lane *lane, const struct bench_kind *kind)
{
    lane->kind = kind;
    snprintf(lane->name, sizeof lane->name, "CPU of a ClientHello without cookie: %s", kind->name);
    lane->figure = (struct bench_figure){.name = lane->name, .unit = "us", .aim = AIM};
    lane->server = wolf_server_new(kind, &yard->credentials);
    bench_client_hello(&yard->wire, kind, &yard->credentials, &lane->hellos.datagrams[0]);
    lane->hellos.count = 1;
    uint8_t answer[BENCH_DATAGRAM_MAX];
    bench_wire_send_burst(&yard->wire, &lane->hellos);
    if (!bench_wire_wait(&yard->wire, 1000))
        BENCH_FAIL("%s: no answer to a hello", kind->name);
    lane->answer_size = bench_wire_receive(&yard->wire, answer, sizeof answer);
    struct bench_datagram order = {
        .bytes = {1, (uint8_t)(lane->answer_size >> 8), (uint8_t)lane->answer_size},
        .size = lane->hellos.datagrams[0].size,
    };
    for (uint32_t i = 0; i < BENCH_BURST; i++) {
        lane->hellos.datagrams[i] = lane->hellos.datagrams[0];
        lane->orders.datagrams[i] = order;
        lane->hellos.datagrams[i].source = lane->orders.datagrams[i].source = i;
    }
    lane->hellos.count = lane->orders.count = BENCH_BURST;
}

static void storm(struct yard *yard, const struct bench_wire *wire, const struct bench_burst *burst)
{
    bench_wire_send_burst(wire, burst);
    yard->sent += BENCH_BURST;
    yard->answered += (unsigned)bench_wire_collect(wire, BENCH_BURST);
}

// One round, the servers taking turns after each burst.
static void measure(struct yard *yard, struct lane *lane, int round)
{
    double gate = bench_cpu_seconds(&yard->gate), plain = bench_cpu_seconds(&yard->plain), library = 0;
    const struct bench_datagram *hello = &lane->hellos.datagrams[0];
    for (int i = 0; i < BURSTS; i++) {
        storm(yard, &yard->wire, &lane->hellos);
        storm(yard, &yard->plain_wire, &lane->orders);
        library += wolf_server_hello(lane->server, hello->bytes, hello->size, BENCH_BURST) / BURSTS;
    }
    gate = (bench_cpu_seconds(&yard->gate) - gate) / HELLOS;
    plain = (bench_cpu_seconds(&yard->plain) - plain) / HELLOS;
    if (round >= 0)
        bench_figure_add(&lane->figure, gate * 1e6, (plain + library) * 1e6);
    if (round == ROUNDS - 1)
        fprintf(stderr, "hellos: %s: %zu bytes in, %zu out; the last round's yardstick: wolfSSL %.2f us, I/O %.2f us\n",
                lane->kind->name, hello->size, lane->answer_size, library * 1e6, plain * 1e6);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        BENCH_FAIL("usage: hellos DTLSGATE");
    static struct yard yard;
    static struct lane lanes[KINDS];
    bench_credentials_make(argv[1], &yard.credentials);
    static const char *const no_more[] = {NULL};
    yard.gate = bench_start_gate(argv[1], &yard.credentials, no_more);
    yard.plain = bench_start_plain_answers();
    bench_pin(BENCH_CLIENT_CPU);
    bench_wire_open(&yard.wire, yard.gate.port);
    bench_wire_open(&yard.plain_wire, yard.plain.port);
    for (size_t k = 0; k < KINDS; k++)
        begin(&yard, &lanes[k], &kinds[k]);
    uint64_t resident = 0;
    for (int round = -1; round < ROUNDS; round++) { // the first one warms up
        for (size_t k = 0; k < KINDS; k++)
            measure(&yard, &lanes[k], round);
        if (round < 0)
            resident = bench_resident_bytes(&yard.gate);
    }
    double grown = (double)bench_resident_bytes(&yard.gate) - (double)resident;
    for (size_t k = 0; k < KINDS; k++) {
        bench_figure_print_ratio(&lanes[k].figure);
        wolf_server_free(lanes[k].server);
    }
    char name[96];
    snprintf(name, sizeof name, "Memory grown by %zu hellos without cookie", ROUNDS * KINDS * (size_t)HELLOS);
    struct bench_figure growth = {.name = name, .unit = "KiB", .aim = 0.4}; // rounded, the aim is 0
    bench_figure_add(&growth, grown / 1024, 1);
    bench_figure_print_cost(&growth);
    fprintf(stderr, "hellos: %u sent to both servers, %u of them not answered\n", yard.sent, yard.sent - yard.answered);
    bench_stop(&yard.gate);
    bench_stop(&yard.plain);
    bench_credentials_remove(&yard.credentials);
    return 0;
}
