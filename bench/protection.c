// SPDX-License-Identifier: GPL-3.0-or-later
// What protection itself costs, in memory: the AEAD with key expansion and wiping, as the engine calls it, and
// the mask of a record number. No aim is set: it is there to be compared with the cost of a message.
#include "core/aead.h"
#include "crypto/gate.h"
#include "crypto/wolf_aead.h"
#include "measure/process.h"
#include "measure/table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ROUNDS 9
#define CALLS 20000

struct buffers {
    uint8_t key[32], nonce[DG_AEAD_NONCE], aad[23], mask[16];
    uint8_t data[2048], sealed[2048];
};

static double now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double seal_ns(struct buffers *buffers, size_t size)
{
    double before = now_ns();
    for (int i = 0; i < CALLS; i++)
        if (!dg_wolf_aead.seal(DG_AEAD_AES_128_GCM, buffers->key, buffers->nonce, buffers->aad, sizeof buffers->aad,
                               buffers->data, size))
            BENCH_FAIL("seal");
    return (now_ns() - before) / CALLS;
}

// The copy that each opening needs, because it is done in place, is in the figure: some nanoseconds.
static double open_ns(struct buffers *buffers, size_t size)
{
    (void)seal_ns(buffers, size);
    size_t whole = size + 16;
    memcpy(buffers->sealed, buffers->data, whole);
    double before = now_ns();
    for (int i = 0; i < CALLS; i++) {
        memcpy(buffers->data, buffers->sealed, whole);
        if (!dg_wolf_aead.open(DG_AEAD_AES_128_GCM, buffers->key, buffers->nonce, buffers->aad, sizeof buffers->aad,
                               buffers->data, size))
            BENCH_FAIL("open");
    }
    return (now_ns() - before) / CALLS;
}

static double mask_ns(struct buffers *buffers)
{
    double before = now_ns();
    for (int i = 0; i < CALLS; i++)
        if (!dg_wolf_aead.number_mask(DG_AEAD_AES_128_GCM, buffers->key, buffers->data, buffers->mask))
            BENCH_FAIL("mask");
    return (now_ns() - before) / CALLS;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 2)
        BENCH_FAIL("usage: protection");
    if (!dg_crypto_init())
        BENCH_FAIL("the TLS library does not start");
    bench_pin(BENCH_SERVER_CPU);
    static struct buffers buffers = {.key = {1}, .nonce = {2}, .aad = {3}};
    struct bench_figure figures[] = {
        {.name = "Sealing 64 bytes: AES-128-GCM in memory", .unit = "ns"},
        {.name = "Sealing 1200 bytes: AES-128-GCM in memory", .unit = "ns"},
        {.name = "Opening 64 bytes: AES-128-GCM in memory", .unit = "ns"},
        {.name = "Opening 1200 bytes: AES-128-GCM in memory", .unit = "ns"},
        {.name = "Mask of a DTLS 1.3 record number: AES-128 in memory", .unit = "ns"},
    };
    for (int round = -1; round < ROUNDS; round++) { // the first one warms up
        const double costs[] = {seal_ns(&buffers, 64), seal_ns(&buffers, 1200), open_ns(&buffers, 64),
                                open_ns(&buffers, 1200), mask_ns(&buffers)};
        for (size_t i = 0; i < sizeof costs / sizeof costs[0] && round >= 0; i++)
            bench_figure_add(&figures[i], costs[i], 1);
    }
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        bench_figure_print_cost(&figures[i]);
    dg_crypto_cleanup();
    return 0;
}
