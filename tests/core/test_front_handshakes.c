// SPDX-License-Identifier: GPL-3.0-or-later
// Handshakes under way: one for an address, repeats, early data, failure, time-outs, hand-over, and what
// comes late. Past the cookie everything is told from who holds which address.
#include "check.h"
#include "core/front_state.h"
#include "support/front_rig.h"

#include <string.h>

#define NOW (100 * DG_SECOND)
#define PEER "198.51.100.1:4000"
#define LOCAL "192.0.2.9:5684"

static struct toy_client client_of(bool is_13, bool with_cid, uint64_t seed)
{
    struct toy_client client = toy_client_new(PEER, LOCAL, is_13, seed);
    client.offers_cid = with_cid;
    client.cid_size = with_cid ? 5 : 0;
    return client;
}

// RFC 9853 5.5: the round trip for the first check of an address is the handshake's, where no flight went out twice.
DG_TEST(front_hands_over_the_round_trip)
{
    static const struct {
        dg_time answer_after;
        unsigned rtt_ms;
    } cases[] = {{0, 1}, {40 * DG_MILLISECOND, 40}, {999 * DG_MILLISECOND, 999}, {DG_SECOND, 0}, {5 * DG_SECOND, 0}};
    static struct rig rig;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        front_rig_init(&rig);
        front_rig_open(&rig);
        struct toy_client client = client_of(true, true, 1);
        front_rig_begin(&rig, NOW, &client);
        CHECK_EQ(front_rig_run(&rig, NOW + cases[i].answer_after, &client), TOY_DONE);
        CHECK_EQ(rig.handed_over, 1);
        CHECK_EQ(rig.handover.rtt_ms, cases[i].rtt_ms);
        front_rig_close(&rig);
    }
}

DG_TEST(front_hands_over_what_was_proven)
{
    static struct rig rig;
    for (int kind = 0; kind < 16; kind++) {
        bool is_13 = (kind & 1) != 0, with_cid = (kind & 2) != 0;
        front_rig_init(&rig);
        rig.gate.flights = (kind & 4) != 0 ? 2 : 1;
        rig.gate.resumes = (kind & 8) != 0;
        front_rig_open(&rig);
        struct toy_client client = client_of(is_13, with_cid, 1);
        CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
        CHECK_EQ(rig.handed_over, 1);
        CHECK_EQ(rig.handover.version, is_13 ? 13 : 12);
        CHECK(dg_address_equal(&rig.handover.path.peer, &client.path.peer));
        CHECK(dg_address_equal(&rig.handover.path.local, &client.path.local));
        CHECK_EQ(rig.handover.path.listener, client.path.listener);
        CHECK_EQ(rig.handover.cid_size, with_cid ? DG_CID_SIZE_DEFAULT : 0);
        if (with_cid) {
            CHECK_MEM(rig.handover.cid, client.server_cid, DG_CID_SIZE_DEFAULT);
        }
        struct dg_key_material keys;
        fake_key_material(client.random, 'c', &keys);
        CHECK_MEM(&rig.handover.rx, &keys, sizeof keys);
        CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_COMPLETED), 1);
        CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_RESUMED), (kind & 8) != 0);
        CHECK_EQ(rig.gate.live, 0);
        CHECK_EQ(rig.gate.violations, 0);
        CHECK_EQ(dg_front_busy(rig.front), 0);
        front_rig_close(&rig);
    }
}

// Keys leave no trace in the front's memory once they are handed over.
DG_TEST(front_wipes_keys_that_it_handed_over)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client client = client_of(true, true, 1);
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
    static const uint8_t zeros[sizeof(struct dg_handover)];
    CHECK_MEM(rig.front->pending, zeros, sizeof zeros);
    CHECK_EQ(rig.front->pending_used, 0);
    front_rig_close(&rig);
}

DG_TEST(front_without_cid_offers_none)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.offer_cid = false;
    front_rig_open(&rig);
    struct toy_client client = client_of(false, true, 1);
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
    CHECK(!client.has_server_cid);
    CHECK_EQ(rig.handover.cid_size, 0);
    front_rig_close(&rig);
}

