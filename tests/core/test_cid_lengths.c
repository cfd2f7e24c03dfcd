// SPDX-License-Identifier: GPL-3.0-or-later
// Our own connection IDs in every length that a memory file may have: records, forgeries, further IDs, moves,
// attaching, and what two associations with one ID would mean.
#include "check.h"
#include "core/connection_ids.h"
#include "core/path.h"
#include "support/fake_peer.h"

#include <string.h>

static const uint32_t LENGTHS[] = {4, 5, 8, 15, 16};
#define LENGTH_COUNT (sizeof LENGTHS / sizeof LENGTHS[0])

static struct fake_server server;
static struct fake_peer peer;

static void start(uint32_t length, bool is_13)
{
    const struct fake_setup setup = {.version = is_13 ? 13 : 12,
                                     .aead = DG_AEAD_AES_128_GCM,
                                     .has_cid = true,
                                     .peer_cid_size = 3,
                                     .who = 1};
    fake_server_start_with(&server, &dg_null_aead, NULL, length);
    REQUIRE(fake_peer_join(&peer, &server, &setup));
}

// One record there, and one back.
static void talk(const char *where)
{
    unsigned before = server.delivered;
    CHECK(fake_peer_send(&peer, DG_CONTENT_APPLICATION_DATA, "there", 5) != DG_ENGINE_UNKNOWN);
    CHECK_MSG(server.delivered == before + 1 && server.data_size == 5, "nothing arrives %s", where);
    fake_server_forget(&server);
    CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"back", 4));
    struct fake_record record;
    size_t at = 0;
    CHECK_MSG(fake_peer_take(&peer, &at, &record) && record.size == 4, "nothing comes back %s", where);
}

DG_TEST(cid_lengths_carry_records_both_ways)
{
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        for (int is_13 = 0; is_13 < 2; is_13++) {
            start(LENGTHS[i], is_13);
            const struct dg_slot *slot = fake_slot(&server, peer.ref);
            CHECK_EQ(slot->flags & DG_SLOT_HAS_CID, DG_SLOT_HAS_CID);
            CHECK_MEM(slot->cid, peer.cid, LENGTHS[i]);
            for (size_t behind = LENGTHS[i]; behind < sizeof slot->cid; behind++)
                CHECK_EQ(slot->cid[behind], 0);
            talk("under its ID");
            fake_server_stop(&server);
        }
    }
}

// Whoever guesses all of it but one byte, and whoever leaves out the last byte or sends one more: an ID of another
// length is no ID here, since the header is read by the file's.
DG_TEST(cid_lengths_forged_ids_name_nobody)
{
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        for (int is_13 = 0; is_13 < 2; is_13++) {
            start(LENGTHS[i], is_13);
            struct peer_record record = {.epoch = peer.tx_epoch,
                                         .sequence = peer.tx_next,
                                         .type = DG_CONTENT_APPLICATION_DATA,
                                         .data = "forged",
                                         .size = 6};
            uint8_t id[DG_CID_SIZE_MAX + 1], datagram[128];
            memset(id, 0, sizeof id);
            memcpy(id, peer.cid, LENGTHS[i]);
            record.cid = id;
            record.cid_size = LENGTHS[i];
            for (size_t byte = 0; byte < LENGTHS[i]; byte++) {
                id[byte] ^= 0x80;
                size_t size = fake_peer_seal_as(&peer, &peer.tx, &record, datagram, sizeof datagram);
                CHECK_EQ(fake_peer_give(&peer, datagram, size), DG_ENGINE_UNKNOWN);
                id[byte] ^= 0x80;
            }
            for (int more = -1; more <= 1; more += 2) {
                record.cid_size = (size_t)((int)LENGTHS[i] + more);
                size_t size = fake_peer_seal_as(&peer, &peer.tx, &record, datagram, sizeof datagram);
                (void)!fake_peer_give(&peer, datagram, size);
            }
            CHECK_EQ(server.delivered, 0);
            for (size_t cut = 0; cut <= LENGTHS[i] + 11; cut++) { // headers that end inside of the ID
                size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "whole", 5, datagram, sizeof datagram);
                REQUIRE(size > cut);
                (void)!fake_peer_give(&peer, datagram, cut);
            }
            CHECK_EQ(server.delivered, 0);
            talk("after the forgeries");
            fake_server_stop(&server);
        }
    }
}

