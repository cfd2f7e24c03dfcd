// SPDX-License-Identifier: GPL-3.0-or-later
// How associations end: alerts of both versions, limits of keys, idle and maximal age, notAfter, shutdown,
// replacement, authorisation; and the repeated last flight of DTLS 1.2 (RFC 6347 4.2.4).
#include "conversation.h"

static void start_with(uint8_t version, enum dg_aead_id aead, bool has_cid, const struct dg_engine_config *config)
{
    const struct fake_setup setup = {
        .version = version, .aead = aead, .has_cid = has_cid, .has_flight = version == 12, .who = 1};
    fake_server_start(&server, &dg_null_aead, config);
    CHECK(fake_peer_join(&peer, &server, &setup));
}

static void is_alert(uint8_t level, uint8_t description)
{
    struct fake_record alert = take();
    CHECK_EQ(alert.type, DG_CONTENT_ALERT);
    CHECK_EQ(alert.size, 2);
    CHECK_EQ(alert.data[0], level);
    CHECK_EQ(alert.data[1], description);
}

// C1, C2, C4, C5: what each alert does, beside the rules in the RFCs' words.
DG_TEST(alert_table_of_all_levels_and_descriptions)
{
    for (uint8_t version = 12; version <= 13; version++) {
        for (unsigned level = 0; level < 4; level++) {
            for (unsigned description = 0; description < 256; description++) {
                const uint8_t body[2] = {(uint8_t)level, (uint8_t)description};
                start_with(version, DG_AEAD_AES_128_GCM, false, NULL);
                (void)fake_peer_send(&peer, DG_CONTENT_ALERT, body, 2);
                bool ends = version == 12 ? description == 0 || level == 2 : description != 0 && description != 90;
                CHECK_MSG(server.closed == ends, "version %u: %u %u", version, level, description);
                if (ends)
                    CHECK_EQ(server.reason, description == 0 ? DG_COUNT_CLOSED_BY_PEER : DG_COUNT_CLOSED_BY_ALERT);
                // Nothing is answered but close_notify, and that in 1.2 at once (RFC 5246 7.2.1).
                CHECK_EQ(server.sent_total, version == 12 && description == 0);
                fake_server_stop(&server);
            }
        }
    }
}

DG_TEST(alert_of_wrong_size_ends_association)
{
    for (uint8_t version = 12; version <= 13; version++) {
        for (size_t size = 0; size < 6; size++) {
            start_with(version, DG_AEAD_AES_128_GCM, false, NULL);
            (void)fake_peer_send(&peer, DG_CONTENT_ALERT, "\1\0\1\0\1\0", size);
            if (size != 2)
                CHECK_EQ(server.reason, DG_COUNT_FAIL_DECODE);
            fake_server_stop(&server);
        }
    }
}

// C3, RFC 9147 5.10: data numbered after the close is ignored, earlier data that comes late is delivered; our
// side may send until the owner is done or the grace is over.
DG_TEST(close_notify_13_lets_earlier_data_pass)
{
    uint8_t early[64], late[64];
    start_with(13, DG_AEAD_AES_128_GCM, true, NULL);
    size_t early_size = fake_peer_seal(&peer, 23, "early", 5, early, sizeof early);
    (void)fake_peer_send(&peer, DG_CONTENT_ALERT, "\1\0", 2);
    size_t late_size = fake_peer_seal(&peer, 23, "late", 4, late, sizeof late);
    (void)fake_peer_give(&peer, late, late_size);
    CHECK_EQ(server.delivered, 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_AFTER_CLOSE), 1);
    (void)fake_peer_give(&peer, early, early_size);
    CHECK_EQ(server.delivered, 1);
    CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"bye", 3));
    CHECK_EQ(take().type, DG_CONTENT_APPLICATION_DATA);
    CHECK_EQ(server.closed, 0);
    fake_server_run(&server, 5 * DG_SECOND);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_BY_PEER);
    is_alert(1, DG_ALERT_CLOSE_NOTIFY);
    CHECK_EQ(dg_engine_live(server.engine), 0);
    fake_server_stop(&server);
}