// RFC 9146 8: connection IDs say nothing about anybody: random from end to end, none twice, every shard as likely.
DG_TEST(front_connection_ids_are_random)
{
    enum { COUNT = 4096 };
    static struct rig rig;
    static uint8_t ids[COUNT][DG_CID_SIZE_DEFAULT];
    unsigned ones[8 * DG_CID_SIZE_DEFAULT] = {0}, shards[64] = {0};
    front_rig_init(&rig);
    front_rig_open(&rig);
    for (unsigned i = 0; i < COUNT; i++) {
        struct toy_client client = client_of(i % 2 == 0, true, i);
        REQUIRE(front_rig_run(&rig, NOW + i * DG_SECOND, &client) == TOY_DONE);
        REQUIRE(rig.handover.cid_size == DG_CID_SIZE_DEFAULT);
        memcpy(ids[i], rig.handover.cid, DG_CID_SIZE_DEFAULT);
        shards[dg_cid_shard(ids[i], 64)]++;
        for (unsigned bit = 0; bit < 8 * DG_CID_SIZE_DEFAULT; bit++) {
            ones[bit] += ids[i][bit / 8] >> bit % 8 & 1;
        }
        for (unsigned before = 0; before < i; before++) {
            CHECK(memcmp(ids[before], ids[i], DG_CID_SIZE_DEFAULT) != 0);
        }
    }
    for (unsigned bit = 0; bit < 8 * DG_CID_SIZE_DEFAULT; bit++) { // six standard deviations
        CHECK_MSG(ones[bit] > COUNT / 2 - 192 && ones[bit] < COUNT / 2 + 192, "bit %u: %u ones", bit, ones[bit]);
    }
    double chi = 0;
    for (unsigned i = 0; i < 64; i++) {
        double off = shards[i] - COUNT / 64.0;
        chi += off * off / (COUNT / 64.0);
    }
    CHECK_MSG(chi < 150, "chi-square of the shards: %.1f", chi);
    front_rig_close(&rig);
}

// Attack 13: a repeated second hello never signs again; it is answered once a second from what is there.
DG_TEST(front_never_signs_twice_for_one_hello)
{
    static struct rig rig;
    for (int is_13 = 0; is_13 < 2; is_13++) {
        front_rig_init(&rig);
        front_rig_open(&rig);
        struct toy_client client = client_of(is_13 != 0, false, 1);
        struct toy_client first = client; // its hello without a cookie
        front_rig_turn(&rig, NOW, &client);
        uint8_t datagram[1024], bare[1024];
        size_t bare_size = toy_hello(&first, bare, sizeof bare);
        size_t size = toy_hello(&client, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &client.path, datagram, size);
        CHECK_EQ(rig.gate.signed_flights, 1);
        for (dg_time at = 0; at < 10 * DG_SECOND; at += 100 * DG_MILLISECOND) {
            front_rig_give(&rig, NOW + at, &client.path, datagram, size);
            front_rig_give(&rig, NOW + at, &client.path, bare, bare_size); // a late copy of the first
        }
        CHECK_EQ(rig.gate.started, 1);
        CHECK_EQ(rig.gate.signed_flights, 1);
        CHECK_EQ(rig.gate.repeats, 9);
        CHECK_EQ(RIG_COUNT(&rig, DROP_HELLO_REPEATED), 200 - 9);
        // With the random of the running handshake but no valid cookie (and no cookie work when it is too soon).
        client.cookie[0] ^= 1;
        size = toy_hello(&client, datagram, sizeof datagram);
        unsigned checks = rig.gate.check_cookie_calls;
        front_rig_give(&rig, NOW + 9 * DG_SECOND, &client.path, datagram, size);
        CHECK_EQ(rig.gate.check_cookie_calls, checks);
        front_rig_give(&rig, NOW + 20 * DG_SECOND, &client.path, datagram, size);
        CHECK_EQ(rig.gate.repeats, 9);
        CHECK_EQ(rig.queued, 0);
        CHECK_EQ(dg_front_busy(rig.front), 1);
        front_rig_close(&rig);
    }
}

