// SPDX-License-Identifier: GPL-3.0-or-later
// The peer's connection IDs in what we send (RFC 9147 9): given by a made-up peer, and between two engines, of
// which one is the client.
#include "conversation.h"
#include "core/connection_ids.h"

static struct fake_server other; // the client, where there are two engines

// --- what the peer gives ------------------------------------------------------------------------

static size_t give_ids(uint8_t usage, const uint8_t *sizes, unsigned count, uint8_t first_byte)
{
    uint8_t body[512];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += 1u + sizes[i];
    dg_write_u16(&writer, (uint16_t)total);
    for (unsigned i = 0; i < count; i++) {
        dg_write_u8(&writer, sizes[i]);
        for (unsigned at = 0; at < sizes[i]; at++)
            dg_write_u8(&writer, (uint8_t)(first_byte + i));
    }
    dg_write_u8(&writer, usage);
    CHECK(!writer.failed);
    (void)fake_peer_send_message(&peer, DG_HS_NEW_CONNECTION_ID, peer.message_seq++, body, dg_writer_size(&writer));
    return total;
}

static void expect_id(uint8_t byte, uint8_t size)
{
    memset(peer.peer_cid, byte, sizeof peer.peer_cid);
    peer.setup.peer_cid_size = size;
}

static bool changes_path(void)
{
    struct dg_association association;
    return dg_association_find(server.engine, server.now, peer.ref, &association) &&
           dg_connection_id_fresh(&association);
}

// R4, R8: cid_immediate of every size that fits, seen on the wire from the acknowledgement on; a longer one is
// refused with illegal_parameter.
DG_TEST(new_connection_id_immediate_of_every_size)
{
    for (uint8_t size = 0; size < 24; size++) {
        start(false, true);
        (void)give_ids(0, &size, 1, 0x70);
        if (size > DG_SLOT_PEER_CID) {
            CHECK_EQ(server.reason, DG_COUNT_FAIL_ILLEGAL_PARAMETER);
            CHECK_EQ(take().data[1], DG_ALERT_ILLEGAL_PARAMETER);
            fake_server_stop(&server);
            continue;
        }
        expect_id(0x70, size);
        const struct fake_datagram *sent = &server.sent[0];
        CHECK_EQ(sent->bytes[0] & 0x10, size > 0 ? 0x10 : 0);
        CHECK_MEM(sent->bytes + 1, peer.peer_cid, size);
        CHECK_EQ(take().type, DG_CONTENT_ACK);
        CHECK(data_flows());
        // Another one, also after an empty one: that is what was negotiated.
        static const uint8_t SEVEN = 7;
        fake_server_forget(&server);
        (void)give_ids(0, &SEVEN, 1, 0x60);
        expect_id(0x60, 7);
        CHECK_EQ(take().type, DG_CONTENT_ACK);
        fake_server_restart(&server);
        CHECK(data_flows());
        CHECK_EQ(server.closed, 0);
        fake_server_stop(&server);
    }
}

// RFC 9147 9: spares are used in the order in which they came, for nothing but a new path; at most four are kept,
// and those that do not fit, are empty or are known already are left out.
DG_TEST(new_connection_id_spares_are_used_for_new_paths_in_order)
{
    static const uint8_t SIZES[] = {9, 0, 20, 21, 255, 1, 8, 8, 8};
    static const uint8_t USED[][2] = {{0x40, 9}, {0x42, 20}, {0x45, 1}, {0x46, 8}};
    start(false, true);
    CHECK(!changes_path());
    (void)give_ids(1, SIZES, 9, 0x40);
    CHECK_EQ(take().type, DG_CONTENT_ACK); // with the ID as before
    CHECK(data_flows());
    for (unsigned i = 0; i < 4; i++) {
        if (i == 2)
            fake_server_restart(&server);
        CHECK(changes_path());
        expect_id(USED[i][0], USED[i][1]);
        CHECK_MSG(data_flows(), "spare %u", i);
    }
    CHECK(!changes_path());
    CHECK(data_flows());
    CHECK_EQ(fake_count(&server, DG_COUNT_CIDS_CHANGED), 4);
    // What follows a cid_immediate is kept; what is in use or kept already is not.
    static const uint8_t TWO[] = {6, 6};
    fake_server_forget(&server);
    (void)give_ids(0, TWO, 2, 0x50);
    (void)give_ids(1, TWO, 2, 0x50);
    expect_id(0x50, 6);
    CHECK(data_flows());
    CHECK(changes_path());
    expect_id(0x51, 6);
    CHECK(data_flows());
    CHECK(!changes_path());
    fake_server_stop(&server);
}