// C6: authentic nonsense in a row, and in between.
DG_TEST(persistent_garbage_ends_association)
{
    for (uint8_t version = 12; version <= 13; version++) {
        start_with(version, DG_AEAD_AES_128_GCM, true, NULL); // 1.2: such a type only fits inside
        for (unsigned i = 0; i < DG_GARBAGE_MAX - 1; i++)
            (void)fake_peer_send(&peer, DG_CONTENT_RETURN_ROUTABILITY_CHECK, "x", 1);
        CHECK(data_flows());
        for (unsigned i = 0; i < DG_GARBAGE_MAX - 1; i++)
            (void)fake_peer_send(&peer, DG_CONTENT_RETURN_ROUTABILITY_CHECK, "x", 1);
        CHECK_EQ(server.closed, 0);
        (void)fake_peer_send(&peer, DG_CONTENT_RETURN_ROUTABILITY_CHECK, "x", 1);
        CHECK_EQ(server.reason, DG_COUNT_FAIL_UNEXPECTED_MESSAGE);
        fake_server_stop(&server);
    }
}

// C6, RFC 9147 5.10: neither has a type its place that is never protected. A copy of such a record is a repeat.
DG_TEST(persistent_garbage_of_inner_types_ends_association)
{
    uint8_t record[128];
    start_with(12, DG_AEAD_AES_128_GCM, true, NULL);
    size_t size = fake_peer_seal(&peer, DG_CONTENT_CHANGE_CIPHER_SPEC, "x", 1, record, sizeof record);
    for (unsigned i = 0; i <= DG_GARBAGE_MAX; i++)
        (void)fake_peer_give(&peer, record, size);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_INNER_TYPE), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_REPLAY), DG_GARBAGE_MAX);
    for (unsigned i = 2; i < DG_GARBAGE_MAX; i++)
        (void)fake_peer_send(&peer, DG_CONTENT_ACK, "x", 1);
    CHECK_EQ(server.closed, 0);
    (void)fake_peer_send(&peer, DG_CONTENT_ACK, "x", 1);
    CHECK_EQ(server.reason, DG_COUNT_FAIL_UNEXPECTED_MESSAGE);
    fake_server_stop(&server);
}

// --- limits -------------------------------------------------------------------------------------

static struct dg_keyset *rx_keyset(void)
{
    struct dg_slot *slot = fake_slot(&server, peer.ref);
    return (struct dg_keyset *)(void *)(slot->keysets + (slot->rx_place == DG_PLACE_INLINE_1 ? DG_KEYSET_NARROW : 0));
}

// P2.9, RFC 6347 4.1: the 48 bits never wrap. 2^48 - 3: two sends, the third is refused and closes.
DG_TEST(sequence_12_never_wraps)
{
    const uint64_t end = UINT64_C(1) << 48;
    start_with(12, DG_AEAD_CHACHA20_POLY1305, false, NULL);
    tx_keyset()->next = end - 3;
    for (unsigned i = 0; i < 2; i++) {
        CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
        CHECK_EQ(take().sequence, end - 3 + i);
    }
    CHECK(!dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
    struct fake_record alert = take();
    CHECK_EQ(alert.type, DG_CONTENT_ALERT);
    CHECK_EQ(alert.sequence, end - 1);
    CHECK_EQ(server.reason, DG_COUNT_FAIL_SEAL_LIMIT);
    fake_server_stop(&server);
}

// K5: what the AEAD protects under one key. 1.2 closes in time; 1.3 asks for new keys long before.
DG_TEST(seal_limits_of_all_suites)
{
    static const uint64_t limits[] = {0, DG_LIMIT_SEAL_GCM, DG_LIMIT_SEAL_GCM, DG_LIMIT_SEAL_CCM, DG_LIMIT_SEAL_CCM};
    for (uint8_t version = 12; version <= 13; version++) {
        for (unsigned aead = 1; aead < 5; aead++) {
            start_with(version, (enum dg_aead_id)aead, false, NULL);
            tx_keyset()->next = limits[aead] / 8 * 7 - 10;
            CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
            CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), 0);
            tx_keyset()->next = limits[aead] - limits[aead] / 8;
            CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
            CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), version == 13);
            tx_keyset()->next = limits[aead] - 2;
            CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
            CHECK(!dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
            CHECK_EQ(server.reason, DG_COUNT_FAIL_SEAL_LIMIT);
            CHECK_EQ(fake_count(&server, DG_COUNT_CLOSED_LIMIT), 1);
            fake_server_stop(&server);
        }
    }
}

