// SPDX-License-Identifier: GPL-3.0-or-later
// CPU of a handshake, as a ratio to wolfSSL in memory with the same credentials and suites plus what a plain
// server pays for the same datagrams: as many, as long, in the same order and at the same pace. Prints lines
// of the table; judges nothing.
#include "measure/clients.h"
#include "measure/handshake_kinds.h"
#include "measure/process.h"
#include "measure/table.h"
#include "measure/wolf_server.h"

#include <stdio.h>

#define ROUNDS 9
#define HANDSHAKES 120 // a measurement
#define AIM 1.15
#define KINDS BENCH_HANDSHAKE_KINDS

struct lane {
    const struct bench_kind *kind;
    struct wolf_server *server;
    struct wolf_session *session;
    char name[96];
    struct bench_figure figure;
    // against the simplest server over a socket: what a real one pays besides the sum of the parts is in both
    struct bench_process simple;
    struct bench_wire simple_wire;
    char simple_name[112];
    struct bench_figure simple_figure;
    // of the last round, for the notes: of one handshake
    double library, io, simple_cost;
    struct bench_traffic traffic;
};

struct yard {
    struct bench_credentials credentials;
    struct bench_process gate, plain;
    struct bench_wire wire, plain_wire;
};

// One round, gate and yardsticks taking turns, so that what disturbs the machine meets all. Returns the CPU
// seconds of one handshake at the gate.
static double measure(struct yard *yard, struct lane *lane)
{
    struct bench_wire *wire = &yard->wire;
    double gate_before = bench_cpu_seconds(&yard->gate), plain_before = bench_cpu_seconds(&yard->plain);
    double simple_before = bench_cpu_seconds(&lane->simple);
    lane->library = 0;
    wire->traffic = (struct bench_traffic){0};
    wire->session = lane->session;
    for (int i = 0; i < HANDSHAKES; i++) {
        struct bench_script script = {.count = 0};
        wire->source++;
        wire->script = &script;
        bench_handshake(wire, lane->kind, &yard->credentials, false);
        wire->script = NULL;
        lane->library += wolf_server_handshake(lane->server) / HANDSHAKES;
        yard->plain_wire.source = wire->source;
        bench_wire_play(&yard->plain_wire, &script);
        lane->simple_wire.source = wire->source;
        bench_handshake(&lane->simple_wire, lane->kind, &yard->credentials, false);
    }
    lane->simple_cost = (bench_cpu_seconds(&lane->simple) - simple_before) / HANDSHAKES;
    lane->traffic = wire->traffic;
    lane->io = (bench_cpu_seconds(&yard->plain) - plain_before) / HANDSHAKES;
    return (bench_cpu_seconds(&yard->gate) - gate_before) / HANDSHAKES;
}

static void begin(struct yard *yard, struct lane *lane, const struct bench_kind *kind)
{
    lane->kind = kind;
    snprintf(lane->name, sizeof lane->name, "CPU of a handshake: %s", kind->name);
    lane->figure = (struct bench_figure){.name = lane->name, .unit = "us", .aim = AIM};
    snprintf(lane->simple_name, sizeof lane->simple_name, "the same against wolfSSL's simplest UDP server: %s", kind->name);
    lane->simple_figure = (struct bench_figure){.name = lane->simple_name, .unit = "us"};
    lane->server = wolf_server_new(kind, &yard->credentials);
    lane->simple = wolf_server_start(lane->server);
    bench_wire_open(&lane->simple_wire, lane->simple.port);
    if (!kind->resumes)
        return;
    bench_session_begin(&lane->simple_wire, kind, &yard->credentials);
    bench_session_begin(&yard->wire, kind, &yard->credentials);
    lane->session = yard->wire.session;
}

static void note(const struct lane *lane)
{
    const struct bench_traffic *gate = &lane->traffic;
    struct bench_traffic library = wolf_server_traffic(lane->server);
    fprintf(stderr,
            "handshakes: %s: %.2f datagrams in, %.2f out, %.0f bytes each (wolfSSL in memory: %u in, %u out); the "
            "last round's yardstick: wolfSSL %.1f us, I/O %.1f us\n",
            lane->kind->name, (double)gate->sent / HANDSHAKES, (double)gate->received / HANDSHAKES,
            (double)gate->bytes / (gate->sent + gate->received), library.sent, library.received, lane->library * 1e6,
            lane->io * 1e6);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        BENCH_FAIL("usage: handshakes DTLSGATE");
    static struct yard yard;
    static struct lane lanes[KINDS];
    bench_credentials_make(argv[1], &yard.credentials);
    static const char *const with_psk[] = {"--profile", "iot", NULL}; // plain PSK too
    yard.gate = bench_start_gate(argv[1], &yard.credentials, with_psk);
    yard.plain = bench_start_plain_answers();
    bench_pin(BENCH_CLIENT_CPU);
    bench_wire_open(&yard.wire, yard.gate.port);
    bench_wire_open(&yard.plain_wire, yard.plain.port);
    for (size_t k = 0; k < KINDS; k++)
        begin(&yard, &lanes[k], &bench_handshake_kinds[k]);
    for (int round = -1; round < ROUNDS; round++) { // the first one warms up
        for (size_t k = 0; k < KINDS; k++) {
            double cost = measure(&yard, &lanes[k]);
            if (round < 0)
                continue;
            bench_figure_add(&lanes[k].figure, cost * 1e6, (lanes[k].library + lanes[k].io) * 1e6);
            bench_figure_add(&lanes[k].simple_figure, cost * 1e6, lanes[k].simple_cost * 1e6);
        }
    }
    for (size_t k = 0; k < KINDS; k++) {
        bench_figure_print_ratio(&lanes[k].figure);
        bench_figure_print_ratio(&lanes[k].simple_figure);
        note(&lanes[k]);
        bench_stop(&lanes[k].simple);
        wolf_session_free(lanes[k].simple_wire.session);
        wolf_server_free(lanes[k].server);
        wolf_session_free(lanes[k].session);
    }
    bench_stop(&yard.gate);
    bench_stop(&yard.plain);
    bench_credentials_remove(&yard.credentials);
    return 0;
}