// Attack 42 and F10, RFC 6347 4.2.8: a client that begins anew is served; a spoofed hello disturbs nothing.
DG_TEST(front_lets_a_client_begin_anew)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client old = client_of(false, true, 1), spoofer = client_of(true, false, 2);
    front_rig_begin(&rig, NOW, &old);
    CHECK_EQ(dg_front_busy(rig.front), 1);
    // A hello without cookie and one with a wrong cookie, in the old client's name.
    uint8_t datagram[1024];
    size_t size = toy_hello(&spoofer, datagram, sizeof datagram);
    front_rig_give(&rig, NOW, &spoofer.path, datagram, size);
    spoofer.cookie_size = 16;
    size = toy_hello(&spoofer, datagram, sizeof datagram);
    front_rig_give(&rig, NOW, &spoofer.path, datagram, size);
    CHECK_EQ(rig.gate.started, 1);
    CHECK_EQ(rig.gate.freed, 0);
    // The client itself, rebooted, while its old handshake runs.
    struct toy_client again = client_of(false, true, 3);
    front_rig_begin(&rig, NOW, &again);
    CHECK_EQ(again.state, TOY_PROVING);
    CHECK_EQ(rig.gate.started, 2);
    CHECK_EQ(rig.gate.freed, 1);
    CHECK_EQ(dg_front_busy(rig.front), 1);
    CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_REPLACED), 1);
    CHECK_EQ(front_rig_run(&rig, NOW, &again), TOY_DONE);
    // And after its association was handed over, ten times of ten.
    for (unsigned i = 0; i < 10; i++) {
        struct toy_client reborn = client_of(i % 2 == 0, i % 3 == 0, 10 + i);
        CHECK_EQ(front_rig_run(&rig, NOW, &reborn), TOY_DONE);
    }
    CHECK_EQ(rig.handed_over, 11);
    CHECK_EQ(rig.gate.live, 0);
    front_rig_close(&rig);
}

// What comes late for a finished handshake: its hello starts nothing, plaintext is dropped, records of its
// last flight go to the worker.
DG_TEST(front_remembers_a_finished_handshake)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client client = client_of(false, false, 1);
    front_rig_turn(&rig, NOW, &client);
    uint8_t hello[1024], flight[1024];
    struct toy_client copy = client;
    size_t hello_size = toy_hello(&copy, hello, sizeof hello);
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
    client.state = TOY_PROVING; // the end got lost: it repeats ClientKeyExchange, CCS and Finished
    size_t flight_size = toy_send(&client, true, flight, sizeof flight);
    unsigned hello_calls = rig.gate.hello_calls;
    front_rig_give(&rig, NOW + 9 * DG_SECOND, &client.path, hello, hello_size);
    CHECK_EQ(RIG_COUNT(&rig, DROP_HELLO_REPEATED), 1);
    CHECK_EQ(rig.gate.hello_calls, hello_calls);
    front_rig_give(&rig, NOW + 9 * DG_SECOND, &client.path, flight, flight_size);
    CHECK_EQ(RIG_COUNT(&rig, DROP_PLAINTEXT_RECORD), 2);
    CHECK_EQ(rig.forwarded, 1);
    CHECK_EQ(rig.forwarded_size, 13 + 49);
    CHECK_EQ(rig.sent, 3); // cookie, flight, end: no more
    // Datagrams that a worker passed on may have crossed the hand-over: back, but not for ever.
    for (int i = 0; i < 100; i++) {
        front_rig_give_passed_on(&rig, NOW + 9 * DG_SECOND, &client.path, flight, flight_size);
    }
    CHECK_EQ(rig.forwarded, 1 + DG_FRONT_RETURNS_MAX);
    CHECK_EQ(RIG_COUNT(&rig, DROP_NO_ASSOCIATION), 100 - DG_FRONT_RETURNS_MAX);
    // Ten seconds, then it is forgotten and the cookie alone decides.
    CHECK_EQ(dg_front_deadline(rig.front), NOW + 10 * DG_SECOND);
    dg_front_advance(rig.front, NOW + 10 * DG_SECOND);
    CHECK_EQ(dg_front_deadline(rig.front), DG_NEVER);
    front_rig_close(&rig);
}

