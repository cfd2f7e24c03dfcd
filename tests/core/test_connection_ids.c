// SPDX-License-Identifier: GPL-3.0-or-later
// Connection IDs beyond the first (RFC 9147 9): asked for, given, used, left, and gone with their association;
// ours, as a made-up peer sees them. The peer's: test_connection_ids_peer.c.
#include "conversation.h"
#include "core/connection_ids.h"
#include "core/index.h"

// --- what the peer sees -----------------------------------------------------------------

struct offer {
    unsigned count;
    uint8_t ids[8][DG_CID_SIZE_DEFAULT];
    struct fake_record record;
};

static void read_offer(const struct fake_record *record, struct offer *ret)
{
    *ret = (struct offer){.record = *record};
    CHECK_EQ(record->type, DG_CONTENT_HANDSHAKE);
    CHECK_EQ(record->data[0], DG_HS_NEW_CONNECTION_ID);
    struct dg_reader reader = dg_reader_of(record->data + 12, record->size - 12);
    struct dg_reader ids = dg_reader_in(dg_read_block16(&reader));
    CHECK_EQ(dg_read_u8(&reader), 1); // cid_spare
    CHECK(dg_reader_done(&reader));
    while (dg_reader_left(&ids) > 0 && ret->count < 8) {
        struct dg_bytes id = dg_read_block8(&ids);
        REQUIRE(id.size == DG_CID_SIZE_DEFAULT);
        memcpy(ret->ids[ret->count++], id.data, DG_CID_SIZE_DEFAULT);
    }
    CHECK(dg_reader_done(&ids));
}

static void ask(uint8_t count)
{
    (void)fake_peer_send_message(&peer, DG_HS_REQUEST_CONNECTION_ID, peer.message_seq++, &count, 1);
}

// Asks, and reads the answer and the acknowledgement of the question.
static void ask_and_read(uint8_t count, struct offer *ret)
{
    fake_server_forget(&server);
    ask(count);
    CHECK_EQ(server.sent_count, 2);
    struct fake_record record = take();
    read_offer(&record, ret);
    CHECK_EQ(take().type, DG_CONTENT_ACK);
}

static void ask_and_acknowledge(uint8_t count, struct offer *ret)
{
    ask_and_read(count, ret);
    fake_peer_ack(&peer, ret->record.epoch, ret->record.sequence);
}

static void use_id(const uint8_t cid[DG_CID_SIZE_DEFAULT]) { memcpy(peer.cid, cid, DG_CID_SIZE_DEFAULT); }

static bool is_routed(const uint8_t cid[DG_CID_SIZE_DEFAULT])
{
    unsigned before = server.delivered;
    uint8_t kept[DG_CID_SIZE_DEFAULT];
    memcpy(kept, peer.cid, sizeof kept);
    use_id(cid);
    enum dg_engine_verdict verdict = fake_peer_send(&peer, DG_CONTENT_APPLICATION_DATA, "r", 1);
    use_id(kept);
    CHECK_EQ(verdict != DG_ENGINE_UNKNOWN, server.delivered == before + 1);
    return server.delivered == before + 1;
}

// --- asked for -----------------------------------------------------------------------------

// RFC 9147 9: up to as many as were asked for, at most four at a time, each of them found; in the shard of the
// first; all different.
DG_TEST(connection_id_requests_of_1_3_and_255_are_answered)
{
    static const uint8_t COUNTS[] = {0, 1, 3, 4, 5, 255}, GIVEN[] = {0, 1, 3, 4, 4, 4};
    for (unsigned i = 0; i < sizeof COUNTS; i++) {
        struct offer offer;
        start(false, true);
        ask_and_acknowledge(COUNTS[i], &offer);
        CHECK_EQ(offer.count, GIVEN[i]);
        CHECK(is_routed(peer.cid));
        for (unsigned at = 0; at < offer.count; at++) {
            CHECK_EQ(dg_cid_shard(offer.ids[at], 4), peer.ref.shard);
            CHECK(memcmp(offer.ids[at], peer.cid, DG_CID_SIZE_DEFAULT) != 0);
            for (unsigned before = 0; before < at; before++)
                CHECK(memcmp(offer.ids[at], offer.ids[before], DG_CID_SIZE_DEFAULT) != 0);
            CHECK(is_routed(offer.ids[at]));
        }
        CHECK_EQ(fake_count(&server, DG_COUNT_CIDS_OFFERED), GIVEN[i]);
        // One that was never given is nobody's.
        uint8_t unknown[DG_CID_SIZE_DEFAULT];
        memcpy(unknown, peer.cid, sizeof unknown);
        unknown[7] ^= 1;
        CHECK(!is_routed(unknown));
        fake_server_stop(&server);
    }
}

