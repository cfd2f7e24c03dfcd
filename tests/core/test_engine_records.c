// SPDX-License-Identifier: GPL-3.0-or-later
// Records through the whole engine, with the null AEAD and the real one: what opens is delivered once, and
// what is forged, replayed, cut, moved or rewritten changes nothing (RFC 9147 4, RFC 6347 4.1, RFC 9146 3).
#include "check.h"
#include "crypto/wolf_aead.h"
#include "support/fake_peer.h"

#include <string.h>

static struct fake_server server;
static const struct dg_aead_ops *const TABLES[] = {&dg_null_aead, &dg_wolf_aead};

// One case for each version, AEAD and use of connection IDs.
#define SETUPS 40
static struct fake_setup setup_of(unsigned number)
{
    return (struct fake_setup){.version = number % 2 ? 13 : 12,
                               .aead = (enum dg_aead_id)(1 + number / 2 % 5),
                               .has_cid = number / 10 % 2,
                               .peer_cid_size = number / 20 % 2 ? (uint8_t)(1 + number) : 0,
                               .who = number};
}

static bool echo(struct fake_peer *peer, const void *data, size_t size)
{
    struct fake_record record;
    size_t offset = 0;
    unsigned before = server.delivered;
    fake_server_forget(&server);
    if (fake_peer_send(peer, DG_CONTENT_APPLICATION_DATA, data, size) != DG_ENGINE_OPENED)
        return false;
    if (server.delivered != before + 1 || server.data_size != size || memcmp(server.data, data, size) != 0)
        return false;
    if (!dg_engine_send(server.engine, server.now, peer->ref, data, size))
        return false;
    return fake_peer_take(peer, &offset, &record) && record.type == DG_CONTENT_APPLICATION_DATA &&
           record.size == size && memcmp(record.data, data, size) == 0;
}

DG_TEST(engine_echoes_with_every_suite_and_cid)
{
    for (unsigned table = 0; table < 2; table++) {
        for (unsigned number = 0; number < SETUPS; number++) {
            struct fake_peer peer;
            struct fake_setup setup = setup_of(number);
            fake_server_start(&server, TABLES[table], NULL);
            REQUIRE(fake_peer_join(&peer, &server, &setup));
            CHECK_MSG(echo(&peer, "hello", 5) && echo(&peer, "", 0) && echo(&peer, "x", 1), "setup %u", number);
            CHECK_EQ(dg_engine_live(server.engine), 1);
            CHECK(memcmp(&server.sent[0].path.peer, &peer.path.peer, sizeof peer.path.peer) == 0);
            fake_server_stop(&server);
        }
    }
}

// RFC 9147 4.4: the application is told what one record holds; more is refused, never fragmented.
DG_TEST(engine_payload_max_is_largest_accepted_write)
{
    static uint8_t data[FAKE_DATAGRAM_MAX];
    for (unsigned number = 0; number < SETUPS; number++) {
        struct fake_peer peer;
        struct fake_setup setup = setup_of(number);
        fake_server_start(&server, &dg_null_aead, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        size_t most = dg_engine_payload_max(server.engine, peer.ref);
        CHECK(most > 1000 && most < server.config.datagram_max);
        CHECK(dg_engine_send(server.engine, server.now, peer.ref, data, most));
        CHECK_EQ(server.sent[0].size, server.config.datagram_max);
        CHECK(!dg_engine_send(server.engine, server.now, peer.ref, data, most + 1));
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_TOO_LARGE), 1);
        CHECK_EQ(server.sent_total, 1);
        struct fake_record record;
        size_t offset = 0;
        CHECK(fake_peer_take(&peer, &offset, &record) && record.size == most);
        fake_server_stop(&server);
    }
}

// What was seen in one datagram: nothing of it may have had an effect.
static void is_undisturbed(struct fake_peer *peer, const char *what, unsigned number, size_t at)
{
    CHECK_MSG(server.closed == 0 && echo(peer, "still here", 10), "%s, setup %u, at %zu", what, number, at);
}

