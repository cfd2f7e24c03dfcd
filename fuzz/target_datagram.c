// SPDX-License-Identifier: GPL-3.0-or-later
// Datagrams of the fuzzer's for an engine with associations of every form. Its AEAD opens whatever it is
// given, so that the bytes reach what lies behind the cryptography.
//
// Input: a byte of settings (what the owner does, how long our connection IDs are), then datagrams: 1 byte (0..2 address, 3 1: time passes instead, by the byte that
// follows), 2 bytes of length, bytes.
#include "fuzz.h"

#include "core/engine_internal.h"
#include "support/fake_peer.h"
#include "support/sim_audit.h"
#include "support/sim_clock.h"

#include <stdlib.h>
#include <string.h>

static const struct fake_setup SETUPS[] = {
    {.version = 12, .aead = DG_AEAD_AES_128_GCM},
    {.version = 12, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .has_flight = true},
    {.version = 12, .aead = DG_AEAD_CHACHA20_POLY1305, .has_cid = true, .peer_cid_size = 30},
    {.version = 12, .aead = DG_AEAD_AES_128_CCM_8, .has_flight = true},
    {.version = 13, .aead = DG_AEAD_AES_128_GCM},
    {.version = 13, .aead = DG_AEAD_AES_256_GCM, .has_cid = true, .has_flight = true},
    {.version = 13, .aead = DG_AEAD_AES_128_CCM_8, .has_cid = true, .peer_cid_size = 5},
    {.version = 13, .aead = DG_AEAD_CHACHA20_POLY1305, .has_flight = true},
};
#define PEERS (sizeof SETUPS / sizeof SETUPS[0])

// Of the server's connection IDs, by settings.
static const uint8_t CID_SIZES[] = {8, 4, 5, 16, 15, 6, 7, 12};

static struct fake_server server;
static struct fake_peer peers[PEERS];

static void holds(void)
{
    CHECK_EQ(dg_engine_live(server.engine), server.opened - server.closed);
    CHECK_EQ(fake_count(&server, DG_COUNT_PLAINTEXT_DELIVERED), server.delivered);
    CHECK_EQ(fake_count(&server, DG_COUNT_SLOTS_QUARANTINED), 0);
    fake_server_forget(&server);
}

static void give(const struct fake_peer *peer, struct fuzz_input *input)
{
    size_t size;
    const uint8_t *bytes = fuzz_bytes(input, fuzz_u16(input) % 4096, &size);
    unsigned before = server.delivered;
    enum dg_engine_verdict verdict = fake_peer_give(peer, bytes, size);
    CHECK(verdict != DG_ENGINE_UNKNOWN || server.delivered == before);
    holds();
}

static void finish(void)
{
    dg_engine_drain(server.engine, server.now);
    fake_server_run(&server, 10 * DG_SECOND);
    CHECK_EQ(dg_engine_live(server.engine), 0);
    for (uint32_t number = 0; number < 4; number++) {
        struct dg_shard shard;
        REQUIRE(dg_shard_init(&shard, &server.region.memory, number, &server.region.counters));
        CHECK_EQ(shard_account(&shard), 0);
        dg_shard_clear(&shard);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    sim_clock_start(1);
    sim_audit_start();
    uint8_t settings = fuzz_u8(&input);
    fake_server_start_with(&server, &fuzz_open_aead, NULL, CID_SIZES[settings >> 3 & 7]);
    for (uint32_t i = 0; i < PEERS; i++) {
        struct fake_setup setup = SETUPS[i];
        setup.who = i;
        CHECK(fake_peer_join(&peers[i], &server, &setup));
    }
    server.sweep_late = DG_SWEEP_PERIOD;
    server.echoes = settings & 1;
    server.closes = settings & 2;
    server.is_full = settings & 4;
    while (fuzz_more(&input)) {
        uint8_t step = fuzz_u8(&input);
        if ((step & 8) != 0)
            fake_server_run(&server, fuzz_u8(&input) * DG_SECOND / 4);
        else
            give(&peers[step % PEERS], &input);
    }
    holds();
    finish();
    fake_server_stop(&server);
    sim_audit_stop();
    sim_clock_stop();
    return 0;
}
