// SPDX-License-Identifier: GPL-3.0-or-later
// DTLS 1.3: KeyUpdate of both sides and the retransmission of our messages (RFC 9147 5.8.4 and 8).
#include "conversation.h"

// --- the peer's KeyUpdate -------------------------------------------------------------------

// RFC 9147 8 and 7: one step and one acknowledgement for each, five rounds with both request values.
DG_TEST(key_update_of_peer_is_acknowledged_and_carried_out)
{
    start(false, false);
    for (unsigned round = 0; round < 5; round++) {
        uint8_t request = round % 2;
        struct dg_record_number sent = {peer.tx_epoch, peer.tx_next};
        key_update(request);
        uint16_t message_seq = (uint16_t)(8 + round / 2);
        if (request == 1) { // RFC 8446 4.6.3: answered before any further data
            struct fake_record answer = take();
            is_key_update(&answer, message_seq, 0);
            CHECK_EQ(answer.epoch, 3 + round / 2);
            struct fake_record ack = take();
            is_ack(&ack, 1, &sent);
            fake_peer_next_tx(&peer);
            fake_peer_ack(&peer, answer.epoch, answer.sequence);
            fake_peer_next_rx(&peer);
        } else {
            struct fake_record ack = take();
            CHECK_EQ(ack.epoch, 3 + round / 2); // RFC 9147 7: in the highest sending epoch
            is_ack(&ack, 1, &sent);
            fake_peer_next_tx(&peer);
        }
        CHECK_EQ(server.sent_count, 0);
        CHECK(data_flows());
        CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), round + 1);
    }
    CHECK_EQ(peer.tx_epoch, 8);
    CHECK_EQ(peer.rx_epoch, 5);
    CHECK_EQ(server.closed, 0);
    fake_server_stop(&server);
}

// A4: the acknowledgement got lost; the message comes again in the old epoch: acknowledged again, one step.
DG_TEST(key_update_repeated_is_acknowledged_again_and_steps_once)
{
    static const uint8_t NO = 0;
    start(false, false);
    key_update(0);
    (void)take();
    for (unsigned i = 0; i < 3; i++) {
        struct dg_record_number sent = {peer.tx_epoch, peer.tx_next};
        (void)fake_peer_send_message(&peer, DG_HS_KEY_UPDATE, (uint16_t)(peer.message_seq - 1), &NO, 1);
        struct fake_record ack = take();
        is_ack(&ack, 1, &sent);
    }
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_HANDSHAKE_REPEATED), 3);
    // Data of the old epoch still opens: the peer may not know yet (RFC 9147 8).
    CHECK(data_flows());
    fake_peer_next_tx(&peer);
    CHECK(data_flows());
    fake_server_stop(&server);
}

// W5: with the keys of an epoch goes its window, and nothing of it opens any more.
DG_TEST(key_update_old_epoch_ends_with_first_record_of_new)
{
    uint8_t replay[128], fresh[128];
    start(false, false);
    size_t replay_size = fake_peer_seal(&peer, 23, "old", 3, replay, sizeof replay);
    (void)fake_peer_give(&peer, replay, replay_size);
    size_t fresh_size = fake_peer_seal(&peer, 23, "late", 4, fresh, sizeof fresh);
    key_update(0);
    CHECK_EQ(server.delivered, 1);
    (void)fake_peer_give(&peer, replay, replay_size); // old keys are there, and so is their window
    CHECK_EQ(server.delivered, 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_REPLAY), 1);
    (void)fake_peer_give(&peer, fresh, fresh_size);
    CHECK_EQ(server.delivered, 2);
    fake_peer_next_tx(&peer);
    fake_server_forget(&server);
    CHECK(data_flows());
    CHECK_EQ(fake_slot(&server, peer.ref)->rx_old_place, DG_PLACE_NONE);
    (void)fake_peer_give(&peer, replay, replay_size);
    CHECK_EQ(server.delivered, 3);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_EPOCH_UNKNOWN), 1);
    fake_server_stop(&server);
}