// RequestConnectionId for all that we give; the IDs of the NewConnectionId that answers it.
static void ask(uint8_t ids[DG_CID_SPARES][DG_CID_SIZE_MAX], uint32_t length)
{
    const uint8_t count = DG_CID_SPARES;
    struct fake_record record = {0};
    size_t at = 0;
    fake_server_forget(&server);
    CHECK(fake_peer_send_message(&peer, DG_HS_REQUEST_CONNECTION_ID, peer.message_seq++, &count, 1) !=
          DG_ENGINE_UNKNOWN);
    while (fake_peer_take(&peer, &at, &record) && record.type != DG_CONTENT_HANDSHAKE) {
    }
    REQUIRE(record.type == DG_CONTENT_HANDSHAKE && record.data[0] == DG_HS_NEW_CONNECTION_ID);
    struct dg_reader reader = dg_reader_of(record.data + DG_HANDSHAKE_HEADER, record.size - DG_HANDSHAKE_HEADER);
    struct dg_reader list = dg_reader_in(dg_read_block16(&reader));
    CHECK_EQ(dg_reader_left(&list), DG_CID_SPARES * (1 + length));
    for (size_t i = 0; i < DG_CID_SPARES; i++) {
        struct dg_bytes id = dg_read_block8(&list);
        REQUIRE(id.size == length);
        memset(ids[i], 0, DG_CID_SIZE_MAX);
        memcpy(ids[i], id.data, id.size);
        CHECK_EQ(dg_cid_shard(ids[i], 4), peer.ref.shard);
    }
    CHECK_EQ(dg_read_u8(&reader), 1); // cid_spare
    CHECK(dg_reader_done(&reader));
    fake_peer_ack(&peer, record.epoch, record.sequence);
}

// RFC 9147 9: all of them, before and after another process has taken the memory over, from a new address each.
DG_TEST(cid_lengths_of_further_ids_moves_and_attaching)
{
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        uint8_t ids[1 + DG_CID_SPARES][DG_CID_SIZE_MAX];
        start(LENGTHS[i], true);
        memcpy(ids[0], peer.cid, sizeof ids[0]);
        ask(ids + 1, LENGTHS[i]);
        for (size_t round = 0; round < 2; round++) {
            for (size_t at = 0; at <= DG_CID_SPARES; at++) {
                memcpy(peer.cid, ids[at], sizeof peer.cid);
                peer.path.peer.port++; // newest wins (no return routability): answers follow within their budget
                unsigned delivered = server.delivered;
                CHECK(fake_peer_send(&peer, DG_CONTENT_APPLICATION_DATA, "moved", 5) != DG_ENGINE_UNKNOWN);
                CHECK_EQ(server.delivered, delivered + 1);
            }
            fake_server_restart(&server);
            CHECK_EQ(server.region.memory.shape.cid_size, LENGTHS[i]);
            CHECK_EQ(fake_count(&server, DG_COUNT_SLOTS_QUARANTINED), 0);
        }
        fake_server_stop(&server);
    }
}

// The unused end of an ID is zero and takes part in the check and in every comparison.
DG_TEST(cid_lengths_damage_behind_an_id_is_found)
{
    for (size_t i = 0; i + 1 < LENGTH_COUNT; i++) {
        start(LENGTHS[i], true);
        fake_slot(&server, peer.ref)->cid[LENGTHS[i]] = 1;
        fake_server_restart(&server);
        uint8_t datagram[64];
        size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "x", 1, datagram, sizeof datagram);
        CHECK_EQ(fake_peer_give(&peer, datagram, size), DG_ENGINE_UNKNOWN);
        CHECK_EQ(server.delivered, 0);
        fake_server_stop(&server);
    }
}

