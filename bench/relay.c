// SPDX-License-Identifier: GPL-3.0-or-later
// Server CPU of a message through the backend `udp:` to a service and of its answer back, as a ratio to a plain relay
// with a connected socket for each client. The service, a plain echo, runs on the load's processor. Prints lines of
// the table; judges nothing.
#include "measure/compare.h"
#include "measure/plain_echo.h"
#include "measure/plain_relay.h"

#include <stdio.h>

#define ROUNDS 7
#define ROUNDS_PACED 5
#define BURSTS 60
#define ASSOCIATIONS 200
#define AIM 1.2

static const struct bench_kind kind = {.name = "DTLS 1.2, connection ID", .version = 12,
                                       .suites = "ECDHE-PSK-AES128-GCM-SHA256", .group = WOLF_GROUP_X25519,
                                       .with_psk = true};

static void run_echo(void *fd) { plain_echo_run(*(int *)fd); }

static struct bench_process start_service(void)
{
    uint16_t port;
    int fd = plain_echo_open(&port);
    if (fd < 0)
        BENCH_FAIL("the service opens no socket");
    return bench_start_child(port, BENCH_CLIENT_CPU, run_echo, &fd);
}

static struct bench_process start_relay(uint16_t service)
{
    uint16_t port;
    struct plain_relay relay = {.fd = plain_echo_open(&port), .service = service};
    if (relay.fd < 0)
        BENCH_FAIL("the plain relay opens no socket");
    return bench_start_child(port, BENCH_SERVER_CPU, plain_relay_run, &relay);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        BENCH_FAIL("usage: relay DTLSGATE");
    static struct bench_credentials credentials;
    bench_credentials_make(argv[1], &credentials);
    struct bench_process service = start_service();
    static const char *const more[] = {"--handshake-timeout", "1", NULL};
    char backend[64];
    snprintf(backend, sizeof backend, "udp:127.0.0.1:%u", service.port);
    static struct bench_side gate, plain;
    gate.process = bench_start_gate_to(backend, argv[1], &credentials, more);
    plain.process = start_relay(service.port);
    bench_pin(BENCH_CLIENT_CPU);
    bench_wire_open(&gate.wire, gate.process.port);
    bench_wire_open(&plain.wire, plain.process.port);
    struct bench_clients *clients = bench_clients_new(&gate.wire, &kind, &credentials, ASSOCIATIONS);

    struct bench_figure saturated = {.name = "CPU of 64 bytes through udp: and back: DTLS 1.2, connection ID, full batches",
                                     .unit = "us", .aim = AIM};
    struct bench_figure paced = {.name = "CPU of 64 bytes through udp: and back: DTLS 1.2, connection ID, 20000 a second",
                                 .unit = "us", .aim = AIM};
    const struct bench_comparison comparison = {
        .gate = &gate, .plain = &plain, .clients = clients, .size = 64, .bursts = BURSTS};
    for (int round = -1; round < ROUNDS; round++) { // the first one warms up
        struct bench_figure warming = {.name = saturated.name};
        bench_compare_saturated(&comparison, round < 0 ? &warming : &saturated);
        if (round >= 0 && round < ROUNDS_PACED)
            bench_compare_paced(&comparison, &paced);
    }
    bench_figure_print_ratio(&saturated);
    bench_figure_print_ratio(&paced);
    fprintf(stderr, "relay: %u sent to both servers, %u lost\n", bench_compare_sent(), bench_compare_lost());
    bench_clients_free(clients);
    bench_stop(&gate.process);
    bench_stop(&plain.process);
    bench_stop(&service);
    bench_credentials_remove(&credentials);
    return 0;
}