// RFC 8446 4.6.3 and 5.1: other values, other lengths, anything behind it in its record.
DG_TEST(key_update_malformed_ends_association)
{
    struct {
        uint8_t bytes[40];
        size_t size;
        enum dg_counter reason;
        uint8_t alert;
    } cases[] = {{.reason = DG_COUNT_FAIL_ILLEGAL_PARAMETER, .alert = DG_ALERT_ILLEGAL_PARAMETER},
                 {.reason = DG_COUNT_FAIL_ILLEGAL_PARAMETER, .alert = DG_ALERT_ILLEGAL_PARAMETER},
                 {.reason = DG_COUNT_FAIL_DECODE, .alert = DG_ALERT_DECODE_ERROR},
                 {.reason = DG_COUNT_FAIL_DECODE, .alert = DG_ALERT_DECODE_ERROR},
                 {.reason = DG_COUNT_FAIL_UNEXPECTED_MESSAGE, .alert = DG_ALERT_UNEXPECTED_MESSAGE},
                 {.reason = DG_COUNT_FAIL_DECODE, .alert = DG_ALERT_DECODE_ERROR},
                 {.reason = DG_COUNT_FAIL_UNEXPECTED_MESSAGE, .alert = DG_ALERT_UNEXPECTED_MESSAGE}};
    static const uint8_t two = 2, high = 255, pair[2] = {0, 0}, zero = 0;
    cases[0].size = fake_message(DG_HS_KEY_UPDATE, 3, &two, 1, cases[0].bytes);
    cases[1].size = fake_message(DG_HS_KEY_UPDATE, 3, &high, 1, cases[1].bytes);
    cases[2].size = fake_message(DG_HS_KEY_UPDATE, 3, pair, 2, cases[2].bytes);
    cases[3].size = fake_message(DG_HS_KEY_UPDATE, 3, pair, 0, cases[3].bytes);
    cases[4].size = fake_message(DG_HS_KEY_UPDATE, 3, &zero, 1, cases[4].bytes);
    cases[4].size += fake_message(DG_HS_KEY_UPDATE, 4, &zero, 1, cases[4].bytes + 13);
    cases[5].size = 11; // less than a header
    cases[5].bytes[0] = DG_HS_KEY_UPDATE;
    cases[6].size = 0; // RFC 8446 5.1: no empty handshake records
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(false, false);
        (void)fake_peer_send(&peer, DG_CONTENT_HANDSHAKE, cases[i].bytes, cases[i].size);
        struct fake_record alert = take();
        CHECK_EQ(alert.type, DG_CONTENT_ALERT);
        CHECK_EQ(alert.data[0], DG_ALERT_LEVEL_FATAL);
        CHECK_MSG(alert.data[1] == cases[i].alert, "case %zu: alert %u", i, alert.data[1]);
        CHECK_EQ(server.closed, 1);
        CHECK_EQ(server.reason, cases[i].reason);
        CHECK_EQ(fake_count(&server, DG_COUNT_CLOSED_ERROR), 1);
        CHECK_EQ(dg_engine_live(server.engine), 0);
        fake_server_stop(&server);
    }
}

// A4: a message ahead of its turn is neither carried out nor acknowledged.
DG_TEST(key_update_ahead_of_its_turn_is_not_acknowledged)
{
    static const uint8_t NO = 0;
    start(false, false);
    (void)fake_peer_send_message(&peer, DG_HS_KEY_UPDATE, (uint16_t)(peer.message_seq + 1), &NO, 1);
    uint8_t part[12] = {DG_HS_KEY_UPDATE, 0, 0, 1, 0, 3}; // a part of no bytes
    (void)fake_peer_send(&peer, DG_CONTENT_HANDSHAKE, part, sizeof part);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_HANDSHAKE_GAP), 2);
    CHECK_EQ(server.sent_total, 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), 0);
    CHECK(data_flows());
    key_update(0);
    fake_peer_next_tx(&peer);
    CHECK(data_flows());
    fake_server_stop(&server);
}

// RFC 9147 5.2: message_seq never wraps.
DG_TEST(message_seq_never_wraps)
{
    static const uint8_t NO = 0;
    start(false, false);
    fake_slot(&server, peer.ref)->rx_message_seq = UINT16_MAX;
    (void)fake_peer_send_message(&peer, DG_HS_KEY_UPDATE, UINT16_MAX, &NO, 1);
    CHECK_EQ(server.reason, DG_COUNT_FAIL_UNEXPECTED_MESSAGE);
    fake_server_stop(&server);

    start(false, false);
    fake_slot(&server, peer.ref)->tx_message_seq = UINT16_MAX;
    key_update(1); // the answer has no number: left as not received
    CHECK_EQ(server.sent_total, 0);
    CHECK(data_flows());
    fake_server_stop(&server);
}