// RFC 9147 5.8.4, 9: a lost answer comes again, the same; until it is acknowledged there is no other.
DG_TEST(connection_id_answer_is_repeated_and_alone_until_acknowledged)
{
    struct offer first, again, second;
    start(false, true);
    ask_and_read(2, &first);
    fake_server_run(&server, DG_SECOND);
    struct fake_record record = take();
    read_offer(&record, &again);
    CHECK(again.record.sequence > first.record.sequence);
    CHECK_EQ(again.record.size, first.record.size);
    CHECK_MEM(again.record.data, first.record.data, first.record.size);
    ask(1); // neither answered nor acknowledged
    CHECK_EQ(server.sent_count, 0);
    peer.message_seq--;
    fake_peer_ack(&peer, again.record.epoch, again.record.sequence);
    ask_and_acknowledge(1, &second);
    CHECK_EQ(second.count, 1);
    for (unsigned i = 0; i < 2; i++)
        CHECK(memcmp(second.ids[0], first.ids[i], DG_CID_SIZE_DEFAULT) != 0);
    fake_server_stop(&server);
}

// Nothing of this goes out to who did not ask: there are clients that end the association over it.
DG_TEST(connection_ids_are_never_sent_unasked)
{
    start(true, true);
    for (unsigned i = 0; i < 50; i++) {
        fake_server_forget(&server);
        CHECK(data_flows());
        fake_server_run(&server, 10 * DG_SECOND);
        for (size_t at = 0; server.sent_count > 0;) {
            struct fake_record record;
            REQUIRE(fake_peer_take(&peer, &at, &record));
            CHECK(record.type != DG_CONTENT_HANDSHAKE ||
                  (record.data[0] != DG_HS_NEW_CONNECTION_ID && record.data[0] != DG_HS_REQUEST_CONNECTION_ID));
        }
    }
    dg_engine_rebound(server.engine, server.now, peer.ref); // a server has no path of its own to change
    CHECK_EQ(server.sent_count, 0);
    fake_server_stop(&server);
}

// RFC 9147 9: too_many_cids_requested, when more is asked for again and again than anybody needs.
DG_TEST(connection_id_requests_without_end_are_too_many)
{
    struct offer offer;
    unsigned asked = 0;
    start(false, true);
    ask_and_acknowledge(255, &offer);
    CHECK_EQ(offer.count, 4);
    while (server.closed == 0 && asked < 1000) {
        fake_server_forget(&server);
        ask(255);
        asked++;
        struct fake_record record = take();
        if (record.type == DG_CONTENT_ALERT) {
            CHECK_EQ(record.data[1], DG_ALERT_TOO_MANY_CIDS_REQUESTED);
            break;
        }
        read_offer(&record, &offer);
        CHECK_EQ(offer.count, 0);
        fake_peer_ack(&peer, record.epoch, record.sequence);
    }
    CHECK_EQ(asked, 17);
    CHECK_EQ(server.closed, 1);
    CHECK_EQ(server.reason, DG_COUNT_FAIL_CID_REQUESTS);
    CHECK_EQ(fake_count(&server, DG_COUNT_CLOSED_ERROR), 1);
    fake_server_stop(&server);
}