// A long ID of the handshake makes room when a short one takes its place.
DG_TEST(new_connection_id_takes_the_place_of_a_long_one)
{
    static const uint8_t FIVE = 5;
    const struct fake_setup setup = {
        .version = 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .peer_cid_size = 64, .who = 1};
    fake_server_start(&server, &dg_wolf_aead, NULL);
    REQUIRE(fake_peer_join(&peer, &server, &setup));
    CHECK(data_flows());
    (void)give_ids(1, &FIVE, 1, 0x30);
    CHECK(data_flows());
    CHECK(changes_path());
    expect_id(0x30, 5);
    CHECK(data_flows());
    fake_server_restart(&server);
    CHECK_EQ(dg_engine_live(server.engine), 1);
    CHECK(data_flows());
    CHECK(dg_shard_flight_find(server.engine->by_number[peer.ref.shard], fake_slot(&server, peer.ref),
                               DG_FLIGHT_PEER_CID) == NULL);
    fake_server_stop(&server);
}

// RFC 9147 9, RFC 9853 9: who has moved is sent to with an ID that nobody has seen on the path before; the check
// of the new path does not use one up, for strangers can begin it.
DG_TEST(proven_move_takes_a_fresh_connection_id)
{
    static const uint8_t SEVEN = 7;
    struct dg_engine_config config = dg_engine_config_default();
    config.path_basic = true;
    const struct fake_setup setup = {
        .version = 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .peer_cid_size = 5, .has_rrc = true, .who = 1};
    fake_server_start(&server, &dg_wolf_aead, &config);
    REQUIRE(fake_peer_join(&peer, &server, &setup));
    (void)give_ids(1, &SEVEN, 1, 0x20);
    fake_server_forget(&server);
    peer.path.peer.port = 4242;
    (void)fake_peer_send(&peer, DG_CONTENT_APPLICATION_DATA, "moved", 5);
    struct fake_record challenge = take(); // with the ID as before
    CHECK_EQ(challenge.type, DG_CONTENT_RETURN_ROUTABILITY_CHECK);
    CHECK_EQ(fake_count(&server, DG_COUNT_CIDS_CHANGED), 0);
    challenge.data[0] = 1; // path_response
    (void)fake_peer_send(&peer, DG_CONTENT_RETURN_ROUTABILITY_CHECK, challenge.data, 9);
    CHECK_EQ(fake_count(&server, DG_COUNT_PATHS_MOVED), 1);
    expect_id(0x20, 7);
    CHECK(data_flows());
    CHECK_EQ(fake_count(&server, DG_COUNT_CIDS_CHANGED), 1);
    fake_server_stop(&server);
}

// --- two engines -----------------------------------------------------------------------------------

static struct dg_ref client_ref;

// The same keys the other way round.
static void start_two(void)
{
    struct dg_handover handover, own;
    const struct fake_setup setup = {
        .version = 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .peer_cid_size = DG_CID_SIZE_DEFAULT, .who = 1};
    fake_server_start(&server, &dg_wolf_aead, NULL);
    fake_server_start(&other, &dg_wolf_aead, NULL);
    REQUIRE(fake_peer_join(&peer, &server, &setup));
    fake_peer_handover(&peer, &handover);
    own = handover;
    own.is_client = true;
    own.path.peer = handover.path.local;
    own.path.local = handover.path.peer;
    own.tx = handover.rx;
    own.rx = handover.tx;
    memcpy(own.cid, handover.peer_cid, DG_CID_SIZE_DEFAULT);
    memcpy(own.peer_cid, handover.cid, DG_CID_SIZE_DEFAULT);
    own.tx_next = 0;
    own.tx_message_seq = handover.rx_message_seq;
    own.rx_message_seq = handover.tx_message_seq;
    REQUIRE(dg_engine_take_over(other.engine, other.now, &own));
    client_ref = other.ref;
}