// The memory of finished handshakes is bounded: the oldest is forgotten.
DG_TEST(front_forgets_the_oldest_finished_handshake)
{
    struct dg_handshake_table table;
    REQUIRE(dg_handshake_table_init(&table, 4, 16));
    for (unsigned i = 0; i < 1000; i++) {
        struct dg_path path = toy_client_new(PEER, LOCAL, false, 1).path;
        path.peer.port = (uint16_t)(1 + i);
        uint8_t id[DG_CID_SIZE_DEFAULT] = {(uint8_t)i, (uint8_t)(i >> 8)};
        const struct dg_bytes cid = {.data = id, .size = sizeof id};
        uint32_t place = dg_handshake_table_add(&table, &path, i % 2 == 0 ? cid : (struct dg_bytes){0});
        REQUIRE(place != DG_NO_ENTRY);
        CHECK_EQ(dg_handshake_table_find(&table, &path), place);
        CHECK_EQ(dg_handshake_table_find_cid(&table, cid), i % 2 == 0 ? place : DG_NO_ENTRY);
        CHECK_EQ(dg_handshake_table_of_prefix(&table, &path.peer), 1);
        dg_handshake_table_finish(&table, place);
        CHECK_EQ(dg_handshake_table_find_cid(&table, cid), DG_NO_ENTRY);
        unsigned known = 0;
        for (unsigned back = 0; back < 40 && back <= i; back++) {
            path.peer.port = (uint16_t)(1 + i - back);
            bool is_known = dg_handshake_table_find(&table, &path) != DG_NO_ENTRY;
            CHECK(!is_known || back < 20);
            known += is_known;
        }
        CHECK_EQ(known, i < 20 ? i + 1 : 20);
    }
    CHECK_EQ(table.busy, 0);
    dg_handshake_table_clear(&table);
}

// T4, RFC 9147 5.8.1, RFC 6347 4.2.4: application data before the end is held, whole and bounded.
DG_TEST(front_holds_early_data_within_bounds)
{
    static struct rig rig;
    for (int kind = 0; kind < 3; kind++) { // of 1.2 with a connection ID, the type is not to be seen
        front_rig_init(&rig);
        front_rig_open(&rig);
        struct toy_client client = client_of(kind == 1, kind > 0, 1);
        front_rig_begin(&rig, NOW, &client);
        uint8_t data[6][256];
        size_t size = 0;
        for (int i = 0; i < 6; i++) {
            size = toy_data(&client, data[i], sizeof data[i]);
            if (i % 2 == 0) {
                front_rig_give(&rig, NOW, &client.path, data[i], size);
            } else {
                front_rig_give_passed_on(&rig, NOW, &client.path, data[i], size); // a worker did not know it
            }
        }
        CHECK_EQ(RIG_COUNT(&rig, DROP_EARLY_FULL), 2);
        CHECK_EQ(rig.forwarded, 0);
        CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
        REQUIRE(rig.early_count == DG_EARLY_MAX);
        for (size_t i = 0; i < DG_EARLY_MAX; i++) {
            CHECK_EQ(rig.early_size[i], size);
            CHECK_MEM(rig.early[i], data[i], size);
        }
        CHECK_EQ(rig.gate.violations, 0);
        front_rig_close(&rig);
    }
}

// Data in the datagram of the Finished is not the handshake's: records go in one by one.
DG_TEST(front_keeps_what_follows_the_end_from_the_handshake)
{
    static struct rig rig;
    for (int kind = 0; kind < 4; kind++) {
        front_rig_init(&rig);
        front_rig_open(&rig);
        struct toy_client client = client_of((kind & 1) != 0, (kind & 2) != 0, 1);
        front_rig_begin(&rig, NOW, &client);
        uint8_t datagram[1024];
        size_t size = toy_send(&client, false, datagram, sizeof datagram);
        size += toy_data(&client, datagram + size, sizeof datagram - size);
        size += toy_plain(&client, DG_CONTENT_ALERT, "\2\0", 2, datagram + size, sizeof datagram - size);
        size += toy_data(&client, datagram + size, sizeof datagram - size);
        front_rig_give(&rig, NOW, &client.path, datagram, size);
        CHECK_EQ(rig.handed_over, 1);
        CHECK_EQ(rig.early_count, 2);
        CHECK_EQ(rig.gate.violations, 0);
        CHECK_EQ(RIG_COUNT(&rig, DROP_PLAINTEXT_RECORD), 1);
        front_rig_close(&rig);
    }
}