DG_TEST(engine_survives_every_flipped_bit_and_truncation)
{
    for (unsigned table = 0; table < 2; table++) {
        for (unsigned number = 0; number < SETUPS; number += table == 0 ? 1 : 7) {
            struct fake_peer peer;
            struct fake_setup setup = setup_of(number);
            struct dg_engine_config config = dg_engine_config_default();
            uint8_t good[256], bad[256];
            config.ccm8_open_limit = 1 << 20;
            config.ccm8_open_rate = config.open_rate = UINT16_MAX; // all of them are tried
            fake_server_start(&server, TABLES[table], &config);
            REQUIRE(fake_peer_join(&peer, &server, &setup));
            size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "secret", 6, good, sizeof good);
            unsigned delivered = server.delivered;
            struct dg_slot before = *fake_slot(&server, peer.ref);
            for (size_t bit = 0; bit < 8 * size; bit++) {
                memcpy(bad, good, size);
                bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
                (void)fake_peer_give(&peer, bad, size);
                CHECK_MSG(server.delivered == delivered, "setup %u bit %zu", number, bit);
            }
            for (size_t cut = 0; cut < size; cut++) {
                (void)fake_peer_give(&peer, good, cut);
                CHECK_MSG(server.delivered == delivered, "setup %u cut %zu", number, cut);
            }
            // Neither idle time nor numbers nor address have moved (RFC 9147 4.5.1, RFC 6347 4.1.2.6).
            struct dg_slot *after = fake_slot(&server, peer.ref);
            REQUIRE(after != NULL);
            CHECK_EQ(after->active_at, before.active_at);
            CHECK(memcmp(&after->peer, &before.peer, sizeof before.peer) == 0);
            CHECK_EQ(server.sent_total, 0); // RFC 9147 4.5.2: silence
            CHECK(fake_peer_give(&peer, good, size) != DG_ENGINE_UNKNOWN);
            CHECK_EQ(server.delivered, delivered + 1);
            is_undisturbed(&peer, "flips", number, 0);
            fake_server_stop(&server);
        }
    }
}

// Random permutations with duplicates beside a naive model of what is to be delivered.
DG_TEST(engine_delivers_each_record_once_in_any_order)
{
    struct test_random random = {.state = dg_test_seed()};
    for (unsigned number = 0; number < SETUPS; number++) {
        struct fake_peer peer;
        struct fake_setup setup = setup_of(number);
        static uint8_t records[100][64];
        size_t sizes[100];
        bool seen[100] = {false};
        fake_server_start(&server, &dg_null_aead, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        for (uint8_t i = 0; i < 100; i++)
            sizes[i] = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, &i, 1, records[i], sizeof records[i]);
        for (unsigned i = 0; i < 1000; i++) {
            // In 1.3 a number of 16 bits and a window of 128: all 100 stay inside of it.
            uint64_t pick = test_random_below(&random, 100);
            unsigned before = server.delivered;
            (void)fake_peer_give(&peer, records[pick], sizes[pick]);
            CHECK_EQ(server.delivered - before, seen[pick] ? 0 : 1);
            if (!seen[pick])
                CHECK_EQ(server.data[0], pick);
            seen[pick] = true;
        }
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_REPLAY), 1000 - server.delivered);
        fake_server_stop(&server);
    }
}

// OpenSSL CVE-2016-2181: a forged number far ahead must not push the window over the real ones.
DG_TEST(engine_forged_record_ahead_shuts_out_nobody)
{
    for (unsigned number = 0; number < SETUPS; number++) {
        struct fake_peer peer;
        struct fake_setup setup = setup_of(number);
        uint8_t out[256];
        fake_server_start(&server, &dg_null_aead, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        REQUIRE(echo(&peer, "a", 1));
        uint64_t next = peer.tx_next;
        peer.tx_next += 1000;
        size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "b", 1, out, sizeof out);
        out[size - 1] ^= 1;
        (void)fake_peer_give(&peer, out, size);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_FORGED), 1);
        peer.tx_next = next;
        is_undisturbed(&peer, "forged ahead", number, 0);
        fake_server_stop(&server);
    }
}

// --- lookup ---------------------------------------------------------------------------------

