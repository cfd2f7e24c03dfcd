// SPDX-License-Identifier: GPL-3.0-or-later
// A process that dies between any two stores of giving connection IDs out, taking them back, or changing to the
// peer's next one (RFC 9147 9): every ID that the peer may know is found by the next process, none is used for two
// paths, and what is sent carries the old one or the new one, whole. The death is a real one, in a child.
#include "conversation.h"
#include "core/connection_ids.h"
#include "support/crash_child.h"

#include <sys/mman.h>

// Seen by all processes of the test.
static struct shared {
    unsigned offers_sealed;   // NewConnectionId messages
    bool is_unroutable_named; // one of them named an ID that nobody would find after a death
} *shared;

// --- an AEAD that looks at what it seals -------------------------------------------------------

static bool is_kept(const uint8_t cid[DG_CID_SIZE_DEFAULT])
{
    const struct dg_slot *slot = fake_slot(&server, peer.ref);
    for (uint32_t number = slot->side; number != DG_NO_SIDE;) {
        struct dg_side_flight *flight = dg_memory_flight(&server.region.memory, peer.ref.shard, number);
        const struct dg_side_cids *cids = dg_side_cids_of(flight);
        for (uint32_t place = 0; flight->kind == DG_FLIGHT_CIDS && place < DG_CID_SPARES; place++)
            if (cids->own_state[place] != DG_OWN_CID_NONE && memcmp(cids->own[place], cid, DG_CID_SIZE_DEFAULT) == 0)
                return true;
        number = flight->next;
    }
    return false;
}

static bool seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE], const uint8_t *aad,
                 size_t aad_size, uint8_t *data, size_t size)
{
    if (size > 15 && data[0] == DG_HS_NEW_CONNECTION_ID && data[size - 1] == DG_CONTENT_HANDSHAKE) {
        shared->offers_sealed++;
        for (size_t at = 14; at + 1 + DG_CID_SIZE_DEFAULT < size - 1; at += 1 + DG_CID_SIZE_DEFAULT)
            if (!is_kept(data + at + 1))
                shared->is_unroutable_named = true;
    }
    return dg_null_aead.seal(aead, key, nonce, aad, aad_size, data, size);
}

static struct dg_aead_ops watched;

static void start_with(uint8_t peer_cid_size)
{
    const struct fake_setup setup = {
        .version = 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .peer_cid_size = peer_cid_size, .who = 1};
    watched = dg_null_aead;
    watched.seal = seal;
    memset(shared, 0, sizeof *shared);
    fake_server_start(&server, &watched, NULL);
    CHECK(fake_peer_join(&peer, &server, &setup));
}

static void restart(void)
{
    fake_server_restart(&server);
    fake_server_forget(&server);
    peer.tx_next += 4; // numbers that the child has used
    CHECK_EQ(dg_engine_live(server.engine), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_SLOTS_QUARANTINED), 0);
}

// --- ours ---------------------------------------------------------------------------------------------

static uint8_t given[16][DG_CID_SIZE_DEFAULT];
static unsigned given_count;

static void act_request(void)
{
    static const uint8_t COUNT = 3;
    (void)fake_peer_send_message(&peer, DG_HS_REQUEST_CONNECTION_ID, peer.message_seq, &COUNT, 1);
}

// What a peer does with what comes: keeps IDs, and acknowledges. Whether its request was acknowledged.
static bool listen(void)
{
    bool is_acked = false;
    while (server.sent_count > 0) {
        struct fake_record record;
        size_t offset = 0;
        if (!fake_peer_take(&peer, &offset, &record))
            continue;
        is_acked |= record.type == DG_CONTENT_ACK;
        if (record.type != DG_CONTENT_HANDSHAKE || record.data[0] != DG_HS_NEW_CONNECTION_ID)
            continue;
        for (size_t at = 14; at + 1 + DG_CID_SIZE_DEFAULT < record.size; at += 1 + DG_CID_SIZE_DEFAULT)
            memcpy(given[given_count++ % 16], record.data + at + 1, DG_CID_SIZE_DEFAULT);
        fake_peer_ack(&peer, record.epoch, record.sequence);
    }
    return is_acked;
}

static void obtain(void)
{
    bool is_acked = false;
    given_count = 0;
    for (unsigned i = 0; i < 4 && !is_acked; i++) {
        act_request();
        is_acked = listen();
        fake_server_run(&server, 2 * DG_SECOND); // what was kept of ours goes out again
        is_acked |= listen();
    }
    CHECK(is_acked);
    peer.message_seq++;
}

static bool all_given_are_found(void)
{
    uint8_t first[DG_CID_SIZE_DEFAULT];
    bool is_good = data_flows();
    memcpy(first, peer.cid, sizeof first);
    for (unsigned i = 0; i < given_count && i < 16; i++) {
        memcpy(peer.cid, given[i], DG_CID_SIZE_DEFAULT);
        is_good = data_flows() && is_good;
    }
    memcpy(peer.cid, first, sizeof first);
    return is_good;
}

DG_TEST(crash_while_giving_connection_ids_loses_none)
{
    for (int point = 0;; point++) {
        start_with(5);
        bool died = dies_at(point, act_request);
        restart();
        obtain();
        CHECK_MSG(given_count >= 3, "point %d: %u", point, given_count);
        CHECK_MSG(all_given_are_found(), "point %d", point);
        // No place was lost: but for the newest that was used, all of them are to be had again.
        fake_server_forget(&server);
        obtain();
        CHECK_MSG(given_count == 3, "point %d: %u more", point, given_count);
        CHECK_MSG(all_given_are_found(), "second, point %d", point);
        CHECK(shared->offers_sealed > 0 && !shared->is_unroutable_named);
        fake_server_stop(&server);
        if (!died) {
            CHECK(point >= 12);
            break;
        }
    }
}