static void give_forged(void)
{
    uint8_t out[128];
    size_t size = fake_peer_seal(&peer, 23, "x", 1, out, sizeof out);
    out[size - 1] ^= 1;
    (void)fake_peer_give(&peer, out, size);
}

// K6, K7: failures are counted for each key; 1.3 asks the peer for new keys before the limit.
DG_TEST(open_limits_of_all_suites)
{
    static const uint64_t limits12[] = {0, DG_LIMIT_OPEN_GCM12, 0, DG_LIMIT_OPEN_CCM, DG_LIMIT_OPEN_CCM_8};
    static const uint64_t limits13[] = {0, DG_LIMIT_OPEN_GCM13, 0, DG_LIMIT_OPEN_CCM, DG_LIMIT_OPEN_CCM_8};
    for (uint8_t version = 12; version <= 13; version++) {
        for (unsigned aead = 1; aead < 5; aead++) {
            uint64_t limit = version == 12 ? limits12[aead] : limits13[aead];
            if (limit == 0)
                continue; // wide keysets lie elsewhere
            start_with(version, (enum dg_aead_id)aead, false, NULL);
            give_forged();
            CHECK_EQ(rx_keyset()->failures, 1);
            rx_keyset()->failures = limit - limit / 8 - 1;
            give_forged();
            CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), version == 13);
            if (version == 13) {
                struct fake_record update = take();
                is_key_update(&update, 8, 1); // update_requested
                // Once: whoever goes on forging does not make us change keys with every record.
                fake_peer_ack(&peer, update.epoch, update.sequence);
                fake_peer_next_rx(&peer);
                give_forged();
                CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), 1);
            }
            CHECK(data_flows());
            rx_keyset()->failures = limit - 2;
            give_forged();
            CHECK_EQ(server.closed, 0);
            give_forged();
            CHECK_EQ(server.closed, 1);
            CHECK_EQ(server.reason, DG_COUNT_FAIL_OPEN_LIMIT);
            fake_server_stop(&server);
        }
    }
}

// K7: forgeries are tried at a limited pace, so that a burst of them does not end the association; what is
// lost meanwhile is lost, the next second serves again.
DG_TEST(forgeries_are_paced)
{
    for (unsigned ccm8 = 0; ccm8 < 2; ccm8++) {
        struct dg_engine_config config = dg_engine_config_default();
        unsigned rate = ccm8 ? config.ccm8_open_rate : config.open_rate;
        start_with(12, ccm8 ? DG_AEAD_AES_128_CCM_8 : DG_AEAD_AES_128_GCM, false, &config);
        server.now = 100 * DG_SECOND; // the beginning of a second
        for (unsigned i = 0; i < 3 * rate; i++)
            give_forged();
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_FORGED), rate);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_OPEN_PACED), 2 * rate);
        CHECK_EQ(rx_keyset()->failures, rate);
        CHECK_EQ(server.closed, 0);
        server.now += DG_SECOND;
        CHECK(data_flows());
        fake_server_stop(&server);
    }
}

DG_TEST(ccm8_limit_is_the_configured_one)
{
    struct dg_engine_config config = dg_engine_config_default();
    config.ccm8_open_limit = 10;
    start_with(12, DG_AEAD_AES_128_CCM_8, false, &config);
    for (unsigned i = 0; i < 9; i++)
        give_forged();
    CHECK_EQ(server.closed, 0);
    give_forged();
    CHECK_EQ(server.reason, DG_COUNT_FAIL_OPEN_LIMIT);
    fake_server_stop(&server);
}