// RFC 9146 3, wolfSSL pull request 11177: the type rewritten to 23 and the ID stripped.
DG_TEST(engine_record_with_stripped_cid_is_dropped)
{
    struct fake_peer peer;
    const struct fake_setup setup = {.version = 12, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .who = 1};
    uint8_t out[128];
    fake_server_start(&server, &dg_wolf_aead, NULL);
    REQUIRE(fake_peer_join(&peer, &server, &setup));
    const struct peer_record bare = {
        .epoch = 1, .sequence = 5, .type = DG_CONTENT_APPLICATION_DATA, .data = "x", .size = 1};
    size_t size = peer_seal12(&peer.tx, &bare, out, sizeof out);
    CHECK_EQ(fake_peer_give(&peer, out, size), DG_ENGINE_UNKNOWN);

    // Behind a record that names the association it is found, and refused.
    uint8_t both[256];
    size_t first = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "y", 1, both, sizeof both);
    memcpy(both + first, out, size);
    CHECK(fake_peer_give(&peer, both, first + size) != DG_ENGINE_UNKNOWN);
    CHECK_EQ(server.delivered, 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_CID_MISMATCH), 1);
    fake_server_stop(&server);
}

// RFC 9147 4 and 9.1: the C bit must be what was negotiated.
DG_TEST(engine_c_bit_must_match_negotiation)
{
    struct fake_peer with, without;
    const struct fake_setup cid = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .who = 1};
    const struct fake_setup none = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .who = 2};
    uint8_t out[128];
    fake_server_start(&server, &dg_wolf_aead, NULL);
    REQUIRE(fake_peer_join(&with, &server, &cid) && fake_peer_join(&without, &server, &none));
    struct peer_record record = {.epoch = 3, .type = DG_CONTENT_APPLICATION_DATA, .data = "x", .size = 1};
    size_t size = peer_seal13(&with.tx, &record, out, sizeof out);
    CHECK_EQ(fake_peer_give(&with, out, size), DG_ENGINE_UNKNOWN);
    record.cid = without.cid;
    record.cid_size = DG_CID_SIZE_DEFAULT;
    size = peer_seal13(&without.tx, &record, out, sizeof out);
    CHECK_EQ(fake_peer_give(&without, out, size), DG_ENGINE_UNKNOWN);
    CHECK_EQ(server.delivered, 0);
    CHECK(echo(&with, "a", 1) && echo(&without, "b", 1));
    fake_server_stop(&server);
}

// RFC 9147 4: the first record is delivered, the one with another association's ID ends the datagram.
DG_TEST(engine_second_association_in_datagram_ends_it)
{
    for (uint8_t version = 12; version <= 13; version++) {
        struct fake_peer a, b;
        struct fake_setup setup = {.version = version, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .who = 1};
        uint8_t out[512];
        fake_server_start(&server, &dg_null_aead, NULL);
        REQUIRE(fake_peer_join(&a, &server, &setup));
        setup.who = 2;
        REQUIRE(fake_peer_join(&b, &server, &setup));
        size_t size = fake_peer_seal(&a, DG_CONTENT_APPLICATION_DATA, "1", 1, out, sizeof out);
        size += fake_peer_seal(&b, DG_CONTENT_APPLICATION_DATA, "2", 1, out + size, sizeof out - size);
        size += fake_peer_seal(&a, DG_CONTENT_APPLICATION_DATA, "3", 1, out + size, sizeof out - size);
        CHECK(fake_peer_give(&a, out, size) != DG_ENGINE_UNKNOWN);
        CHECK_EQ(server.delivered, 1);
        CHECK_EQ(server.data[0], '1');
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_CID_MISMATCH), 1);
        fake_server_stop(&server);
    }
}

DG_TEST(engine_walks_all_records_of_a_datagram)
{
    for (unsigned number = 0; number < SETUPS; number++) {
        struct fake_peer peer;
        struct fake_setup setup = setup_of(number);
        uint8_t out[1200];
        size_t size = 0;
        fake_server_start(&server, &dg_null_aead, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        for (unsigned i = 0; i < 10; i++)
            size += fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "z", 1, out + size, sizeof out - size);
        CHECK(fake_peer_give(&peer, out, size) != DG_ENGINE_UNKNOWN);
        CHECK_EQ(server.delivered, 10);
        fake_server_stop(&server);
    }
}

