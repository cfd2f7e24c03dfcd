// SPDX-License-Identifier: GPL-3.0-or-later
// Hellos without cookies from a million addresses of 127/8, until it is ended or for so many seconds: the flood
// beside which bench/scale measures others. As fast as it can, or at a rate; prints how many went out in a second.
// Reads no answer.
#include "measure/process.h"
#include "measure/wire.h"
#include "support/first_hello.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t is_over;

static void end(int number)
{
    (void)number;
    is_over = 1;
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
    struct bench_datagram hello;
    hello.size = first_hello(12, hello.bytes, sizeof hello.bytes);
    double began = now(), seconds = atof(argv[2]), rate = atof(argv[3]);
    uint64_t sent = 0;
    while (is_over == 0 && now() - began < seconds) {
        for (int i = 0; i < burst.count; i++) {
            burst.datagrams[i] = hello;
            burst.datagrams[i].source = (uint32_t)(sent + (unsigned)i);
            memcpy(burst.datagrams[i].bytes + FIRST_HELLO_RANDOM_AT, &sent, sizeof sent);
        }
        bench_wire_send_burst(&wire, &burst);
        sent += (uint64_t)burst.count;
        keep_pace(began, sent, rate);
    }
    printf("%.0f\n", (double)sent / (now() - began));
    bench_wire_close(&wire);
    return 0;
}
