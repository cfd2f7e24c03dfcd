// SPDX-License-Identifier: GPL-3.0-or-later
// DTLS 1.3 after the handshake: acknowledgements, connection ID messages, messages that have no place, the
// client's repeated last flight (RFC 9147 5.8.1, 7, 9).
#include "conversation.h"

// --- acknowledgements ---------------------------------------------------------------------------

// A5: data, alerts, acknowledgements and what does not open are never acknowledged.
DG_TEST(nothing_but_handshake_records_is_acknowledged)
{
    static const uint8_t canceled[2] = {1, DG_ALERT_USER_CANCELED};
    start(false, false);
    (void)fake_peer_send(&peer, DG_CONTENT_APPLICATION_DATA, "x", 1);
    (void)fake_peer_send(&peer, DG_CONTENT_ALERT, canceled, 2);
    fake_peer_ack(&peer, 3, 0);
    (void)fake_peer_send(&peer, DG_CONTENT_RETURN_ROUTABILITY_CHECK, "123456789", 9);
    uint8_t out[128], message[64];
    static const uint8_t NO = 0;
    size_t size = fake_message(DG_HS_KEY_UPDATE, peer.message_seq, &NO, 1, message);
    size = fake_peer_seal(&peer, DG_CONTENT_HANDSHAKE, message, size, out, sizeof out);
    out[size - 1] ^= 1;
    (void)fake_peer_give(&peer, out, size);
    CHECK_EQ(server.sent_total, 0);
    CHECK_EQ(server.closed, 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_NOT_NEGOTIATED), 1);
    fake_server_stop(&server);
}

// A1: those of one datagram in one record, in rising order.
DG_TEST(acks_of_a_datagram_go_out_in_rising_order)
{
    static const uint8_t NO = 0;
    uint8_t message[32], records[3][64], out[256];
    size_t sizes[3], size = 0;
    start(false, false);
    key_update(0);
    fake_server_forget(&server);
    size_t message_size = fake_message(DG_HS_KEY_UPDATE, 3, &NO, 1, message);
    for (unsigned i = 0; i < 3; i++)
        sizes[i] = fake_peer_seal(&peer, DG_CONTENT_HANDSHAKE, message, message_size, records[i], 64);
    for (unsigned i = 3; i-- > 0;) {
        memcpy(out + size, records[i], sizes[i]);
        size += sizes[i];
    }
    (void)fake_peer_give(&peer, out, size);
    struct fake_record ack = take();
    const struct dg_record_number numbers[] = {{3, 1}, {3, 2}, {3, 3}};
    is_ack(&ack, 3, numbers);
    CHECK_EQ(server.sent_total, 2);
    fake_server_stop(&server);
}

// A8, wolfSSL CVE-2026-5264: lists of every length, inside and outside of their record.
DG_TEST(ack_lists_are_parsed_within_bounds)
{
    for (unsigned size = 0; size < 70; size++) {
        for (unsigned says = 0; says < 70; says++) {
            uint8_t body[80] = {0};
            const struct fake_setup setup = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .who = 1};
            fake_server_start(&server, &dg_null_aead, NULL);
            REQUIRE(fake_peer_join(&peer, &server, &setup));
            body[1] = (uint8_t)says;
            (void)fake_peer_send(&peer, DG_CONTENT_ACK, body, size);
            bool is_good = size >= 2 && size - 2 == says && says % 16 == 0;
            CHECK_EQ(server.closed, !is_good);
            if (!is_good)
                CHECK_EQ(server.reason, DG_COUNT_FAIL_DECODE);
            fake_server_stop(&server);
        }
    }
}

// RFC 9147 7: only what was received is acknowledged: the ticket's number, and none that was not used yet.
DG_TEST(ack_of_what_was_never_sent_ends_the_association)
{
    for (unsigned i = 0; i < 4; i++) {
        start(true, false);
        uint64_t next = dg_shard_keyset(server.engine->by_number[peer.ref.shard], fake_slot(&server, peer.ref),
                                        fake_slot(&server, peer.ref)->tx_place)
                            ->next;
        fake_peer_ack(&peer, 3, next - 1);
        CHECK_EQ(server.closed, 0);
        fake_peer_ack(&peer, i < 3 ? 3 : 4, i == 0 ? next : i == 1 ? next + 1 : i == 2 ? UINT64_MAX : 0);
        CHECK_EQ(server.closed, 1);
        CHECK_EQ(server.reason, DG_COUNT_FAIL_ACK_UNSENT);
        fake_server_stop(&server);
    }
}