// RFC 9147 4: the ID is in every datagram, not in every record of it.
DG_TEST(engine_later_record_13_may_leave_out_cid)
{
    struct fake_peer peer;
    const struct fake_setup setup = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .who = 1};
    uint8_t out[256];
    fake_server_start(&server, &dg_wolf_aead, NULL);
    REQUIRE(fake_peer_join(&peer, &server, &setup));
    size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "1", 1, out, sizeof out);
    const struct peer_record bare = {
        .epoch = 3, .sequence = peer.tx_next++, .type = 23, .data = "2", .size = 1, .no_length = true};
    size += peer_seal13(&peer.tx, &bare, out + size, sizeof out - size);
    CHECK(fake_peer_give(&peer, out, size) != DG_ENGINE_UNKNOWN);
    CHECK_EQ(server.delivered, 2);
    fake_server_stop(&server);
}

// Authentic data from another address is delivered; the answer stays with the old one (RFC 9146 6), as long as
// nothing proves the other (test_path_*.c).
DG_TEST(engine_data_from_new_address_is_delivered_and_address_stays)
{
    for (uint8_t version = 12; version <= 13; version++) {
        struct fake_peer peer;
        struct fake_setup setup = {.version = version, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .who = 1};
        struct dg_engine_config config = dg_engine_config_default();
        config.address_strict = true;
        fake_server_start(&server, &dg_wolf_aead, &config);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        struct dg_path old = peer.path;
        peer.path.peer.port = 9;
        CHECK(fake_peer_send(&peer, DG_CONTENT_APPLICATION_DATA, "moved", 5) != DG_ENGINE_UNKNOWN);
        CHECK_EQ(server.delivered, 1);
        fake_server_forget(&server); // DTLS 1.3 asks the new address for an acknowledgement
        CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
        CHECK(dg_address_equal(&server.sent[0].path.peer, &old.peer));
        CHECK(dg_address_equal(&server.sent[0].path.local, &old.local));
        fake_server_stop(&server);

        // Without an ID the address is all there is to look up by.
        setup.has_cid = false;
        fake_server_start(&server, &dg_wolf_aead, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        peer.path.peer.port = 9;
        CHECK_EQ(fake_peer_send(&peer, DG_CONTENT_APPLICATION_DATA, "x", 1), DG_ENGINE_UNKNOWN);
        fake_server_stop(&server);
    }
}

// --- epochs ---------------------------------------------------------------------------------

// RFC 6347 4.1, wolfSSL CVE-2020-24585, openssl pull request 32622: nothing that is not protected counts.
DG_TEST(engine_plaintext_records_change_nothing)
{
    static const uint8_t types[] = {20, 21, 22, 23, 26};
    static const uint8_t alerts[][2] = {{1, 0}, {2, 0}, {2, 40}, {2, 10}};
    for (unsigned number = 0; number < 4; number++) {
        struct fake_peer peer;
        struct fake_setup setup = {
            .version = number % 2 ? 13 : 12, .aead = DG_AEAD_AES_128_GCM, .has_cid = number / 2, .who = 1};
        fake_server_start(&server, &dg_null_aead, NULL);
        setup.has_flight = true;
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        for (size_t type = 0; type < sizeof types; type++) {
            for (size_t alert = 0; alert < 4; alert++) {
                uint8_t out[64];
                size_t size = peer_plain(types[type], 0xfefd, 0, 50 + type, alerts[alert], 2, out, sizeof out);
                CHECK_EQ(fake_peer_give(&peer, out, size), setup.has_cid ? DG_ENGINE_UNKNOWN : DG_ENGINE_NOT_OPENED);
            }
        }
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_PLAINTEXT_RECORD), setup.has_cid ? 0 : 20);
        CHECK_EQ(server.delivered + server.closed + server.sent_total, 0);
        is_undisturbed(&peer, "plaintext", number, 0);
        fake_server_stop(&server);
    }
}