// --- time ---------------------------------------------------------------------------------------

DG_TEST(idle_expired_and_aged_associations_end)
{
    struct dg_engine_config config = dg_engine_config_default();
    config.idle_timeout = 60 * DG_SECOND;
    config.idle_timeout_cid = 600 * DG_SECOND;
    config.maximal_age = 5000 * DG_SECOND;
    start_with(12, DG_AEAD_AES_128_GCM, false, &config);
    fake_server_run(&server, 50 * DG_SECOND);
    CHECK(data_flows()); // the timer moves with a record that opened
    fake_server_run(&server, 50 * DG_SECOND);
    give_forged(); // and not with one that did not
    CHECK_EQ(server.closed, 0);
    fake_server_forget(&server);
    fake_server_run(&server, 21 * DG_SECOND);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_IDLE);
    is_alert(1, DG_ALERT_CLOSE_NOTIFY);
    CHECK_EQ(dg_engine_deadline(server.engine), DG_NEVER);
    fake_server_stop(&server);

    start_with(13, DG_AEAD_AES_128_GCM, true, &config);
    fake_server_run(&server, 595 * DG_SECOND);
    CHECK_EQ(server.closed, 0);
    fake_server_run(&server, 20 * DG_SECOND);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_IDLE);
    fake_server_stop(&server);

    start_with(13, DG_AEAD_AES_128_GCM, true, &config);
    for (unsigned i = 0; i < 10; i++) {
        CHECK(data_flows());
        fake_server_run(&server, 499 * DG_SECOND);
    }
    CHECK_EQ(server.closed, 0);
    fake_server_run(&server, 21 * DG_SECOND);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_EXPIRED);
    fake_server_stop(&server);

    start_with(13, DG_AEAD_AES_128_GCM, true, &config); // the certificate's notAfter
    fake_slot(&server, peer.ref)->expires_s = server.wall_s + 100;
    dg_engine_advance(server.engine, server.now + 20 * DG_SECOND, server.wall_s + 99);
    CHECK_EQ(server.closed, 0);
    dg_engine_advance(server.engine, server.now + 40 * DG_SECOND, server.wall_s + 100);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_EXPIRED);
    fake_server_stop(&server);
}

// C8: paced, each told, nothing left.
DG_TEST(drain_is_paced_and_complete)
{
    struct dg_engine_config config = dg_engine_config_default();
    struct fake_peer peers[40];
    config.drain_per_second = 10;
    fake_server_start(&server, &dg_null_aead, &config);
    for (uint32_t i = 0; i < 40; i++) {
        const struct fake_setup setup = {
            .version = i % 2 ? 13 : 12, .aead = DG_AEAD_AES_128_GCM, .has_cid = i % 3 == 0, .who = i};
        REQUIRE(fake_peer_join(&peers[i], &server, &setup));
    }
    dg_engine_drain(server.engine, server.now);
    for (unsigned tenth = 0; tenth < 40; tenth++) {
        fake_server_run(&server, 100 * DG_MILLISECOND);
        CHECK(server.closed <= tenth + 2);
    }
    CHECK_EQ(server.closed, 40);
    CHECK_EQ(server.sent_total, 40);
    CHECK_EQ(fake_count(&server, DG_COUNT_CLOSED_SHUTDOWN), 40);
    CHECK_EQ(dg_engine_live(server.engine), 0);
    CHECK_EQ(dg_engine_deadline(server.engine), DG_NEVER);
    fake_server_stop(&server);
}

// --- the last flight of 1.2 -----------------------------------------------------------------------

static void repeat_finished(void)
{
    static const uint8_t VERIFY[12] = {3};
    (void)fake_peer_send_message(&peer, DG_HS_FINISHED, 2, VERIFY, sizeof VERIFY);
}