DG_TEST(ack_list_of_largest_record_is_handled)
{
    static uint8_t body[16384];
    start(true, false);
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u16(&writer, 1023 * 16);
    for (unsigned i = 0; i < 1023; i++) {
        dg_write_u64(&writer, i + 1 < 1023 ? 2 : 3); // of the handshake, which nobody here knows any more
        dg_write_u64(&writer, i + 1 < 1023 ? 1000 + i : 1);
    }
    (void)fake_peer_send(&peer, DG_CONTENT_ACK, body, dg_writer_size(&writer));
    CHECK_EQ(server.closed, 0);
    CHECK(message_of() == NULL);
    fake_server_stop(&server);
}

// --- messages -------------------------------------------------------------------------------------

// C7, RFC 9147 9: which types are taken, beside a list written by hand.
DG_TEST(post_handshake_table_of_all_types)
{
    for (unsigned cids = 0; cids < 2; cids++) {
        for (unsigned type = 0; type < 256; type++) {
            start(false, cids);
            uint8_t body[3] = {0, 0, 1};
            size_t size = type == DG_HS_NEW_CONNECTION_ID ? 3 : 1;
            (void)fake_peer_send_message(&peer, (uint8_t)type, 3, body, size);
            bool is_taken = type == 24 || (cids && (type == 9 || type == 10));
            CHECK_MSG(server.closed == !is_taken, "type %u, cids %u", type, cids);
            if (!is_taken)
                CHECK_EQ(server.reason, DG_COUNT_FAIL_UNEXPECTED_MESSAGE);
            fake_server_stop(&server);
        }
    }
}

// RFC 8446 5: what a record of a current epoch may hold.
DG_TEST(inner_types_table_13)
{
    for (unsigned type = 1; type < 256; type++) {
        start(false, false);
        uint8_t body[18] = {0, 16, 0, 0, 0, 0, 0, 0, 0, 3};
        if (type == 21)
            (void)fake_peer_send(&peer, 21, "\1\132", 2); // user_canceled
        else
            (void)fake_peer_send(&peer, (uint8_t)type, body, sizeof body);
        bool is_fatal = type != 21 && type != 23 && type != 26 && type != 27;
        CHECK_MSG((server.closed == 1) == is_fatal, "type %u", type);
        fake_server_stop(&server);
    }
    // Nothing but zeros inside (RFC 8446 5.4).
    start(false, false);
    uint8_t out[128];
    const struct peer_record zeros = {.epoch = 3, .zeros_only = true, .padding = 20};
    (void)fake_peer_give(&peer, out, peer_seal13(&peer.tx, &zeros, out, sizeof out));
    CHECK_EQ(server.reason, DG_COUNT_FAIL_UNEXPECTED_MESSAGE);
    fake_server_stop(&server);
}

DG_TEST(new_connection_id_immediate_is_used_at_once)
{
    static const uint8_t immediate[] = {0, 8, 7, 1, 2, 3, 4, 5, 6, 7, 0};
    static const uint8_t spare[] = {0, 8, 7, 1, 2, 3, 4, 5, 6, 7, 1};
    start(false, true);
    (void)fake_peer_send_message(&peer, DG_HS_NEW_CONNECTION_ID, 3, spare, sizeof spare);
    CHECK_EQ(take().type, DG_CONTENT_ACK); // still with the old ID
    CHECK(data_flows());
    (void)fake_peer_send_message(&peer, DG_HS_NEW_CONNECTION_ID, 4, immediate, sizeof immediate);
    memcpy(peer.peer_cid, immediate + 3, 7);
    peer.setup.peer_cid_size = 7;
    CHECK_EQ(take().type, DG_CONTENT_ACK); // with the new one
    CHECK(data_flows());
    fake_server_stop(&server);

    // None, too long, another usage, lists that do not fit.
    static const uint8_t bad[][30] = {{0, 0, 0},    {0, 8, 7, 1, 2, 3, 4, 5, 6, 7, 2}, {0, 2, 5, 1, 1},
                                      {0, 9, 0, 0}, {0, 22, 21, [24] = 0}};
    static const size_t sizes[] = {3, 11, 5, 4, 25};
    for (unsigned i = 0; i < 5; i++) {
        start(false, true);
        (void)fake_peer_send_message(&peer, DG_HS_NEW_CONNECTION_ID, 3, bad[i], sizes[i]);
        CHECK_MSG(server.closed == 1, "case %u", i);
        fake_server_stop(&server);
    }
}

// --- final flight -----------------------------------------------------------------------------------