// RFC 6347 4.1: DTLS 1.2 has epoch 1 only; RFC 9147 4.2.2: an epoch without keys does not open.
DG_TEST(engine_unknown_epochs_are_dropped)
{
    static const uint16_t epochs12[] = {2, 3, 255, 256, 65535};
    struct fake_peer peer;
    const struct fake_setup setup12 = {.version = 12, .aead = DG_AEAD_AES_128_GCM, .who = 1};
    const struct fake_setup setup13 = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .who = 2};
    uint8_t out[128];
    fake_server_start(&server, &dg_null_aead, NULL);
    REQUIRE(fake_peer_join(&peer, &server, &setup12));
    for (size_t i = 0; i < 5; i++) {
        const struct peer_record record = {.epoch = epochs12[i], .sequence = 9, .type = 23, .data = "x", .size = 1};
        CHECK_EQ(fake_peer_give(&peer, out, peer_seal12(&peer.tx, &record, out, sizeof out)), DG_ENGINE_NOT_OPENED);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_EPOCH_UNKNOWN), i + 1);
    }
    CHECK(echo(&peer, "x", 1));
    REQUIRE(fake_peer_join(&peer, &server, &setup13));
    for (uint64_t epoch = 4; epoch < 10; epoch++) {
        const struct peer_record record = {.epoch = epoch, .sequence = 9, .type = 23, .data = "x", .size = 1};
        unsigned before = server.delivered;
        (void)fake_peer_give(&peer, out, peer_seal13(&peer.tx, &record, out, sizeof out));
        // Only the two low bits are on the wire: epoch 7 looks like 3, and is 3 to whoever holds these keys.
        CHECK_EQ(server.delivered - before, (epoch & 3) == 3 ? 1 : 0);
    }
    CHECK(echo(&peer, "x", 1));
    fake_server_stop(&server);
}

// RFC 9147 6.1: no application data in the handshake's epoch.
DG_TEST(engine_application_data_in_handshake_epoch_is_dropped)
{
    struct fake_peer peer;
    const struct fake_setup setup = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .who = 2};
    uint8_t out[128];
    fake_server_start(&server, &dg_wolf_aead, NULL);
    REQUIRE(fake_peer_join(&peer, &server, &setup));
    const struct peer_record record = {.epoch = 2, .sequence = 4, .type = 23, .data = "x", .size = 1};
    (void)fake_peer_give(&peer, out, peer_seal13(&peer.handshake, &record, out, sizeof out));
    CHECK_EQ(server.delivered, 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_INNER_TYPE), 1);
    CHECK(echo(&peer, "x", 1));
    fake_server_stop(&server);
}

// A record of the other version is none of this association's.
DG_TEST(engine_records_of_other_version_are_dropped)
{
    for (unsigned number = 0; number < 4; number++) {
        struct fake_peer peer;
        uint8_t out[128];
        const struct fake_setup setup = {
            .version = number % 2 ? 13 : 12, .aead = DG_AEAD_AES_128_GCM, .has_cid = number / 2, .who = 2};
        fake_server_start(&server, &dg_null_aead, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        const struct peer_record record = {.epoch = number % 2 ? 1 : 3, .sequence = 4, .type = 23, .data = "x",
                                           .size = 1, .cid = peer.cid, .cid_size = fake_peer_cid_size(&peer)};
        size_t size = number % 2 ? peer_seal12(&peer.tx, &record, out, sizeof out)
                                 : peer_seal13(&peer.tx, &record, out, sizeof out);
        CHECK(fake_peer_give(&peer, out, size) != DG_ENGINE_UNKNOWN);
        CHECK_EQ(server.delivered, 0);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_NOT_NEGOTIATED), 1);
        is_undisturbed(&peer, "other version", number, 0);
        fake_server_stop(&server);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(engine_echoes_with_every_suite_and_cid),
    DG_CASE(engine_payload_max_is_largest_accepted_write),
    DG_CASE(engine_survives_every_flipped_bit_and_truncation),
    DG_CASE(engine_delivers_each_record_once_in_any_order),
    DG_CASE(engine_forged_record_ahead_shuts_out_nobody),
    DG_CASE(engine_record_with_stripped_cid_is_dropped),
    DG_CASE(engine_c_bit_must_match_negotiation),
    DG_CASE(engine_second_association_in_datagram_ends_it),
    DG_CASE(engine_walks_all_records_of_a_datagram),
    DG_CASE(engine_later_record_13_may_leave_out_cid),
    DG_CASE(engine_data_from_new_address_is_delivered_and_address_stays),
    DG_CASE(engine_plaintext_records_change_nothing),
    DG_CASE(engine_unknown_epochs_are_dropped),
    DG_CASE(engine_application_data_in_handshake_epoch_is_dropped),
    DG_CASE(engine_records_of_other_version_are_dropped),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