static void stop_two(void)
{
    fake_server_stop(&other);
    fake_server_stop(&server);
}

static struct dg_path client_path, server_path;

// Carries what was sent over until nothing is left; what of it the number names is lost.
static unsigned carry(unsigned lost)
{
    unsigned carried = 0;
    client_path = peer.path;
    server_path = (struct dg_path){.peer = peer.path.local, .local = peer.path.peer, .listener = 77};
    while (server.sent_count + other.sent_count > 0) {
        struct fake_server *from = other.sent_count > 0 ? &other : &server;
        struct fake_datagram datagram = from->sent[0];
        memmove(&from->sent[0], &from->sent[1], (--from->sent_count) * sizeof from->sent[0]);
        if (carried++ == lost)
            continue;
        enum dg_engine_verdict verdict =
            from == &other
                ? dg_engine_receive(server.engine, server.now, &client_path, datagram.bytes, datagram.size)
                : dg_engine_receive(other.engine, other.now, &server_path, datagram.bytes, datagram.size);
        CHECK(verdict != DG_ENGINE_UNKNOWN);
    }
    return carried;
}
#define NOTHING UINT32_MAX

static bool both_talk(void)
{
    unsigned up = server.delivered, down = other.delivered;
    (void)dg_engine_send(other.engine, other.now, client_ref, (const uint8_t *)"up", 2);
    (void)dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"down", 4);
    (void)carry(NOTHING);
    return server.delivered == up + 1 && other.delivered == down + 1;
}

static void wire_id(uint8_t ret[DG_CID_SIZE_DEFAULT])
{
    (void)dg_engine_send(other.engine, other.now, client_ref, (const uint8_t *)"x", 1);
    memcpy(ret, other.sent[other.sent_count - 1].bytes + 1, DG_CID_SIZE_DEFAULT);
    (void)carry(NOTHING);
}

// RFC 9853 9: a client that rebinds for ever shows an ID on each new path that was on none before, but for the
// first change, before which there was nobody to ask.
DG_TEST(client_that_rebinds_shows_a_fresh_connection_id_each_time)
{
    static uint8_t shown[101][DG_CID_SIZE_DEFAULT];
    unsigned repeated = 0;
    start_two();
    CHECK(both_talk());
    wire_id(shown[0]);
    for (unsigned move = 1; move <= 100; move++) {
        dg_engine_rebound(other.engine, other.now, client_ref);
        (void)carry(NOTHING);
        wire_id(shown[move]);
        for (unsigned i = 0; i < move; i++)
            repeated += memcmp(shown[i], shown[move], DG_CID_SIZE_DEFAULT) == 0;
        CHECK_MSG(both_talk(), "move %u", move);
        if (move % 7 == 0)
            fake_server_restart(&server);
        if (move % 11 == 0)
            fake_server_restart(&other);
    }
    CHECK_EQ(repeated, 1);
    CHECK_EQ(server.closed + other.closed, 0);
    CHECK_EQ(fake_count(&other, DG_COUNT_CIDS_CHANGED), 99);
    stop_two();
}