// --- used and left ---------------------------------------------------------------------------

// R8: a record with the ID before is delivered, however late; the first ID never goes.
DG_TEST(reordered_record_with_old_connection_id_is_delivered)
{
    uint8_t late[2][128];
    size_t sizes[2];
    struct offer offer;
    start(false, true);
    uint8_t first[DG_CID_SIZE_DEFAULT];
    memcpy(first, peer.cid, sizeof first);
    ask_and_acknowledge(2, &offer);
    sizes[0] = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "a", 1, late[0], sizeof late[0]);
    use_id(offer.ids[0]);
    CHECK(data_flows());
    sizes[1] = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "b", 1, late[1], sizeof late[1]);
    use_id(offer.ids[1]);
    CHECK(data_flows());
    unsigned before = server.delivered;
    for (unsigned i = 0; i < 2; i++)
        (void)fake_peer_give(&peer, late[i], sizes[i]);
    CHECK_EQ(server.delivered, before + 2);
    (void)fake_peer_give(&peer, late[0], sizes[0]); // the ID does not help a replay
    CHECK_EQ(server.delivered, before + 2);
    CHECK(is_routed(first));
    fake_server_stop(&server);
}

// Records of one datagram may carry different IDs of one association, and never another's (RFC 9147 4).
DG_TEST(connection_ids_of_one_association_share_a_datagram)
{
    struct offer offer;
    uint8_t out[256];
    const struct fake_setup stranger_setup = {
        .version = 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .peer_cid_size = 5, .who = 2};
    struct fake_peer stranger;
    start(false, true);
    REQUIRE(fake_peer_join(&stranger, &server, &stranger_setup));
    ask_and_acknowledge(1, &offer);
    unsigned before = server.delivered;
    size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "a", 1, out, sizeof out);
    use_id(offer.ids[0]);
    size += fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "b", 1, out + size, sizeof out - size);
    size += fake_peer_seal(&stranger, DG_CONTENT_APPLICATION_DATA, "c", 1, out + size, sizeof out - size);
    (void)fake_peer_give(&peer, out, size);
    CHECK_EQ(server.delivered, before + 2);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_CID_MISMATCH), 1);
    fake_server_stop(&server);
}

// --- beside a naive list ----------------------------------------------------------------------

// Whether an ID leads to an association at all, without a record that opens.
static bool is_found(const uint8_t cid[DG_CID_SIZE_DEFAULT])
{
    uint8_t junk[1 + DG_CID_SIZE_DEFAULT + 2 + 2 + 32] = {0x3f};
    memcpy(junk + 1, cid, DG_CID_SIZE_DEFAULT);
    junk[1 + DG_CID_SIZE_DEFAULT + 3] = 32;
    return fake_peer_give(&peer, junk, sizeof junk) != DG_ENGINE_UNKNOWN;
}

#define KNOWN_MAX 4000
static struct known {
    uint8_t id[DG_CID_SIZE_DEFAULT];
    bool is_seen, is_gone;
} known[KNOWN_MAX];
static unsigned known_count, newest, before; // known[0] is the first ID

static unsigned naive_request(unsigned wanted)
{
    unsigned live = 0;
    for (unsigned i = 1; i < known_count; i++) {
        if (known[i].is_seen && i != newest && i != before)
            known[i].is_gone = true;
        live += !known[i].is_gone;
    }
    unsigned room = DG_CID_SPARES - live;
    return wanted < room ? wanted : room;
}

static void naive_seen(unsigned which, bool is_newest)
{
    known[which].is_seen = true;
    if (is_newest && which != newest) {
        before = newest;
        newest = which;
    }
}

static unsigned any_live(struct test_random *random)
{
    unsigned which;
    do {
        which = (unsigned)test_random_below(random, known_count);
    } while (known[which].is_gone);
    return which;
}