// --- ours -------------------------------------------------------------------------------------

// K1: the acknowledgement is withheld: still the old epoch, KeyUpdate repeated under new numbers, data flows.
DG_TEST(own_key_update_without_ack_keeps_old_keys)
{
    start(false, false);
    tx_keyset()->next = DG_LIMIT_SEAL_GCM - 1000; // beyond the point where new keys are asked for
    peer.rx_numbers[0] = tx_keyset()->next;
    uint64_t first_sequence = tx_keyset()->next;
    CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
    struct fake_record update = take();
    is_key_update(&update, 8, 0);
    CHECK_EQ(update.sequence, first_sequence);
    CHECK_EQ(take().type, DG_CONTENT_APPLICATION_DATA);
    dg_time expected = DG_SECOND;
    for (unsigned i = 0; i < 9; i++) { // RFC 9147 5.8.2: doubling, up to 60 s
        fake_server_run(&server, expected - DG_MILLISECOND);
        CHECK_EQ(server.sent_count, 0);
        fake_server_run(&server, DG_MILLISECOND);
        CHECK_EQ(server.sent_count, 1);
        struct fake_record again = take();
        is_key_update(&again, 8, 0);
        CHECK_EQ(again.epoch, 3);
        CHECK(data_flows());
        expected = 2 * expected > 60 * DG_SECOND ? 60 * DG_SECOND : 2 * expected;
    }
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_RETRANSMISSIONS), 9);
    // A6: the acknowledgement of an earlier transmission ends it.
    struct dg_side_flight *flight = message_of();
    REQUIRE(flight != NULL);
    fake_peer_ack(&peer, 3, flight->sent_sequence[5]);
    CHECK(message_of() == NULL);
    fake_peer_next_rx(&peer);
    CHECK(data_flows());
    CHECK_EQ(tx_keyset()->epoch, 4);
    CHECK_EQ(tx_keyset()->next, 1);
    fake_server_run(&server, 200 * DG_SECOND);
    CHECK_EQ(fake_count(&server, DG_COUNT_RETRANSMISSIONS), 9);
    fake_server_stop(&server);
}

// A silent peer is not sent to for ever.
DG_TEST(own_message_to_silent_peer_is_bounded)
{
    struct dg_engine_config config = dg_engine_config_default();
    const struct fake_setup setup = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .has_flight = true, .who = 1};
    config.idle_timeout = DG_NEVER;
    config.maximal_age = DG_NEVER;
    fake_server_start(&server, &dg_null_aead, &config);
    REQUIRE(fake_peer_join(&peer, &server, &setup));
    fake_server_run(&server, DG_HOUR);
    CHECK_EQ(server.sent_total, 11);
    fake_server_run(&server, 10 * DG_HOUR);
    CHECK_EQ(server.sent_total, 11);
    // It comes back and never acknowledges: bounded all the same, and data flows.
    for (unsigned i = 0; i < 300; i++) {
        CHECK(data_flows());
        fake_server_run(&server, DG_MINUTE);
    }
    CHECK_EQ(fake_count(&server, DG_COUNT_RETRANSMISSIONS), 63);
    CHECK(message_of() == NULL);
    fake_server_stop(&server);
}

// The same for a KeyUpdate of ours, which a client can make us begin and never acknowledge: when it is not repeated
// any more it waits without a timer (one that is always due would hold the worker for ever), and a late
// acknowledgement still counts.
DG_TEST(own_key_update_never_acknowledged_is_bounded)
{
    start(false, false);
    key_update(1);
    fake_peer_next_tx(&peer);
    for (unsigned i = 0; i < 120; i++) {
        CHECK(data_flows());
        fake_server_run(&server, DG_MINUTE);
    }
    CHECK_EQ(fake_count(&server, DG_COUNT_RETRANSMISSIONS), 63);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), 1);
    struct dg_side_flight *flight = message_of();
    REQUIRE(flight != NULL);
    fake_peer_ack(&peer, 3, flight->sent_sequence[0]);
    CHECK(message_of() == NULL);
    fake_peer_next_rx(&peer);
    CHECK(data_flows());
    CHECK_EQ(tx_keyset()->epoch, 4);
    fake_server_stop(&server);
}

