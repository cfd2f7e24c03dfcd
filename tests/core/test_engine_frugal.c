// SPDX-License-Identifier: GPL-3.0-or-later
// What a record costs beside cryptography: no allocation, neither ours nor the library's; and what is looked at ahead
// of a batch changes nothing, however wrong the guess.
#include "check.h"
#include "core/ahead.h"
#include "crypto/wolf_aead.h"
#include "support/fake_peer.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

static struct fake_server server;

// --- the heap, counted ---------------------------------------------------------------------------------------

#if !defined(DTLSGATE_SANITIZED)
static unsigned allocations;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}

static void echo(struct fake_peer *peer)
{
    static const uint8_t data[64];
    uint8_t out[128];
    fake_server_forget(&server);
    size_t size = fake_peer_seal(peer, DG_CONTENT_APPLICATION_DATA, data, sizeof data, out, sizeof out);
    CHECK_EQ(dg_engine_receive(server.engine, server.now, &peer->path, out, size), DG_ENGINE_OPENED);
    CHECK(dg_engine_send(server.engine, server.now, peer->ref, data, sizeof data));
}
#endif

DG_TEST(engine_records_take_no_heap)
{
#if !defined(DTLSGATE_SANITIZED) // the sanitizer has a heap of its own
    for (unsigned number = 0; number < 20; number++) {
        struct fake_peer peer;
        const struct fake_setup setup = {.version = number % 2 ? 13 : 12,
                                         .aead = (enum dg_aead_id)(1 + number / 2 % 5),
                                         .has_cid = number / 10 != 0,
                                         .who = number};
        fake_server_start(&server, &dg_wolf_aead, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        echo(&peer); // the thread's AES objects are made with the first
        unsigned before = allocations;
        CHECK(before > 0);
        for (unsigned i = 0; i < 100; i++)
            echo(&peer);
        CHECK_MSG(allocations == before, "setup %u: %u allocations", number, allocations - before);
        fake_server_stop(&server);
    }
#endif
}

// --- looking ahead -------------------------------------------------------------------------------------------

static void look_ahead(const struct fake_peer *peers, size_t count, const uint8_t *data, size_t size)
{
    struct dg_ahead all[8];
    for (size_t i = 0; i < count; i++)
        all[i] = (struct dg_ahead){.path = &peers[i].path, .data = data, .size = size};
    dg_ahead_batch(server.engine, all, count);
    for (size_t i = 0; i < count; i++)
        dg_ahead_slot(&all[i]);
}

// Of genuine records the right slot is guessed; of anything else nothing goes wrong.
DG_TEST(engine_ahead_guesses_the_slot_and_changes_nothing)
{
    struct test_random random = {.state = dg_test_seed()};
    struct fake_peer peers[8];
    fake_server_start(&server, &dg_null_aead, NULL);
    for (unsigned i = 0; i < 8; i++) {
        const struct fake_setup setup = {
            .version = i % 2 ? 13 : 12, .aead = DG_AEAD_AES_128_GCM, .has_cid = i / 2 % 2, .has_flight = i / 4, .who = i + 1};
        REQUIRE(fake_peer_join(&peers[i], &server, &setup));
    }
    for (unsigned i = 0; i < 8; i++) {
        uint8_t out[128];
        size_t size = fake_peer_seal(&peers[i], DG_CONTENT_APPLICATION_DATA, "x", 1, out, sizeof out);
        struct dg_ahead ahead = {.path = &peers[i].path, .data = out, .size = size};
        dg_ahead_batch(server.engine, &ahead, 1);
        CHECK(ahead.slot == fake_slot(&server, peers[i].ref));
        CHECK_EQ(fake_peer_give(&peers[i], out, size), DG_ENGINE_OPENED);
    }
    for (unsigned turn = 0; turn < 20000; turn++) {
        static const uint8_t types[] = {20, 21, 22, 23, 25, 25, 26, 0x2d, 0x3d, 0x3f, 0x30};
        uint8_t data[40];
        test_random_fill(&random, data, sizeof data);
        data[0] = types[test_random_below(&random, sizeof types)];
        look_ahead(peers, 8, data, test_random_below(&random, sizeof data + 1));
    }
    CHECK_EQ(server.delivered, 8);
    fake_server_stop(&server);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(engine_records_take_no_heap),
        DG_CASE(engine_ahead_guesses_the_slot_and_changes_nothing),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