// Each of the datagrams of a request and its answer lost in turn: both sides find to the same.
DG_TEST(connection_id_exchange_survives_any_loss)
{
    for (unsigned lost = 0; lost < 6; lost++) {
        start_two();
        dg_engine_rebound(other.engine, other.now, client_ref);
        (void)carry(lost);
        for (unsigned second = 0; second < 20; second++) {
            fake_server_run(&other, DG_SECOND);
            fake_server_run(&server, DG_SECOND);
            (void)carry(NOTHING);
        }
        uint8_t before_move[DG_CID_SIZE_DEFAULT], after[DG_CID_SIZE_DEFAULT];
        wire_id(before_move);
        // Unfulfilled requests are not repeated by another (RFC 9147 9): one offer, of four.
        CHECK_EQ(fake_count(&server, DG_COUNT_CIDS_OFFERED), DG_CID_SPARES);
        dg_engine_rebound(other.engine, other.now, client_ref);
        wire_id(after);
        CHECK(memcmp(before_move, after, DG_CID_SIZE_DEFAULT) != 0);
        CHECK(both_talk());
        stop_two();
    }
}

// RFC 9147 9: while a request is unfulfilled there is no second one.
DG_TEST(client_asks_for_connection_ids_once_at_a_time)
{
    start_two();
    for (unsigned i = 0; i < 5; i++)
        dg_engine_rebound(other.engine, other.now, client_ref);
    CHECK_EQ(other.sent_count, 1);
    struct fake_datagram request = other.sent[0];
    fake_server_forget(&other);
    // The server acknowledges; its answer is lost.
    client_path = peer.path;
    server_path = (struct dg_path){.peer = peer.path.local, .local = peer.path.peer, .listener = 77};
    CHECK_EQ(dg_engine_receive(server.engine, server.now, &client_path, request.bytes, request.size),
             DG_ENGINE_OPENED);
    CHECK_EQ(server.sent_count, 2);
    CHECK_EQ(dg_engine_receive(other.engine, other.now, &server_path, server.sent[1].bytes, server.sent[1].size),
             DG_ENGINE_OPENED);
    fake_server_forget(&server);
    fake_server_restart(&other);
    dg_engine_rebound(other.engine, other.now, client_ref);
    CHECK_EQ(other.sent_count, 0);
    fake_server_run(&server, DG_SECOND);
    (void)carry(NOTHING);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(other.sent_count, 0);
        dg_engine_rebound(other.engine, other.now, client_ref);
    }
    CHECK_EQ(other.sent_count, 1); // the last one is used, and more are asked for
    CHECK_EQ(fake_count(&other, DG_COUNT_CIDS_CHANGED), 4);
    (void)carry(NOTHING);
    CHECK(both_talk());
    stop_two();
}

// Nobody asks who wants no ID in what we send, and DTLS 1.2 has no such messages.
DG_TEST(client_without_connection_id_of_the_server_never_asks)
{
    for (uint8_t version = 12; version <= 13; version++) {
        struct dg_handover handover;
        const struct fake_setup setup = {.version = version,
                                         .aead = DG_AEAD_AES_128_GCM,
                                         .has_cid = true,
                                         .peer_cid_size = version == 12 ? 8 : 0,
                                         .who = 1};
        fake_server_start(&server, &dg_wolf_aead, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        dg_engine_close(server.engine, server.now, peer.ref, DG_COUNT_CLOSED_SHUTDOWN);
        fake_peer_handover(&peer, &handover);
        handover.is_client = true;
        REQUIRE(dg_engine_take_over(server.engine, server.now, &handover));
        fake_server_forget(&server);
        dg_engine_rebound(server.engine, server.now, server.ref);
        CHECK_EQ(server.sent_count, 0);
        fake_server_stop(&server);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(new_connection_id_immediate_of_every_size),
    DG_CASE(new_connection_id_spares_are_used_for_new_paths_in_order),
    DG_CASE(new_connection_id_takes_the_place_of_a_long_one),
    DG_CASE(proven_move_takes_a_fresh_connection_id),
    DG_CASE(client_that_rebinds_shows_a_fresh_connection_id_each_time),
    DG_CASE(connection_id_exchange_survives_any_loss),
    DG_CASE(client_asks_for_connection_ids_once_at_a_time),
    DG_CASE(client_without_connection_id_of_the_server_never_asks),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