// The pool of early data is everybody's: many peers together never hold more than it has, and it all comes back.
DG_TEST(front_pool_of_early_data_is_bounded_and_freed)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    for (unsigned round = 0; round < 3; round++) {
        dg_time now = NOW + round * DG_MINUTE;
        for (unsigned i = 0; i < 200; i++) {
            struct toy_client client = client_of(true, false, round * 1000 + i);
            client.path.peer.port = (uint16_t)(1000 + i);
            front_rig_begin(&rig, now, &client);
            for (int n = 0; n < DG_EARLY_MAX; n++) {
                uint8_t datagram[256];
                size_t size = toy_data(&client, datagram, sizeof datagram);
                front_rig_give(&rig, now, &client.path, datagram, size);
            }
        }
        CHECK_EQ(RIG_COUNT(&rig, DROP_EARLY_FULL), (round + 1) * (800 - DG_EARLY_BUFFERS));
        dg_front_advance(rig.front, now + rig.config.handshake_timeout);
        CHECK_EQ(dg_front_busy(rig.front), 0);
    }
    front_rig_close(&rig);
}

// M12: while a handshake runs only its address counts.
DG_TEST(front_ignores_a_handshakes_cid_from_elsewhere)
{
    static struct rig rig;
    for (int is_13 = 0; is_13 < 2; is_13++) {
        front_rig_init(&rig);
        front_rig_open(&rig);
        struct toy_client client = client_of(is_13 != 0, true, 1);
        front_rig_begin(&rig, NOW, &client);
        REQUIRE(client.has_server_cid);
        struct toy_client thief = client;
        thief.path.peer.port++;
        uint8_t datagram[1024];
        unsigned received = rig.gate.receive_calls;
        size_t size = toy_data(&thief, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &thief.path, datagram, size);
        size = toy_send(&thief, false, datagram, sizeof datagram); // even the right proof
        front_rig_give(&rig, NOW, &thief.path, datagram, size);
        CHECK_EQ(RIG_COUNT(&rig, DROP_OLD_PATH), 2);
        CHECK_EQ(rig.gate.receive_calls, received);
        CHECK_EQ(rig.forwarded, 0);
        CHECK_EQ(rig.handed_over, 0);
        // From its own address, but with the ID of an association that it has beside: the worker's.
        struct toy_client beside = client;
        beside.server_cid[0] ^= 1;
        size = toy_data(&beside, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &client.path, datagram, size);
        CHECK_EQ(rig.forwarded, 1);
        CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
        front_rig_close(&rig);
    }
}