// A client that asks, moves and comes back at random, its records out of order: at every step exactly the IDs of
// the list are found, and each association that restarts finds them again.
DG_TEST(connection_ids_agree_with_a_naive_list)
{
    struct test_random random = {.state = dg_test_seed()};
    struct offer offer;
    start(false, true);
    memset(known, 0, sizeof known);
    memcpy(known[0].id, peer.cid, DG_CID_SIZE_DEFAULT);
    known_count = 1;
    newest = before = 0;
    unsigned in_vain = 0;
    for (unsigned step = 0; step < 3000 && known_count + DG_CID_SPARES < KNOWN_MAX; step++) {
        server.now += DG_SECOND;
        uint8_t wanted = (uint8_t)test_random_below(&random, 7);
        switch (test_random_below(&random, 8)) {
        case 0: // asked without end it would close
            if (in_vain > 10)
                break;
            unsigned expected = naive_request(wanted);
            in_vain = expected == 0 ? in_vain + 1 : 0;
            ask_and_acknowledge(wanted, &offer);
            naive_seen(newest, true);
            REQUIRE(offer.count == expected);
            for (unsigned i = 0; i < offer.count; i++)
                memcpy(known[known_count++].id, offer.ids[i], DG_CID_SIZE_DEFAULT);
            break;
        case 1:
            fake_server_restart(&server);
            break;
        case 2: { // late
            unsigned which = any_live(&random);
            uint8_t late[128];
            use_id(known[which].id);
            size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "l", 1, late, sizeof late);
            use_id(known[newest].id);
            REQUIRE(data_flows());
            unsigned delivered = server.delivered;
            (void)fake_peer_give(&peer, late, size);
            CHECK_EQ(server.delivered, delivered + 1);
            naive_seen(which, false);
            break;
        }
        default: {
            unsigned which = any_live(&random);
            in_vain = which == newest ? in_vain : 0;
            use_id(known[which].id);
            REQUIRE(data_flows());
            naive_seen(which, true);
            break;
        }
        }
        for (unsigned i = known_count > 40 ? known_count - 40 : 0; i < known_count; i++)
            CHECK_MSG(is_found(known[i].id) == !known[i].is_gone, "step %u, ID %u of %u", step, i, known_count);
        CHECK(is_found(known[0].id));
    }
    CHECK(known_count > 50);
    CHECK_EQ(server.closed, 0);
    fake_server_stop(&server);
}