// T2: ticket and ChangeCipherSpec under the next plain numbers, Finished under a new protected one.
DG_TEST(final_flight_12_is_repeated_for_authentic_finished)
{
    for (unsigned cid = 0; cid < 2; cid++) {
        start_with(12, DG_AEAD_AES_128_GCM, cid, NULL);
        peer.tx_next = 0; // W4: the number under which the handshake took the client's Finished
        repeat_finished();
        CHECK_EQ(server.sent_count, 0);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_REPLAY), 1);
        for (uint64_t round = 0; round < 3; round++) {
            repeat_finished();
            repeat_finished(); // too soon
            CHECK_EQ(server.sent_count, 1);
            struct fake_record ticket, ccs, finished;
            size_t offset = 0;
            REQUIRE(fake_peer_take(&peer, &offset, &ticket) && fake_peer_take(&peer, &offset, &ccs) &&
                    fake_peer_take(&peer, &offset, &finished));
            CHECK(ticket.is_plain && ticket.type == 22 && ticket.sequence == 5 + 2 * round);
            CHECK(ticket.data[0] == DG_HS_NEW_SESSION_TICKET && ticket.size == 52);
            CHECK(ccs.is_plain && ccs.type == 20 && ccs.sequence == 6 + 2 * round && ccs.size == 1);
            CHECK(!finished.is_plain && finished.type == 22 && finished.sequence == 1 + round);
            CHECK(finished.data[0] == DG_HS_FINISHED && finished.size == 24);
            server.now += 500 * DG_MILLISECOND;
        }
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_FLIGHT_LIMITED), 3);
        CHECK_EQ(fake_count(&server, DG_COUNT_FLIGHTS_REPEATED), 3);
        // T3: the first application data proves that the client has our Finished.
        CHECK(data_flows());
        CHECK_EQ(fake_slot(&server, peer.ref)->side, DG_NO_SIDE);
        fake_server_forget(&server);
        repeat_finished();
        CHECK_EQ(server.sent_count, 0);
        fake_server_stop(&server);
    }
}

// A repeated flight as it comes: plaintext records first, the protected Finished behind them.
DG_TEST(final_flight_12_whole_flight_in_one_datagram)
{
    uint8_t out[512], message[64];
    static const uint8_t VERIFY[12] = {3};
    start_with(12, DG_AEAD_AES_128_GCM, true, NULL);
    size_t size = peer_plain(22, 0xfefd, 0, 7, "certificate", 11, out, sizeof out);
    size += peer_plain(20, 0xfefd, 0, 8, "\1", 1, out + size, sizeof out - size);
    CHECK_EQ(fake_peer_give(&peer, out, size), DG_ENGINE_UNKNOWN); // nothing in it names an association
    size_t message_size = fake_message(DG_HS_FINISHED, 2, VERIFY, sizeof VERIFY, message);
    size += fake_peer_seal(&peer, 22, message, message_size, out + size, sizeof out - size);
    CHECK_EQ(fake_peer_give(&peer, out, size), DG_ENGINE_OPENED);
    CHECK_EQ(server.sent_count, 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_PLAINTEXT_RECORD), 2);
    CHECK_EQ(fake_peer_give(&peer, out, size), DG_ENGINE_NOT_OPENED); // replayed
    CHECK_EQ(server.sent_count, 1);
    fake_server_stop(&server);
}

DG_TEST(final_flight_12_ten_thousand_repeats_are_bounded)
{
    start_with(12, DG_AEAD_AES_128_GCM, false, NULL);
    for (unsigned i = 0; i < 10000; i++) {
        repeat_finished();
        server.now += 6 * DG_MILLISECOND;
    }
    CHECK(server.sent_total <= 121 && server.sent_total >= 115);
    CHECK_EQ(server.closed, 0);
    fake_server_run(&server, 300 * DG_SECOND); // twice the MSL is over
    CHECK_EQ(fake_slot(&server, peer.ref)->side, DG_NO_SIDE);
    fake_server_stop(&server);
}

