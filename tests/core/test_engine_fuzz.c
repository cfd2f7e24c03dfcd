// SPDX-License-Identifier: GPL-3.0-or-later
// Random conversations with the null AEAD against what must always hold: authentic data is delivered at most
// once and only as its own association's, no key and nonce are used twice, every association that opened is
// live or was told closed, no side slot is lost, time moves on. A failure prints the seed.
#include "base/hash.h"
#include "check.h"
#include "support/fake_peer.h"
#include "support/random.h"

#include <string.h>

#define PEERS 12
#define KEPT 64          // datagrams of the past, to be replayed and damaged
#define SEEN_SLOTS 65536 // a power of two

static struct fake_server server;
static struct fake_peer peers[PEERS];
static bool is_joined[PEERS];
static struct test_random rng;
static uint32_t serial;              // of application data: unique
static bool was_delivered[1 << 20];
static uint64_t seals[SEEN_SLOTS];   // hashes of key and nonce
static size_t seal_count;

static struct {
    uint8_t bytes[512];
    size_t size;
    struct dg_path path;
} kept[KEPT];

// --- no nonce twice -------------------------------------------------------------------------------

static struct dg_aead_ops watched;
static bool is_engine_sealing;

static bool seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE], const uint8_t *aad,
                 size_t aad_size, uint8_t *data, size_t size)
{
    if (is_engine_sealing) {
        uint8_t both[DG_AEAD_KEY_MAX + DG_AEAD_NONCE] = {0};
        static const struct dg_hash_key KEY = {1, 2};
        memcpy(both, key, dg_aead_table[aead].key_size);
        memcpy(both + DG_AEAD_KEY_MAX, nonce, DG_AEAD_NONCE);
        uint64_t hash = dg_hash(&KEY, both, sizeof both) | 1;
        size_t at = hash % SEEN_SLOTS;
        while (seals[at] != 0 && seals[at] != hash)
            at = (at + 1) % SEEN_SLOTS;
        CHECK_MSG(seals[at] == 0, "key and nonce used twice");
        if (seal_count < SEEN_SLOTS / 2) {
            seals[at] = hash;
            seal_count++;
        }
    }
    return dg_null_aead.seal(aead, key, nonce, aad, aad_size, data, size);
}

// --- what is given --------------------------------------------------------------------------------

static void give(const struct dg_path *path, const uint8_t *bytes, size_t size)
{
    static uint8_t copy[4096];
    unsigned before = server.delivered;
    memcpy(copy, bytes, size);
    is_engine_sealing = true;
    enum dg_engine_verdict verdict = dg_engine_receive(server.engine, server.now, path, copy, size);
    is_engine_sealing = false;
    CHECK(verdict != DG_ENGINE_UNKNOWN || server.delivered == before);
    CHECK(server.delivered - before <= 3);
    if (server.delivered == before || server.data_size != 8)
        return;
    uint32_t number;
    memcpy(&number, server.data, sizeof number);
    REQUIRE(number < sizeof was_delivered);
    // With several records only the last one delivered is looked at here: it must be new all the same.
    CHECK_MSG(!was_delivered[number], "data %u delivered twice", number);
    was_delivered[number] = true;
}

static void keep_and_give(const struct dg_path *path, const uint8_t *bytes, size_t size)
{
    if (size <= sizeof kept[0].bytes) {
        size_t at = test_random_below(&rng, KEPT);
        memcpy(kept[at].bytes, bytes, size);
        kept[at].size = size;
        kept[at].path = *path;
    }
    give(path, bytes, size);
}

static size_t data_record(struct fake_peer *peer, uint8_t *out, size_t capacity)
{
    uint8_t data[8] = {0};
    memcpy(data, &serial, sizeof serial);
    serial++;
    return fake_peer_seal(peer, 23, data, sizeof data, out, capacity);
}

static void random_record(struct fake_peer *peer)
{
    uint8_t out[512], body[64];
    size_t size = test_random_below(&rng, sizeof body);
    test_random_fill(&rng, body, sizeof body);
    uint8_t type = (uint8_t)(20 + test_random_below(&rng, 9));
    if (test_random_permille(&rng, 700)) { // mostly what could be
        static const uint8_t TYPES[] = {9, 10, 20, 24, 24, 24, 1, 0};
        body[0] &= 1;
        size = fake_message(TYPES[test_random_below(&rng, sizeof TYPES)],
                            (uint16_t)(peer->message_seq + test_random_below(&rng, 3) - 1),
                            (const uint8_t[]){(uint8_t)test_random_below(&rng, 2), 0, 0, 0}, 1, body);
        type = 22;
    } else if (type == 23) {
        size = 7; // none of those that are counted
    } else if (type == 21) {
        body[0] = 1;
        body[1] = test_random_permille(&rng, 100) ? 0 : 90;
        size = 2;
    }
    keep_and_give(&peer->path, out, fake_peer_seal(peer, type, body, size, out, sizeof out));
}

static void finished_record(struct fake_peer *peer)
{
    uint8_t out[256], body[64];
    size_t size = fake_message(20, (uint16_t)test_random_below(&rng, 4), "verify", 6, body);
    const struct peer_record record = {.epoch = 2,
                                       .sequence = peer->handshake_next++,
                                       .type = 22,
                                       .cid = peer->cid,
                                       .cid_size = fake_peer_cid_size(peer),
                                       .data = body,
                                       .size = size};
    if (peer->setup.version == 13)
        keep_and_give(&peer->path, out, peer_seal13(&peer->handshake, &record, out, sizeof out));
    else
        keep_and_give(&peer->path, out, fake_peer_seal(peer, 22, body, size, out, sizeof out));
}