// The same where IDs that the peer has left make room.
DG_TEST(crash_while_taking_connection_ids_back_loses_no_other)
{
    for (int point = 0;; point++) {
        uint8_t kept[2][DG_CID_SIZE_DEFAULT];
        start_with(5);
        obtain();
        for (unsigned i = 0; i < 3; i++) {
            memcpy(peer.cid, given[i], DG_CID_SIZE_DEFAULT);
            CHECK(data_flows());
        }
        memcpy(kept[0], given[1], DG_CID_SIZE_DEFAULT);
        memcpy(kept[1], given[2], DG_CID_SIZE_DEFAULT);
        fake_server_forget(&server);
        bool died = dies_at(point, act_request);
        restart();
        obtain();
        CHECK_MSG(given_count >= 2, "point %d: %u", point, given_count);
        CHECK_MSG(all_given_are_found(), "point %d", point);
        for (unsigned i = 0; i < 2; i++) {
            memcpy(peer.cid, kept[i], DG_CID_SIZE_DEFAULT);
            CHECK_MSG(data_flows(), "kept %u, point %d", i, point);
        }
        CHECK(!shared->is_unroutable_named);
        fake_server_stop(&server);
        if (!died) {
            CHECK(point >= 10);
            break;
        }
    }
}

// --- the peer's ---------------------------------------------------------------------------------------

static uint8_t usage_to_give;

static void act_give(void)
{
    uint8_t body[2 + 2 * 12 + 1] = {0, 24};
    for (unsigned i = 0; i < 2; i++) {
        body[2 + 12 * i] = 11;
        memset(body + 3 + 12 * i, (int)(0x30 + i), 11);
    }
    body[26] = usage_to_give;
    (void)fake_peer_send_message(&peer, DG_HS_NEW_CONNECTION_ID, peer.message_seq, body, sizeof body);
}

static void act_move(void)
{
    struct dg_association association;
    CHECK(dg_association_find(server.engine, server.now, peer.ref, &association));
    CHECK(dg_connection_id_fresh(&association));
}

static void expect_id(uint8_t byte)
{
    memset(peer.peer_cid, byte, sizeof peer.peer_cid);
    peer.setup.peer_cid_size = 11;
}

// Old or new, and whole, from the first datagram of the next process on; and the next path gets another one.
DG_TEST(crash_while_changing_the_peers_connection_id_leaves_one_whole)
{
    static const uint8_t BEFORE[] = {1, 5, 20, 64};
    unsigned old_seen = 0, new_seen = 0;
    for (unsigned i = 0; i < sizeof BEFORE; i++) {
        for (int point = 0;; point++) {
            start_with(BEFORE[i]);
            usage_to_give = 1;
            act_give();
            peer.message_seq++;
            struct fake_peer old = peer;
            bool died = dies_at(point, act_move);
            restart();
            // As it goes out, before anything else has happened.
            CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
            const uint8_t *id = server.sent[0].bytes + 1;
            expect_id(0x30);
            bool is_new = memcmp(id, peer.peer_cid, 11) == 0;
            bool is_old = memcmp(id, old.peer_cid, old.setup.peer_cid_size) == 0;
            CHECK_MSG(is_new || is_old, "size %u, point %d", BEFORE[i], point);
            new_seen += is_new;
            old_seen += !is_new;
            if (!is_new) {
                memcpy(peer.peer_cid, old.peer_cid, sizeof peer.peer_cid);
                peer.setup.peer_cid_size = old.setup.peer_cid_size;
            }
            CHECK_MSG(data_flows(), "size %u, point %d", BEFORE[i], point);
            // The first spare is never used for another path, if it may have been used for this one.
            act_move();
            CHECK(dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1));
            id = server.sent[server.sent_count - 1].bytes + 1;
            expect_id(id[0] == 0x31 ? 0x31 : 0x30);
            CHECK(!is_new || id[0] == 0x31);
            CHECK_MSG(data_flows(), "second, size %u, point %d", BEFORE[i], point);
            fake_server_stop(&server);
            if (!died) {
                CHECK(is_new && point >= 4);
                break;
            }
        }
    }
    CHECK(old_seen > 0 && new_seen > 4);
}

// The peer's message: until it is acknowledged the peer repeats it, and then both sides agree.
DG_TEST(crash_while_taking_the_peers_connection_ids_goes_on)
{
    static const uint8_t BEFORE[] = {5, 64};
    for (unsigned number = 0; number < 4; number++) {
        for (int point = 0;; point++) {
            start_with(BEFORE[number / 2]);
            usage_to_give = (uint8_t)(number % 2);
            bool died = dies_at(point, act_give);
            restart();
            act_give();
            peer.message_seq++;
            if (usage_to_give == 0)
                expect_id(0x30);
            CHECK_EQ(take().type, DG_CONTENT_ACK);
            CHECK_MSG(data_flows(), "%u, point %d", number, point);
            for (uint8_t next = (uint8_t)(usage_to_give == 0 ? 1 : 0); next < 2; next++) {
                act_move();
                expect_id((uint8_t)(0x30 + next));
                CHECK_MSG(data_flows(), "%u, point %d, spare %u", number, point, next);
            }
            fake_server_stop(&server);
            if (!died)
                break;
        }
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(crash_while_giving_connection_ids_loses_none),
    DG_CASE(crash_while_taking_connection_ids_back_loses_no_other),
    DG_CASE(crash_while_changing_the_peers_connection_id_leaves_one_whole),
    DG_CASE(crash_while_taking_the_peers_connection_ids_goes_on),
};

int main(int argc, char **argv)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
