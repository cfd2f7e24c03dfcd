// SPDX-License-Identifier: GPL-3.0-or-later
// Hellos without cookies from a million addresses of 127/8, until it is ended or for so many seconds: the flood
// beside which bench/scale measures others. As fast as it can, or at a rate; prints how many went out in a second.
// Reads no answer.
#include "measure/process.h"
#include "measure/wire.h"
#include "support/wolf_client.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RANDOM_AT 27 // after record header, handshake header, version: RFC 6347 4.2.2

static volatile sig_atomic_t is_over;

static void end(int number)
{
    (void)number;
    is_over = 1;
}

static void keep(void *context, const uint8_t *bytes, size_t size)
{
    struct bench_datagram *hello = context;
    if (hello->size == 0 && size <= sizeof hello->bytes) {
        memcpy(hello->bytes, bytes, size);
        hello->size = size;
    }
}

static size_t nothing_comes(void *context, uint8_t *buffer, size_t capacity)
{
    (void)context, (void)buffer, (void)capacity;
    return 0;
}

// What an honest client of DTLS 1.2 sends first.
static struct bench_datagram make_hello(void)
{
    static const uint8_t key[32] = {1};
    struct bench_datagram hello = {.size = 0};
    const struct wolf_client_config config = {.wire = {.context = &hello, .send = keep, .receive = nothing_comes},
                                              .version = 12,
                                              .psk_identity = "device",
                                              .psk_key = key,
                                              .psk_key_size = sizeof key};
    struct wolf_client *client = wolf_client_new(&config);
    if (client == NULL || wolf_client_connect(client) != WOLF_CLIENT_GOES_ON || hello.size == 0)
        BENCH_FAIL("no hello came about");
    wolf_client_free(client);
    return hello;
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Ahead of its rate it sleeps for a millisecond.
static void keep_pace(double began, uint64_t sent, double rate)
{
    static const struct timespec nap = {.tv_nsec = 1000000};
    while (rate > 0 && is_over == 0 && (double)sent > (now() - began) * rate)
        (void)nanosleep(&nap, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        BENCH_FAIL("usage: hello_flood PORT SECONDS RATE (hellos a second; 0: as many as go)");
    (void)signal(SIGTERM, end);
    bench_pin(BENCH_CLIENT_CPU);
    struct bench_wire wire;
    bench_wire_open(&wire, (uint16_t)atoi(argv[1]));
    static struct bench_burst burst = {.count = BENCH_BURST};
    const struct bench_datagram hello = make_hello();
    double began = now(), seconds = atof(argv[2]), rate = atof(argv[3]);
    uint64_t sent = 0;
    while (is_over == 0 && now() - began < seconds) {
        for (int i = 0; i < burst.count; i++) {
            burst.datagrams[i] = hello;
            burst.datagrams[i].source = (uint32_t)(sent + (unsigned)i);
            memcpy(burst.datagrams[i].bytes + RANDOM_AT, &sent, sizeof sent);
        }
        bench_wire_send_burst(&wire, &burst);
        sent += (uint64_t)burst.count;
        keep_pace(began, sent, rate);
    }
    printf("%.0f\n", (double)sent / (now() - began));
    bench_wire_close(&wire);
    return 0;
}