static void damaged(void)
{
    uint8_t bytes[512];
    size_t at = test_random_below(&rng, KEPT);
    size_t size = kept[at].size;
    memcpy(bytes, kept[at].bytes, size);
    if (size == 0)
        return;
    for (uint64_t flips = test_random_below(&rng, 3); flips > 0; flips--)
        bytes[test_random_below(&rng, size)] ^= (uint8_t)(1 << test_random_below(&rng, 8));
    if (test_random_permille(&rng, 200))
        size = test_random_below(&rng, size + 1);
    struct dg_path path = kept[at].path;
    if (test_random_permille(&rng, 200))
        path.peer = peers[test_random_below(&rng, PEERS)].path.peer;
    give(&path, bytes, size);
}

static void noise(void)
{
    uint8_t bytes[200];
    test_random_fill(&rng, bytes, sizeof bytes);
    struct fake_peer *peer = &peers[test_random_below(&rng, PEERS)];
    if (test_random_permille(&rng, 500)) {
        bytes[0] = (uint8_t)(0x20 | (bytes[0] & 0x1f));
        memcpy(bytes + 1, peer->cid, DG_CID_SIZE_DEFAULT);
    }
    give(&peer->path, bytes, test_random_below(&rng, sizeof bytes));
}

static void several(struct fake_peer *peer)
{
    uint8_t out[512];
    size_t size = 0;
    for (unsigned i = 0; i < 3; i++)
        size += data_record(peer, out + size, sizeof out - size);
    keep_and_give(&peer->path, out, size);
}

// --- one conversation -------------------------------------------------------------------------------

static void join(unsigned number)
{
    const struct fake_setup setup = {.version = test_random_permille(&rng, 500) ? 13 : 12,
                                     .aead = (enum dg_aead_id)(1 + test_random_below(&rng, 5)),
                                     .has_cid = test_random_permille(&rng, 500),
                                     .peer_cid_size = test_random_permille(&rng, 300) ? 30 : 0,
                                     .has_flight = test_random_permille(&rng, 500),
                                     .who = number,
                                     // Those of an association that ended never come again.
                                     .key_seed = test_random_next(&rng) | 1};
    is_joined[number] = fake_peer_join(&peers[number], &server, &setup);
}

static void step(void)
{
    unsigned number = (unsigned)test_random_below(&rng, PEERS);
    struct fake_peer *peer = &peers[number];
    uint8_t out[512];
    if (!is_joined[number] || fake_slot(&server, peer->ref) == NULL)
        join(number);
    if (!is_joined[number])
        return;
    switch (test_random_below(&rng, 12)) {
    case 0:
    case 1:
    case 2:
        keep_and_give(&peer->path, out, data_record(peer, out, sizeof out));
        break;
    case 3:
        random_record(peer);
        break;
    case 4:
        finished_record(peer);
        break;
    case 5:
    case 6:
        damaged();
        break;
    case 7:
        noise();
        break;
    case 8:
        several(peer);
        break;
    case 9:
        is_engine_sealing = true;
        (void)dg_engine_send(server.engine, server.now, peer->ref, out, test_random_below(&rng, 400));
        is_engine_sealing = false;
        break;
    case 10:
        is_engine_sealing = true;
        fake_server_run(&server, test_random_below(&rng, 20) * DG_SECOND);
        is_engine_sealing = false;
        break;
    default:
        if (peer->setup.version == 13 && test_random_permille(&rng, 300)) { // acknowledge something
            fake_peer_ack(peer, 3 + test_random_below(&rng, 20) / 19, test_random_below(&rng, 10));
        } else if (test_random_permille(&rng, 100)) {
            fake_server_restart(&server);
        }
        break;
    }
}

static void holds(void)
{
    CHECK_EQ(dg_engine_live(server.engine), server.opened - server.closed);
    CHECK(fake_count(&server, DG_COUNT_PLAINTEXT_DELIVERED) == server.delivered);
    CHECK_EQ(fake_count(&server, DG_COUNT_SLOTS_QUARANTINED), 0);
    fake_server_forget(&server);
}

DG_TEST(engine_random_conversations_keep_invariants)
{
    uint64_t seed = dg_test_seed();
    watched = dg_null_aead;
    watched.seal = seal;
    for (unsigned round = 0; round < 20; round++) {
        rng.state = seed + round;
        struct dg_engine_config config = dg_engine_config_default();
        config.ccm8_open_limit = 1000;
        fake_server_start(&server, &watched, &config);
        server.echoes = round % 2;
        memset(is_joined, 0, sizeof is_joined);
        memset(kept, 0, sizeof kept);
        memset(seals, 0, sizeof seals);
        memset(was_delivered, 0, sizeof was_delivered);
        seal_count = 0;
        serial = 0;
        for (unsigned i = 0; i < 1000; i++) {
            step();
            holds();
        }
        // All end, and nothing is left behind.
        dg_engine_drain(server.engine, server.now);
        fake_server_run(&server, 10 * DG_SECOND);
        CHECK_EQ(dg_engine_live(server.engine), 0);
        CHECK_EQ(server.opened, server.closed);
        for (uint32_t shard = 0; shard < 4; shard++) {
            for (uint32_t flight = 0; flight < 64; flight++)
                CHECK_EQ(dg_memory_flight(&server.region.memory, shard, flight)->owner, 0);
        }
        fake_server_stop(&server);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(engine_random_conversations_keep_invariants),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