// 10^5 associations with spares, one after the other in few places: nothing of them stays in the index or in side
// slots.
DG_TEST(connection_ids_leave_with_their_association)
{
    struct shard_region region;
    struct dg_shard shard;
    struct test_random random = {.state = dg_test_seed()};
    static struct dg_handover handover;
    uint8_t gone[DG_CID_SPARES][DG_CID_SIZE_DEFAULT];
    REQUIRE(shard_region_make(&region, 1, 4, 16));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    for (unsigned cycle = 0; cycle < 100000; cycle++) {
        enum dg_counter reason = DG_COUNT_NONE;
        if (cycle < 4)
            handover_make(&handover, &random, HANDOVER_13 | HANDOVER_CID, cycle);
        struct dg_slot *slot = dg_shard_take_over(&shard, DG_SECOND, &handover, &reason);
        REQUIRE(slot != NULL);
        struct dg_side_cids *cids = dg_shard_cids_make(&shard, slot);
        REQUIRE(cids != NULL && cids == dg_shard_cids_make(&shard, slot));
        for (uint32_t place = 0; place < DG_CID_SPARES; place++) {
            REQUIRE(dg_shard_cid_add(&shard, slot, place));
            memcpy(gone[place], cids->own[place], DG_CID_SIZE_DEFAULT);
            REQUIRE(dg_shard_find_cid(&shard, gone[place]) == slot);
        }
        if (cycle % 3 == 0)
            dg_shard_cid_retire(&shard, slot, cycle % DG_CID_SPARES);
        if (cycle % 1000 == 0) { // as after a crash
            dg_shard_clear(&shard);
            REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
            CHECK_EQ(shard_account(&shard), 1);
            slot = dg_shard_find_cid(&shard, handover.cid);
            REQUIRE(slot != NULL);
            for (uint32_t place = 0; place < DG_CID_SPARES; place++)
                CHECK((dg_shard_find_cid(&shard, gone[place]) == slot) ==
                      (cycle % 3 != 0 || place != cycle % DG_CID_SPARES));
        }
        dg_shard_give_back(&shard, slot);
        for (uint32_t place = 0; place < DG_CID_SPARES; place++)
            REQUIRE(dg_shard_find_cid(&shard, gone[place]) == NULL);
    }
    CHECK_EQ(dg_slot_index_count(shard.by_spare), 0);
    CHECK_EQ(shard_account(&shard), 0);
    CHECK(shard.fresh_flight <= 2); // the handshake's keys, and the IDs
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

typedef void (*damage)(struct dg_side_cids *cids, const struct dg_slot *slot, const struct dg_side_cids *neighbour);
#define DAMAGE(name, what)                                                                                         \
    static void name(struct dg_side_cids *cids, const struct dg_slot *slot, const struct dg_side_cids *neighbour)     \
    {                                                                                                              \
        (void)slot, (void)neighbour;                                                                               \
        what;                                                                                                      \
    }
DAMAGE(damage_shard, cids->own[1][DG_CID_SHARD_BYTE] ^= 1)
DAMAGE(damage_first, memcpy(cids->own[1], slot->cid, DG_CID_SIZE_DEFAULT))
DAMAGE(damage_twice, memcpy(cids->own[1], cids->own[0], DG_CID_SIZE_DEFAULT))
DAMAGE(damage_neighbours, memcpy(cids->own[1], neighbour->own[0], DG_CID_SIZE_DEFAULT))
DAMAGE(damage_state, cids->own_state[1] = DG_OWN_CID_SEEN + 1)
DAMAGE(damage_newest, cids->newest = DG_CID_SPARES + 1)
DAMAGE(damage_before, cids->before = DG_CID_SPARES + 1)
DAMAGE(damage_ring, cids->peer_kept = cids->peer_taken + DG_CID_SPARES + 1)
DAMAGE(damage_ring_back, cids->peer_taken = cids->peer_kept + 1)
DAMAGE(damage_peer_size, cids->peer[2].size = DG_SLOT_PEER_CID + 1)
DAMAGE(damage_change_size, cids->change.size = DG_SLOT_PEER_CID + 1)

// An attaching process believes nothing of what lies in the side slot; the association is quarantined alone, and
// nothing of it stays in the index.
DG_TEST(attach_quarantines_damaged_connection_ids_alone)
{
    static const damage DAMAGES[] = {damage_shard,     damage_first,     damage_twice,      damage_neighbours,
                                     damage_state,     damage_newest,    damage_before,     damage_ring,
                                     damage_ring_back, damage_peer_size, damage_change_size};
    for (size_t how = 0; how < sizeof DAMAGES / sizeof DAMAGES[0]; how++) {
        struct shard_region region;
        struct dg_shard shard;
        struct test_random random = {.state = 1};
        static struct dg_handover handover;
        struct dg_slot *slots[2];
        struct dg_side_cids *cids[2];
        REQUIRE(shard_region_make(&region, 2, 4, 16));
        REQUIRE(dg_shard_init(&shard, &region.memory, 1, &region.counters));
        for (uint32_t who = 0; who < 2; who++) {
            enum dg_counter reason = DG_COUNT_NONE;
            handover_make(&handover, &random, HANDOVER_13 | HANDOVER_CID, who);
            handover.cid[DG_CID_SHARD_BYTE] |= 1; // of this shard
            slots[who] = dg_shard_take_over(&shard, DG_SECOND, &handover, &reason);
            REQUIRE(slots[who] != NULL);
            cids[who] = dg_shard_cids_make(&shard, slots[who]);
            for (uint32_t place = 0; place < 2; place++)
                REQUIRE(cids[who] != NULL && dg_shard_cid_add(&shard, slots[who], place));
        }
        // The last one is attached first: the victim is the one that comes after.
        const struct dg_slot *neighbour = slots[1];
        uint8_t victims[DG_CID_SIZE_DEFAULT], neighbours[DG_CID_SIZE_DEFAULT];
        memcpy(victims, cids[0]->own[0], sizeof victims);
        memcpy(neighbours, cids[1]->own[0], sizeof neighbours);
        DAMAGES[how](cids[0], slots[0], cids[1]);
        dg_shard_clear(&shard);
        REQUIRE(dg_shard_init(&shard, &region.memory, 1, &region.counters));
        CHECK_MSG(shard.quarantined == 1 && slots[0]->state == DG_SLOT_QUARANTINED, "damage %zu", how);
        CHECK_EQ(shard_account(&shard), 1);
        CHECK(dg_shard_find_cid(&shard, victims) == NULL);
        CHECK(dg_shard_find_cid(&shard, neighbours) == neighbour);
        CHECK_EQ(dg_slot_index_count(shard.by_spare), 2);
        dg_shard_clear(&shard);
        shard_region_free(&region);
    }
}

// A spare counts as in use: an association that would have the same ID is refused (RFC 9146 8).
DG_TEST(connection_id_of_a_spare_is_refused_to_another)
{
    struct offer offer;
    struct dg_handover handover;
    start(false, true);
    ask_and_acknowledge(1, &offer);
    fake_peer_handover(&peer, &handover);
    memcpy(handover.cid, offer.ids[0], DG_CID_SIZE_DEFAULT);
    CHECK(!dg_engine_take_over(server.engine, server.now, &handover));
    CHECK_EQ(fake_count(&server, DG_COUNT_CID_COLLISION), 1);
    fake_server_stop(&server);
}

// Side slots are few: a request for which there are none is left as not received, and comes again.
DG_TEST(connection_id_request_waits_for_side_slots)
{
    struct offer offer;
    start(false, true);
    struct dg_shard *shard = server.engine->by_number[peer.ref.shard];
    struct dg_slot *slot = fake_slot(&server, peer.ref);
    struct dg_side_flight *taken[64];
    unsigned count = 0;
    while (count < 64 && (taken[count] = dg_shard_flight_new(shard, slot, DG_FLIGHT_IDENTITY)) != NULL)
        count++;
    REQUIRE(count > 1);
    ask(3); // not even one for the answer: not acknowledged, comes again
    CHECK_EQ(server.sent_count, 0);
    peer.message_seq--;
    dg_shard_flight_free(shard, slot, taken[--count]);
    ask(3); // the IDs have one, the answer has none
    CHECK_EQ(server.sent_count, 0);
    peer.message_seq--;
    dg_shard_flight_free(shard, slot, taken[--count]);
    ask_and_acknowledge(3, &offer);
    CHECK_EQ(offer.count, 3);
    CHECK_EQ(fake_count(&server, DG_COUNT_CIDS_OFFERED), 3);
    while (count > 0)
        dg_shard_flight_free(shard, slot, taken[--count]);
    CHECK(data_flows());
    fake_server_stop(&server);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(connection_id_requests_of_1_3_and_255_are_answered),
    DG_CASE(connection_id_answer_is_repeated_and_alone_until_acknowledged),
    DG_CASE(connection_ids_are_never_sent_unasked),
    DG_CASE(connection_id_requests_without_end_are_too_many),
    DG_CASE(reordered_record_with_old_connection_id_is_delivered),
    DG_CASE(connection_ids_of_one_association_share_a_datagram),
    DG_CASE(connection_ids_agree_with_a_naive_list),
    DG_CASE(connection_ids_leave_with_their_association),
    DG_CASE(attach_quarantines_damaged_connection_ids_alone),
    DG_CASE(connection_id_of_a_spare_is_refused_to_another),
    DG_CASE(connection_id_request_waits_for_side_slots),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