// Attack 22: application data of epoch 0; and epochs for which no handshake has keys.
DG_TEST(front_gives_a_handshake_only_its_epochs)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client client = client_of(false, false, 1);
    front_rig_begin(&rig, NOW, &client);
    unsigned received = rig.gate.receive_calls;
    uint8_t datagram[128];
    size_t size = toy_plain(&client, DG_CONTENT_APPLICATION_DATA, "data", 4, datagram, sizeof datagram);
    front_rig_give(&rig, NOW, &client.path, datagram, size);
    CHECK_EQ(RIG_COUNT(&rig, DROP_PLAINTEXT_RECORD), 1);
    uint8_t record[64] = {22, 0xfe, 0xfd, 0, 2};
    record[12] = 40;
    front_rig_give(&rig, NOW, &client.path, record, 53);
    uint8_t unified[64] = {0x2d, 0, 0, 0, 40}; // epoch bits 1: 0-RTT
    front_rig_give(&rig, NOW, &client.path, unified, 45);
    CHECK_EQ(RIG_COUNT(&rig, DROP_EPOCH_UNKNOWN), 2);
    CHECK_EQ(rig.gate.receive_calls, received);
    size = toy_plain(&client, DG_CONTENT_CHANGE_CIPHER_SPEC, "\1", 1, datagram, sizeof datagram);
    front_rig_give(&rig, NOW, &client.path, datagram, size);
    CHECK_EQ(rig.gate.receive_calls, received + 1);
    // Attack 7 against a handshake under way: parts that do not fit never reach it, nor do empty records.
    static const uint8_t misfits[][14] = {{16, 0, 0, 2, 0, 2, 0, 0, 1, 0, 0, 2, 9, 9},
                                          {16, 0, 0, 9, 0, 2, 0, 0, 1, 0, 0, 0, 9, 9},
                                          {16, 0, 0, 9, 0, 2, 0, 0, 0, 0, 0, 3, 9, 9}};
    for (size_t i = 0; i < 3; i++) {
        size = toy_plain(&client, DG_CONTENT_HANDSHAKE, misfits[i], 14, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &client.path, datagram, size);
    }
    size = toy_plain(&client, DG_CONTENT_HANDSHAKE, "", 0, datagram, sizeof datagram);
    front_rig_give(&rig, NOW, &client.path, datagram, size);
    CHECK_EQ(RIG_COUNT(&rig, DROP_RECORD_MALFORMED), 4);
    CHECK_EQ(rig.gate.receive_calls, received + 1);
    static const struct {
        uint8_t type, size;
        bool fits;
        uint8_t body[20];
    } records[] = {
        {DG_CONTENT_CHANGE_CIPHER_SPEC, 1, false, {2}},  {DG_CONTENT_CHANGE_CIPHER_SPEC, 2, false, {1, 1}},
        {DG_CONTENT_ALERT, 1, false, {1}},               {DG_CONTENT_ALERT, 3, false, {1, 90, 0}},
        {DG_CONTENT_ALERT, 2, true, {1, 90}},            {DG_CONTENT_ACK, 0, false, {0}},
        {DG_CONTENT_ACK, 2, true, {0, 0}},               {DG_CONTENT_ACK, 18, true, {0, 16}},
        {DG_CONTENT_ACK, 17, false, {0, 15}},            {DG_CONTENT_ACK, 18, false, {0, 15}},
        {DG_CONTENT_ACK, 18, false, {0xff, 0xf0}},
        // What no client says in clear, and what is longer than any chain of certificates.
        {DG_CONTENT_HANDSHAKE, 12, false, {0, 0, 0, 0, 0, 2}},
        {DG_CONTENT_HANDSHAKE, 13, false, {20, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, false, {24, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, false, {99, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, true, {11, 0, 0x40, 0, 0, 2, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, false, {11, 0, 0x40, 1, 0, 2, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, true, {15, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, true, {16, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1}},
        // Of a client's three messages behind its hello the last has the number 4: more of them the library would keep.
        {DG_CONTENT_HANDSHAKE, 13, true, {15, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, false, {15, 0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, false, {11, 0, 0x40, 0, 0, 21, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, false, {16, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0, 1}},
        // For one behind them, which no client sends again, it would repeat its flight to whoever is named as the sender.
        {DG_CONTENT_HANDSHAKE, 13, false, {11, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}},
        {DG_CONTENT_HANDSHAKE, 13, false, {11, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1}},
    };
    struct toy_client newer = client_of(true, false, 2);
    newer.path.peer.port++;
    front_rig_begin(&rig, NOW, &newer);
    for (size_t i = 0; i < 2 * sizeof records / sizeof *records; i++) {
        size_t which = i / 2;
        struct toy_client *of = i % 2 == 0 ? &client : &newer;
        // RFC 9147 7: acknowledgements are of DTLS 1.3.
        bool fits = records[which].fits && (of == &newer || records[which].type != DG_CONTENT_ACK);
        received = rig.gate.receive_calls;
        size = toy_plain(of, records[which].type, records[which].body, records[which].size, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &of->path, datagram, size);
        CHECK_MSG(rig.gate.receive_calls == received + fits, "record %zu", which);
    }
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
    CHECK_EQ(front_rig_run(&rig, NOW, &newer), TOY_DONE);
    front_rig_close(&rig);
}

// Attack 19 where nothing is authenticated yet: a stranger's record with a number far ahead must not move the library's
// window past what the client sends, so numbers of unprotected records are the front's.
DG_TEST(front_numbers_unprotected_records_itself)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client client = client_of(false, false, 1);
    front_rig_begin(&rig, NOW, &client);
    uint64_t hello = rig.gate.last_sequence, real = client.plain_sequence;
    static const uint64_t NUMBERS[] = {(UINT64_C(1) << 48) - 1, 0, 5, 5, 1000};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        uint8_t datagram[64];
        client.plain_sequence = NUMBERS[i];
        size_t size = toy_plain(&client, DG_CONTENT_CHANGE_CIPHER_SPEC, "\1", 1, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &client.path, datagram, size);
        CHECK_EQ(rig.gate.last_plain_sequence, hello + 1 + i);
    }
    client.plain_sequence = real;
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
    front_rig_close(&rig);
}

// A repeated hello too: somebody who has seen it can send it under any number, and the client itself does under the next
// of its own, which is not the front's.
DG_TEST(front_numbers_a_repeated_hello_itself)
{
    static struct rig rig;
    for (int is_far = 0; is_far < 2; is_far++) {
        uint8_t datagram[1024];
        front_rig_init(&rig);
        front_rig_open(&rig);
        struct toy_client client = client_of(false, false, 1);
        front_rig_turn(&rig, NOW, &client);
        size_t size = toy_hello(&client, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &client.path, datagram, size);
        uint64_t hello = rig.gate.last_sequence;
        client.plain_sequence = is_far ? (UINT64_C(1) << 48) - 1 : hello + 1;
        size = toy_hello(&client, datagram, sizeof datagram);
        front_rig_give(&rig, NOW + DG_SECOND, &client.path, datagram, size);
        CHECK_EQ(rig.gate.repeats, 1);
        CHECK_EQ(rig.gate.last_plain_sequence, hello + 1);
        client.plain_sequence = hello + 1;
        size = toy_plain(&client, DG_CONTENT_CHANGE_CIPHER_SPEC, "\1", 1, datagram, sizeof datagram);
        front_rig_give(&rig, NOW + DG_SECOND, &client.path, datagram, size);
        CHECK_EQ(rig.gate.last_plain_sequence, hello + 2);
        front_rig_close(&rig);
    }
}

DG_TEST(front_reports_why_a_handshake_failed)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client client = client_of(false, false, 1);
    client.wrong_key = true;
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_REFUSED);
    CHECK_EQ(rig.failed, 1);
    CHECK_STR(rig.failure.reason, "wrong key for this identity");
    CHECK_STR(rig.failed_peer, PEER);
    CHECK_EQ(RIG_COUNT(&rig, FAIL_WRONG_KEY), 1);
    CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_FAILED), 1);
    // The client's own alert.
    struct toy_client other = client_of(false, false, 2);
    front_rig_begin(&rig, NOW, &other);
    uint8_t datagram[64];
    size_t size = toy_plain(&other, DG_CONTENT_ALERT, "\2\60", 2, datagram, sizeof datagram);
    front_rig_give(&rig, NOW, &other.path, datagram, size);
    CHECK_EQ(rig.failed, 2);
    CHECK_EQ(rig.failure.alert_received, 48);
    // The result cannot be used: never handed over.
    rig.gate.take_fails = true;
    struct toy_client third = client_of(true, false, 3);
    front_rig_run(&rig, NOW, &third);
    CHECK_EQ(rig.failed, 3);
    CHECK_EQ(RIG_COUNT(&rig, FAIL_TAKEOVER), 1);
    CHECK_EQ(rig.handed_over, 0);
    CHECK_EQ(rig.gate.live, 0);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    front_rig_close(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(front_hands_over_the_round_trip),
        DG_CASE(front_hands_over_what_was_proven),
        DG_CASE(front_wipes_keys_that_it_handed_over),
        DG_CASE(front_without_cid_offers_none),
        DG_CASE(front_connection_ids_are_random),
        DG_CASE(front_never_signs_twice_for_one_hello),
        DG_CASE(front_lets_a_client_begin_anew),
        DG_CASE(front_remembers_a_finished_handshake),
        DG_CASE(front_forgets_the_oldest_finished_handshake),
        DG_CASE(front_holds_early_data_within_bounds),
        DG_CASE(front_keeps_what_follows_the_end_from_the_handshake),
        DG_CASE(front_pool_of_early_data_is_bounded_and_freed),
        DG_CASE(front_ignores_a_handshakes_cid_from_elsewhere),
        DG_CASE(front_gives_a_handshake_only_its_epochs),
        DG_CASE(front_numbers_unprotected_records_itself),
        DG_CASE(front_numbers_a_repeated_hello_itself),
        DG_CASE(front_reports_why_a_handshake_failed),
    };
    return dg_test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