// A7: the ticket that went out with the handshake goes on being ours until it is acknowledged.
DG_TEST(ticket_is_repeated_until_acknowledged)
{
    for (unsigned transmission = 0; transmission < 3; transmission++) {
        start(true, true);
        struct dg_record_number numbers[3] = {{3, 1}};
        for (unsigned i = 0; i < 2; i++) {
            fake_server_run(&server, (1 + i) * DG_SECOND);
            struct fake_record ticket = take();
            CHECK_EQ(ticket.type, DG_CONTENT_HANDSHAKE);
            CHECK_EQ(ticket.data[0], DG_HS_NEW_SESSION_TICKET);
            CHECK_EQ(ticket.data[5], 8); // the same message_seq
            CHECK_EQ(ticket.sequence, 2 + i);
            numbers[1 + i] = (struct dg_record_number){ticket.epoch, ticket.sequence};
        }
        fake_peer_ack(&peer, 3, 0); // of another record
        CHECK(message_of() != NULL);
        fake_peer_ack(&peer, numbers[transmission].epoch, numbers[transmission].sequence);
        CHECK(message_of() == NULL);
        fake_server_run(&server, 100 * DG_SECOND);
        CHECK_EQ(server.sent_total, 2);
        fake_server_stop(&server);
    }
}

// Five rounds of ours, with the peer's epoch standing still: its acknowledgements name epochs above it.
DG_TEST(own_key_update_five_rounds)
{
    start(true, false);
    fake_peer_ack(&peer, 3, 1);
    for (unsigned round = 0; round < 5; round++) {
        tx_keyset()->next = DG_LIMIT_SEAL_GCM - 1000;
        peer.rx_numbers[0] = tx_keyset()->next;
        CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
        struct fake_record update = take();
        is_key_update(&update, (uint16_t)(9 + round), 0);
        CHECK_EQ(update.epoch, 3 + round);
        CHECK_EQ(take().type, DG_CONTENT_APPLICATION_DATA);
        fake_peer_ack(&peer, update.epoch, update.sequence);
        fake_peer_next_rx(&peer);
        CHECK(data_flows());
    }
    CHECK_EQ(tx_keyset()->epoch, 8);
    CHECK_EQ(server.closed, 0);
    fake_server_stop(&server);
}

// K4: the sending epoch ends at 2^48 - 1, also when asked to go on.
DG_TEST(own_key_update_never_passes_last_epoch)
{
    start(false, false);
    tx_keyset()->epoch = (UINT64_C(1) << 48) - 1;
    key_update(1);
    CHECK_EQ(server.sent_total, 1); // the acknowledgement alone
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), 1);
    fake_server_stop(&server);
}

// Both ask at once: at most one of ours is outstanding.
DG_TEST(own_key_update_is_alone)
{
    start(false, false);
    for (unsigned i = 0; i < 3; i++) {
        key_update(1);
        fake_peer_next_tx(&peer);
        (void)fake_peer_send(&peer, 23, "x", 1);
    }
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), 3);
    CHECK_EQ(server.sent_total, 4); // one KeyUpdate, three acknowledgements
    fake_server_stop(&server);
}

// RFC 9147 7: a peer may acknowledge what it only keeps for later. A KeyUpdate behind a ticket that got lost
// would then change our keys while the peer cannot follow, and the ticket would never be read.
DG_TEST(own_key_update_waits_for_earlier_message)
{
    static const uint8_t YES = 1;
    start(true, false); // with a ticket that is not acknowledged yet
    key_update(1);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_SENT), 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), 0); // not acknowledged either: it comes again
    CHECK_EQ(server.sent_count, 0);
    tx_keyset()->next = DG_LIMIT_SEAL_GCM - 1000;
    peer.rx_numbers[0] = tx_keyset()->next;
    CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
    CHECK_EQ(take().type, DG_CONTENT_APPLICATION_DATA); // and nothing before it
    fake_peer_ack(&peer, 3, 1);
    (void)fake_peer_send_message(&peer, DG_HS_KEY_UPDATE, (uint16_t)(peer.message_seq - 1), &YES, 1);
    struct fake_record answer = take();
    is_key_update(&answer, 9, 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), 1);
    fake_server_stop(&server);
}