// P2.10: a warning at most, at most twice a second, and data goes on.
DG_TEST(renegotiation_12_is_refused)
{
    for (uint8_t type = 0; type < 2; type++) {
        start_with(12, DG_AEAD_AES_128_GCM, false, NULL);
        for (unsigned i = 0; i < 20; i++) {
            (void)fake_peer_send_message(&peer, type, (uint16_t)i, "hello", 5);
            server.now += 100 * DG_MILLISECOND;
        }
        CHECK_EQ(server.sent_total, 4);
        is_alert(1, DG_ALERT_NO_RENEGOTIATION);
        CHECK(data_flows());
        fake_server_stop(&server);
    }
}

// --- owners -----------------------------------------------------------------------------------------

// Design: authorisation is checked again before the next plaintext passes, in either direction, and where none
// passes within a round of the sweep.
DG_TEST(authorisation_is_asked_again_after_policy_change)
{
    for (unsigned direction = 0; direction < 3; direction++) {
        start_with(13, DG_AEAD_AES_128_GCM, false, NULL);
        CHECK(data_flows());
        CHECK_EQ(server.asked, 1); // at the take-over
        dg_engine_set_policy_generation(server.engine, 7);
        CHECK(data_flows() && data_flows());
        CHECK_EQ(server.asked, 2);
        dg_engine_set_policy_generation(server.engine, 8);
        server.refuses = true;
        unsigned before = server.delivered;
        fake_server_forget(&server);
        if (direction == 0)
            (void)fake_peer_send(&peer, 23, "x", 1);
        else if (direction == 1)
            CHECK(!dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
        else
            fake_server_run(&server, DG_SWEEP_PERIOD);
        CHECK_EQ(server.delivered, before);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_UNAUTHORISED), direction < 2 ? 1 : 0);
        CHECK_EQ(server.reason, DG_COUNT_CLOSED_UNAUTHORISED);
        is_alert(1, DG_ALERT_CLOSE_NOTIFY);
        CHECK_EQ(server.sent_count, 0);
        fake_server_stop(&server);
    }
}

DG_TEST(owner_may_answer_and_end_from_inside_the_hook)
{
    uint8_t out[256];
    start_with(13, DG_AEAD_AES_128_GCM, true, NULL);
    server.echoes = true;
    (void)fake_peer_send(&peer, 23, "x", 1);
    CHECK_EQ(take().type, DG_CONTENT_APPLICATION_DATA);
    server.echoes = false;
    server.closes = true;
    size_t size = fake_peer_seal(&peer, 23, "x", 1, out, sizeof out);
    size += fake_peer_seal(&peer, 23, "y", 1, out + size, sizeof out - size);
    (void)fake_peer_give(&peer, out, size);
    CHECK_EQ(server.delivered, 2); // the second record has nobody to go to
    CHECK_EQ(server.closed, 1);
    is_alert(1, DG_ALERT_CLOSE_NOTIFY);
    CHECK(!dg_engine_send(server.engine, server.now, peer.ref, out, 1));
    CHECK_EQ(dg_engine_payload_max(server.engine, peer.ref), 0);
    fake_server_stop(&server);
}

// RFC 9147 5.11, RFC 6347 4.2.8: a new handshake from the same address ends the association there, also when it
// has an ID now; one with an ID is not ended by who comes from its address.
DG_TEST(take_over_replaces_cid_less_association_only)
{
    for (unsigned kinds = 0; kinds < 4; kinds++) {
        bool old_cid = kinds & 1, new_cid = kinds & 2;
        struct fake_peer again;
        start_with(12, DG_AEAD_AES_128_GCM, old_cid, NULL);
        // The same address, another ID.
        again = peer;
        again.setup.has_cid = new_cid;
        again.cid[1] ^= 0xff;
        struct dg_handover handover;
        fake_peer_handover(&again, &handover);
        REQUIRE(dg_engine_take_over(server.engine, server.now, &handover));
        CHECK_EQ(server.closed, !old_cid);
        CHECK_EQ(dg_engine_live(server.engine), 1 + old_cid);
        if (!old_cid) {
            CHECK_EQ(server.reason, DG_COUNT_CLOSED_REPLACED);
            CHECK_EQ(server.sent_total, 0);
        }
        dg_engine_replace_path(server.engine, server.now, &peer.path, server.now);
        CHECK_EQ(dg_engine_live(server.engine), (unsigned)old_cid + new_cid);
        fake_server_stop(&server);
    }
}

