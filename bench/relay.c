// SPDX-License-Identifier: GPL-3.0-or-later
// Server CPU of a message through each backend to a service and of its answer back. `udp:` as a ratio to a plain relay
// with a connected socket for each client, which gets the same datagrams; the others as ratios to `udp:`, which was
// measured in the same round. The services, plain echoes, run on the load's processor. Prints lines of the table; judges
// nothing.
#include "measure/compare.h"
#include "measure/plain_echo.h"
#include "measure/plain_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROUNDS 7
#define ROUNDS_PACED 5
#define BURSTS 60
#define ASSOCIATIONS 200
#define AIM 1.2
#define UNIX_BATCH 64
#define UNIX_BYTES 2048

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

static __attribute__((noreturn)) void run_unix_echo(void *context)
{
    static uint8_t bytes[UNIX_BATCH][UNIX_BYTES];
    static struct sockaddr_un names[UNIX_BATCH];
    static struct iovec vectors[UNIX_BATCH];
    static struct mmsghdr messages[UNIX_BATCH];
    int fd = *(int *)context;
    for (;;) {
        for (int i = 0; i < UNIX_BATCH; i++) {
            vectors[i] = (struct iovec){bytes[i], UNIX_BYTES};
            messages[i].msg_hdr = (struct msghdr){
                .msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &vectors[i], .msg_iovlen = 1};
        }
        int count = recvmmsg(fd, messages, UNIX_BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < count; i++)
            vectors[i].iov_len = messages[i].msg_len;
        for (int sent = 0; sent < count;) {
            int now = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0);
            sent += now > 0 ? now : 1;
        }
    }
}

static struct bench_process start_unix_service(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) != 0)
        BENCH_FAIL("the service opens no socket at %s", path);
    return bench_start_child(0, BENCH_CLIENT_CPU, run_unix_echo, &fd);
}

static struct bench_process start_relay(uint16_t service)
{
    uint16_t port;
    struct plain_relay relay = {.fd = plain_echo_open(&port), .service = service};
    if (relay.fd < 0)
        BENCH_FAIL("the plain relay opens no socket");
    return bench_start_child(port, BENCH_SERVER_CPU, plain_relay_run, &relay);
}

// A gate to one backend, with clients of its own.
struct way {
    const char *backend;
    struct bench_side side;
    struct bench_clients *clients;
    struct bench_figure saturated, paced; // beside the plain relay
    struct bench_figure to_udp, to_udp_paced;
};

static void open_way(struct way *way, const char *dtlsgate, const struct bench_credentials *credentials)
{
    static const char *const more[] = {"--handshake-timeout", "1", NULL};
    way->side.process = bench_start_gate_to(way->backend, dtlsgate, credentials, more);
    bench_wire_open(&way->side.wire, way->side.process.port);
    way->clients = bench_clients_new(&way->side.wire, &kind, credentials, ASSOCIATIONS);
}

static void measure(struct way *way, struct bench_side *plain, bool is_paced)
{
    const struct bench_comparison comparison = {
        .gate = &way->side, .plain = plain, .clients = way->clients, .size = 64, .bursts = BURSTS};
    if (is_paced)
        bench_compare_paced(&comparison, &way->paced);
    else
        bench_compare_saturated(&comparison, &way->saturated);
}

static void relate(struct bench_figure *ret, const struct bench_figure *way, const struct bench_figure *udp)
{
    bench_figure_add(ret, way->cost[way->rounds - 1], udp->cost[udp->rounds - 1]);
}

#define NAME(what, how) "CPU of 64 bytes " what ": DTLS 1.2, connection ID, " how
#define FIGURES(what, beside)                                                                                     \
    .saturated = {.name = NAME(what, "full batches"), .unit = "us", .aim = AIM},                                  \
    .paced = {.name = NAME(what, "20000 a second"), .unit = "us", .aim = AIM},                                    \
    .to_udp = {.name = NAME(what beside, "full batches"), .unit = "us"},                                          \
    .to_udp_paced = {.name = NAME(what beside, "20000 a second"), .unit = "us"}

int main(int argc, char **argv)
{
    if (argc != 2)
        BENCH_FAIL("usage: relay DTLSGATE");
    static struct bench_credentials credentials;
    char folder[] = "/tmp/dtlsgate-relay-XXXXXX", path[64], udp[64], proxy_udp[64], proxy_unix[80];
    if (mkdtemp(folder) == NULL)
        BENCH_FAIL("no folder in /tmp");
    bench_credentials_make(argv[1], &credentials);
    snprintf(path, sizeof path, "%s/service", folder);
    struct bench_process service = start_service(), unix_service = start_unix_service(path);
    snprintf(udp, sizeof udp, "udp:127.0.0.1:%u", service.port);
    snprintf(proxy_udp, sizeof proxy_udp, "proxy-udp:127.0.0.1:%u", service.port);
    snprintf(proxy_unix, sizeof proxy_unix, "proxy-unix:%s", path);
    static struct way ways[] = {
        {FIGURES("through udp: and back", "")},
        {FIGURES("through proxy-udp: and back", ", beside udp:")},
        {FIGURES("through proxy-unix: and back", ", beside udp:")},
        {.backend = "echo", FIGURES("by echo", ", beside udp:")},
    };
    const size_t count = sizeof ways / sizeof ways[0];
    ways[0].backend = udp, ways[1].backend = proxy_udp, ways[2].backend = proxy_unix;
    bench_pin(BENCH_CLIENT_CPU);
    static struct bench_side plain;
    plain.process = start_relay(service.port);
    bench_wire_open(&plain.wire, plain.process.port);
    for (size_t i = 0; i < count; i++)
        open_way(&ways[i], argv[1], &credentials);
    for (size_t i = 0; i < count; i++) { // the first round warms up
        measure(&ways[i], &plain, false);
        ways[i].saturated.rounds = 0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < count; i++) {
            measure(&ways[i], &plain, false);
            relate(&ways[i].to_udp, &ways[i].saturated, &ways[0].saturated);
        }
        for (size_t i = 0; i < count && round < ROUNDS_PACED; i++) {
            measure(&ways[i], &plain, true);
            relate(&ways[i].to_udp_paced, &ways[i].paced, &ways[0].paced);
        }
    }
    bench_figure_print_ratio(&ways[0].saturated);
    bench_figure_print_ratio(&ways[0].paced);
    for (size_t i = 1; i < count; i++) {
        bench_figure_print_ratio(&ways[i].to_udp);
        bench_figure_print_ratio(&ways[i].to_udp_paced);
    }
    fprintf(stderr, "relay: %u sent to all servers, %u lost\n", bench_compare_sent(), bench_compare_lost());
    for (size_t i = 0; i < count; i++) {
        bench_clients_free(ways[i].clients);
        bench_stop(&ways[i].side.process);
    }
    bench_stop(&plain.process);
    bench_stop(&service);
    bench_stop(&unix_service);
    bench_credentials_remove(&credentials);
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}
