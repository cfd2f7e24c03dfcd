// SPDX-License-Identifier: GPL-3.0-or-later
// Server CPU of an echoed message, as a ratio to a plain UDP echo of the same datagrams in the
// same batches: each burst waits for the server as a whole. Prints lines of the table; judges nothing.
#include "measure/clients.h"
#include "measure/process.h"
#include "measure/table.h"

#include <stdio.h>

#define ROUNDS 9
#define BURSTS 125 // of 128 messages: 16,000 a measurement
#define AIM 1.5

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

static unsigned sent, lost;

struct server {
    struct bench_process process;
    struct bench_wire *wire;
    double seconds;
    unsigned back;
};

static void echo_burst(struct server *server, const struct bench_burst *burst)
{
    bench_hold(&server->process);
    bench_wire_send_burst(server->wire, burst);
    bench_release(&server->process);
    server->back += (unsigned)bench_wire_collect(server->wire, burst->count);
}

// What holding and releasing costs a server by itself: it is no part of the work.
static double measure_hold(const struct server *server)
{
    double before = bench_cpu_seconds(&server->process);
    for (int i = 0; i < BURSTS; i++) {
        bench_hold(&server->process);
        bench_release(&server->process);
    }
    return bench_cpu_seconds(&server->process) - before;
}

// One round, the servers taking turns burst by burst, so that what disturbs the machine meets both.
static void measure(struct server *gate, struct server *plain, struct bench_clients *clients, size_t size,
                    struct bench_figure *ret)
{
    static struct bench_burst burst;
    struct server *both[] = {plain, gate};
    for (int i = 0; i < 2; i++) {
        both[i]->back = 0;
        both[i]->seconds = -bench_cpu_seconds(&both[i]->process);
    }
    for (int i = 0; i < BURSTS; i++) {
        bench_clients_burst(clients, size, &burst);
        echo_burst(plain, &burst);
        echo_burst(gate, &burst);
    }
    for (int i = 0; i < 2; i++) {
        both[i]->seconds += bench_cpu_seconds(&both[i]->process);
        both[i]->seconds -= measure_hold(both[i]);
        sent += BURSTS * BENCH_BURST;
        lost += BURSTS * BENCH_BURST - both[i]->back;
    }
    bench_figure_add(ret, gate->seconds * 1e6 / gate->back, plain->seconds * 1e6 / plain->back);
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
    struct server gate = {.process = bench_start_gate(argv[1], &credentials, more)};
    struct server plain = {.process = bench_start_plain_echo()};
    bench_pin(BENCH_CLIENT_CPU);

    static struct bench_wire gate_wires[KINDS];
    static struct bench_figure figures[KINDS][SIZES];
    static char names[KINDS][SIZES][96];
    struct bench_clients *clients[KINDS];
    static struct bench_wire plain_wire;
    bench_wire_open(&plain_wire, plain.process.port);
    plain.wire = &plain_wire;
    for (size_t k = 0; k < KINDS; k++) {
        bench_wire_open(&gate_wires[k], gate.process.port);
        clients[k] = bench_clients_new(&gate_wires[k], &kinds[k], &credentials);
        for (size_t s = 0; s < SIZES; s++) {
            snprintf(names[k][s], sizeof names[k][s], "CPU of an echoed message of %zu bytes: %s", sizes[s], kinds[k].name);
            // The aims are set for associations with connection IDs.
            figures[k][s] = (struct bench_figure){
                .name = names[k][s], .unit = "us", .aim = kinds[k].without_cid ? 0 : AIM};
        }
    }
    for (int round = -1; round < ROUNDS; round++) { // the first one warms up
        for (size_t k = 0; k < KINDS; k++) {
            for (size_t s = 0; s < SIZES; s++) {
                struct bench_figure warming = {.name = names[k][s]};
                gate.wire = &gate_wires[k];
                measure(&gate, &plain, clients[k], sizes[s], round < 0 ? &warming : &figures[k][s]);
            }
        }
    }
    for (size_t k = 0; k < KINDS; k++)
        for (size_t s = 0; s < SIZES; s++)
            bench_figure_print_ratio(&figures[k][s]);
    fprintf(stderr, "messages: %u sent to both servers, %u lost\n", sent, lost);

    for (size_t k = 0; k < KINDS; k++)
        bench_clients_free(clients[k]);
    bench_stop(&gate.process);
    bench_stop(&plain.process);
    bench_credentials_remove(&credentials);
    return 0;
}