// Word of a handshake that was proven in another thread's shards comes late, when its client has already begun anew
// here: that association is the younger one.
DG_TEST(late_word_of_a_replacement_spares_the_younger_association)
{
    start_with(12, DG_AEAD_AES_128_GCM, false, NULL);
    dg_time proven_at = server.now + DG_MILLISECOND;
    server.now += DG_SECOND;
    struct fake_peer again = peer;
    struct dg_handover handover;
    fake_peer_handover(&again, &handover);
    REQUIRE(dg_engine_take_over(server.engine, server.now, &handover));
    CHECK_EQ(server.closed, 1);
    dg_engine_replace_path(server.engine, server.now, &peer.path, proven_at);
    CHECK_EQ(server.closed, 1);
    CHECK_EQ(dg_engine_live(server.engine), 1);
    dg_engine_replace_path(server.engine, server.now, &peer.path, server.now);
    CHECK_EQ(server.closed, 2);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_REPLACED);
    fake_server_stop(&server);
}

// The time of its opening is kept in ticks that come round after 2.3 years.
DG_TEST(take_over_replaces_an_association_of_two_years)
{
    start_with(12, DG_AEAD_AES_128_GCM, false, NULL);
    server.now += UINT64_C(2) * 365 * 24 * DG_HOUR;
    struct fake_peer again = peer;
    struct dg_handover handover;
    fake_peer_handover(&again, &handover);
    REQUIRE(dg_engine_take_over(server.engine, server.now, &handover));
    CHECK_EQ(server.closed, 1);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_REPLACED);
    CHECK_EQ(dg_engine_live(server.engine), 1);
    server.now += UINT64_C(2) * 365 * 24 * DG_HOUR;
    dg_engine_replace_path(server.engine, server.now, &peer.path, server.now);
    CHECK_EQ(server.closed, 2);
    fake_server_stop(&server);
}

DG_TEST(full_output_loses_datagrams_and_no_number_twice)
{
    start_with(13, DG_AEAD_AES_128_GCM, false, NULL);
    server.is_full = true;
    CHECK(!dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
    key_update(1);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_SEND_FULL), 3);
    server.is_full = false;
    fake_server_run(&server, DG_SECOND);
    struct fake_record update = take();
    is_key_update(&update, 8, 0);
    CHECK_EQ(update.sequence, 1);
    fake_server_stop(&server);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(alert_table_of_all_levels_and_descriptions),
    DG_CASE(alert_of_wrong_size_ends_association),
    DG_CASE(close_notify_13_lets_earlier_data_pass),
    DG_CASE(persistent_garbage_ends_association),
    DG_CASE(persistent_garbage_of_inner_types_ends_association),
    DG_CASE(sequence_12_never_wraps),
    DG_CASE(seal_limits_of_all_suites),
    DG_CASE(open_limits_of_all_suites),
    DG_CASE(forgeries_are_paced),
    DG_CASE(ccm8_limit_is_the_configured_one),
    DG_CASE(idle_expired_and_aged_associations_end),
    DG_CASE(drain_is_paced_and_complete),
    DG_CASE(final_flight_12_is_repeated_for_authentic_finished),
    DG_CASE(final_flight_12_whole_flight_in_one_datagram),
    DG_CASE(final_flight_12_ten_thousand_repeats_are_bounded),
    DG_CASE(renegotiation_12_is_refused),
    DG_CASE(authorisation_is_asked_again_after_policy_change),
    DG_CASE(owner_may_answer_and_end_from_inside_the_hook),
    DG_CASE(take_over_replaces_cid_less_association_only),
    DG_CASE(late_word_of_a_replacement_spares_the_younger_association),
    DG_CASE(take_over_replaces_an_association_of_two_years),
    DG_CASE(full_output_loses_datagrams_and_no_number_twice),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