// No room for the first transmission: the second one's acknowledgement counts, and the message is repeated until then.
DG_TEST(own_key_update_that_found_no_room_at_first_is_carried_out)
{
    for (unsigned repeats = 0; repeats < 3; repeats++) {
        start(false, false);
        server.is_full = true;
        key_update(1);
        CHECK_EQ(server.sent_count, 0);
        server.is_full = false;
        struct fake_record answer = {0};
        for (unsigned i = 0; i <= repeats; i++) {
            fake_server_forget(&server);
            fake_server_run(&server, (UINT64_C(2) << i) * DG_SECOND);
            answer = take();
            is_key_update(&answer, 8, 0);
        }
        fake_peer_ack(&peer, answer.epoch, answer.sequence);
        fake_peer_next_rx(&peer);
        fake_server_forget(&server);
        CHECK(data_flows());
        fake_server_stop(&server);
    }
}

// Without a side slot for the answer the request counts as not received, and comes again.
DG_TEST(key_update_request_waits_for_side_slot)
{
    start(false, false);
    struct fake_peer others[64];
    unsigned joined = 0;
    for (uint32_t who = 2; who < 66; who++) { // each takes flights of some shard
        const struct fake_setup setup = {.version = 12, .aead = DG_AEAD_AES_128_GCM, .has_flight = true, .who = who,
                                         .has_cid = true};
        others[joined].server = &server;
        if (dg_engine_live(server.engine) < 64 && fake_peer_join(&others[joined], &server, &setup))
            joined++;
    }
    // Take what is left of our shard by hand.
    struct dg_side_flight *flight;
    uint32_t taken = 0;
    for (uint32_t number = 0; number < 64; number++) {
        flight = dg_memory_flight(&server.region.memory, peer.ref.shard, number);
        taken += flight->owner != 0;
    }
    CHECK(taken > 0);
    for (uint32_t who = 100; taken < 64; who++) {
        const struct fake_setup setup = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .has_flight = true, .who = who};
        struct fake_peer extra;
        struct dg_path path = peer.path;
        path.peer.port = (uint16_t)(1000 + who);
        if (dg_steer_address_shard(&server.region.memory.header->steer, &path.peer) != peer.ref.shard)
            continue;
        if (!fake_peer_join(&extra, &server, &setup))
            break;
        taken += 2;
    }
    uint64_t full_before = fake_count(&server, DG_COUNT_SIDE_FULL);
    uint64_t sent_before = server.sent_total;
    key_update(1);
    CHECK(fake_count(&server, DG_COUNT_SIDE_FULL) > full_before);
    CHECK_EQ(server.sent_total, sent_before);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), 0);
    CHECK(data_flows());
    fake_server_run(&server, 250 * DG_SECOND); // the final flights' time is over
    fake_server_forget(&server);
    peer.message_seq--;
    key_update(1);
    CHECK_EQ(fake_count(&server, DG_COUNT_KEY_UPDATES_RECEIVED), 1);
    fake_server_stop(&server);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(key_update_of_peer_is_acknowledged_and_carried_out),
    DG_CASE(key_update_repeated_is_acknowledged_again_and_steps_once),
    DG_CASE(key_update_old_epoch_ends_with_first_record_of_new),
    DG_CASE(key_update_malformed_ends_association),
    DG_CASE(key_update_ahead_of_its_turn_is_not_acknowledged),
    DG_CASE(message_seq_never_wraps),
    DG_CASE(own_key_update_without_ack_keeps_old_keys),
    DG_CASE(own_message_to_silent_peer_is_bounded),
    DG_CASE(own_key_update_never_acknowledged_is_bounded),
    DG_CASE(ticket_is_repeated_until_acknowledged),
    DG_CASE(own_key_update_five_rounds),
    DG_CASE(own_key_update_never_passes_last_epoch),
    DG_CASE(own_key_update_is_alone),
    DG_CASE(own_key_update_waits_for_earlier_message),
    DG_CASE(own_key_update_that_found_no_room_at_first_is_carried_out),
    DG_CASE(key_update_request_waits_for_side_slot),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