// RFC 9146 8: with short IDs it happens that a newcomer's is in use. It is refused, told so under its own keys, and the
// association whose ID it is goes on; what the newcomer sends under that ID is a forgery like any other.
DG_TEST(cid_lengths_newcomer_with_an_id_in_use_is_told_so)
{
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        for (int kinds = 0; kinds < 4; kinds++) {
            start(LENGTHS[i], true);
            const struct fake_setup setup = {.version = kinds & 1 ? 13 : 12,
                                             .aead = DG_AEAD_AES_256_GCM,
                                             .has_cid = true,
                                             .peer_cid_size = kinds & 2 ? 16 : 0,
                                             .who = 5}; // of the same shard
            struct fake_peer late;
            struct dg_handover handover;
            REQUIRE(fake_peer_join(&late, &server, &setup)); // for its keys; then it goes
            dg_engine_close(server.engine, server.now, late.ref, DG_COUNT_CLOSED_BY_ALERT);
            fake_server_forget(&server);
            memcpy(late.cid, peer.cid, sizeof late.cid);
            fake_peer_handover(&late, &handover);
            handover.tx_next = 7; // the handshake has used those before
            uint64_t sealed = fake_count(&server, DG_COUNT_RECORDS_SEALED);
            CHECK(!dg_engine_take_over(server.engine, server.now, &handover));
            CHECK_EQ(fake_count(&server, DG_COUNT_CID_COLLISION), 1);
            CHECK_EQ(fake_count(&server, DG_COUNT_RECORDS_SEALED), sealed + 1);
            struct fake_record record;
            size_t at = 0;
            REQUIRE(server.sent_count == 1);
            CHECK(dg_address_equal(&server.sent[0].path.peer, &late.path.peer));
            REQUIRE(fake_peer_take(&late, &at, &record));
            CHECK_EQ(record.type, DG_CONTENT_ALERT);
            CHECK_EQ(record.size, 2);
            CHECK_EQ(record.data[0], DG_ALERT_LEVEL_FATAL);
            CHECK_EQ(record.data[1], DG_ALERT_INTERNAL_ERROR);
            CHECK_EQ(record.sequence, 7);
            talk("beside the newcomer");
            fake_server_stop(&server);
        }
    }
}

// No room for a word: counted, and nothing else.
DG_TEST(refusal_without_room_is_counted)
{
    start(8, false);
    struct dg_handover handover;
    fake_peer_handover(&peer, &handover);
    server.is_full = true;
    CHECK(!dg_engine_take_over(server.engine, server.now, &handover));
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_SEND_FULL), 1);
    CHECK_EQ(server.sent_total, 0);
    server.is_full = false;
    handover.aead = DG_AEAD_COUNT; // nothing in it can be trusted: no word
    CHECK(!dg_engine_take_over(server.engine, server.now, &handover));
    CHECK_EQ(fake_count(&server, DG_COUNT_FAIL_TAKEOVER), 1);
    CHECK_EQ(server.sent_total, 0);
    fake_server_stop(&server);
}

// A handover whose ID has another length than the file's is nobody's of ours.
DG_TEST(cid_lengths_of_another_file_are_refused)
{
    start(8, true);
    struct dg_handover handover;
    for (uint8_t size = 1; size <= DG_CID_SIZE_MAX; size++) {
        fake_peer_handover(&peer, &handover);
        handover.cid_size = size;
        handover.cid[1] ^= 0xff;
        CHECK_EQ(dg_engine_take_over(server.engine, server.now, &handover), size == 8);
    }
    fake_server_stop(&server);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(cid_lengths_carry_records_both_ways),
        DG_CASE(cid_lengths_forged_ids_name_nobody),
        DG_CASE(cid_lengths_of_further_ids_moves_and_attaching),
        DG_CASE(cid_lengths_damage_behind_an_id_is_found),
        DG_CASE(cid_lengths_newcomer_with_an_id_in_use_is_told_so),
        DG_CASE(refusal_without_room_is_counted),
        DG_CASE(cid_lengths_of_another_file_are_refused),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