static size_t finished_again(uint64_t sequence, uint16_t message_seq, uint8_t *out, size_t capacity)
{
    uint8_t message[64];
    static const uint8_t VERIFY[32] = {4};
    size_t size = fake_message(DG_HS_FINISHED, message_seq, VERIFY, sizeof VERIFY, message);
    const struct peer_record record = {.epoch = 2,
                                       .sequence = sequence,
                                       .type = DG_CONTENT_HANDSHAKE,
                                       .cid = peer.cid,
                                       .cid_size = fake_peer_cid_size(&peer),
                                       .data = message,
                                       .size = size};
    return peer_seal13(&peer.handshake, &record, out, capacity);
}

// A2: new numbers of the handshake's epoch are acknowledged in the current one, at most one answer in 500 ms.
DG_TEST(repeated_finished_13_is_acknowledged)
{
    uint8_t out[512];
    start(false, true);
    const struct dg_record_number three[] = {{2, 3}, {2, 4}, {2, 5}};
    size_t size = 0;
    for (uint64_t i = 3; i < 6; i++) // Certificate, CertificateVerify, Finished in one datagram
        size += finished_again(i, (uint16_t)(i - 3), out + size, sizeof out - size);
    (void)fake_peer_give(&peer, out, size);
    struct fake_record ack = take();
    CHECK_EQ(ack.epoch, 3);
    is_ack(&ack, 3, three);
    // Too soon: waits, and is acknowledged with the next.
    (void)fake_peer_give(&peer, out, finished_again(6, 2, out, sizeof out));
    CHECK_EQ(server.sent_count, 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_FLIGHT_LIMITED), 1);
    server.now += 500 * DG_MILLISECOND;
    size = finished_again(7, 2, out, sizeof out);
    (void)fake_peer_give(&peer, out, size);
    ack = take();
    is_ack(&ack, 2, (const struct dg_record_number[]){{2, 6}, {2, 7}});
    server.now += DG_SECOND;
    (void)fake_peer_give(&peer, out, size); // a replay is not answered
    CHECK_EQ(server.sent_count, 0);
    (void)fake_peer_give(&peer, out, finished_again(0, 2, out, sizeof out)); // nor is one that the handshake took
    CHECK_EQ(server.sent_count, 0);
    (void)fake_peer_give(&peer, out, finished_again(8, 3, out, sizeof out)); // nor a message never processed
    CHECK_EQ(server.sent_count, 0);
    CHECK(data_flows());
    (void)fake_peer_give(&peer, out, finished_again(9, 2, out, sizeof out)); // data proves nothing about our ACK
    CHECK_EQ(server.sent_count, 1);
    fake_server_run(&server, 241 * DG_SECOND);
    (void)fake_peer_give(&peer, out, finished_again(10, 2, out, sizeof out));
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_EPOCH_UNKNOWN), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_FLIGHTS_REPEATED), 3);
    fake_server_stop(&server);
}

// 10^4 repeats within a minute: two acknowledgements a second, no more.
DG_TEST(repeated_finished_13_ten_thousand_are_bounded)
{
    uint8_t out[256];
    start(false, false);
    for (uint64_t i = 0; i < 10000; i++) {
        (void)fake_peer_give(&peer, out, finished_again(3 + i, 2, out, sizeof out));
        server.now += 6 * DG_MILLISECOND;
    }
    CHECK(server.sent_total <= 121 && server.sent_total >= 115);
    CHECK(data_flows());
    fake_server_stop(&server);
}

// A process that died right after a take-over leaves the ticket with a deadline of its own: it is given up then,
// also when its next repetition lies behind it (a timer that stays due would hold the worker for ever).
DG_TEST(own_message_is_given_up_at_its_deadline)
{
    start(true, false);
    REQUIRE(message_of() != NULL);
    message_of()->deadline = server.now + 5 * DG_SECOND; // repeated after 1 and 3 seconds, and again after 7
    fake_server_run(&server, 30 * DG_SECOND);
    CHECK(message_of() == NULL);
    CHECK_EQ(fake_count(&server, DG_COUNT_RETRANSMISSIONS), 2);
    fake_server_forget(&server);
    CHECK(data_flows());
    fake_server_stop(&server);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(nothing_but_handshake_records_is_acknowledged),
    DG_CASE(acks_of_a_datagram_go_out_in_rising_order),
    DG_CASE(ack_lists_are_parsed_within_bounds),
    DG_CASE(ack_of_what_was_never_sent_ends_the_association),
    DG_CASE(ack_list_of_largest_record_is_handled),
    DG_CASE(post_handshake_table_of_all_types),
    DG_CASE(inner_types_table_13),
    DG_CASE(new_connection_id_immediate_is_used_at_once),
    DG_CASE(repeated_finished_13_is_acknowledged),
    DG_CASE(repeated_finished_13_ten_thousand_are_bounded),
    DG_CASE(own_message_is_given_up_at_its_deadline),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
