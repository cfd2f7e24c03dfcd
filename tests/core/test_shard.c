// SPDX-License-Identifier: GPL-3.0-or-later
// Take-over, give-back, finding, side slots and keysets of one shard, and all of it beside a plain list of
// what should be there, with a new attach in between.
#include "check.h"
#include "core/index.h"
#include "core/wire_constants.h"
#include "support/shard_region.h"

#include <stdlib.h>
#include <string.h>

#define NOW (1000 * DG_SECOND)

static struct dg_handover handover; // large: kept off the stack
static struct test_random random_numbers;

static struct dg_slot *take_over(struct dg_shard *shard, unsigned kind, uint32_t who)
{
    enum dg_counter reason = DG_COUNT_NONE;
    handover_make(&handover, &random_numbers, kind, who);
    return dg_shard_take_over(shard, NOW, &handover, &reason);
}

static struct dg_slot *find(struct dg_shard *shard, unsigned kind, uint32_t who)
{
    static struct dg_handover wanted;
    struct test_random any = {.state = 1};
    handover_make(&wanted, &any, kind, who);
    return (kind & HANDOVER_CID) != 0 ? dg_shard_find_cid(shard, wanted.cid)
                                      : dg_shard_find_address(shard, &wanted.path.peer, wanted.path.listener);
}

static void check_keys(const struct dg_shard *shard, const struct dg_slot *slot, uint32_t place,
                       const struct dg_key_material *material, uint64_t next, uint64_t epoch)
{
    const struct dg_keyset *keyset = dg_shard_keyset(shard, slot, place);
    REQUIRE(keyset != NULL);
    struct dg_key_view view = dg_keyset_view(keyset, slot->aead, slot->hash, slot->version == 13);
    size_t key_size = dg_aead_table[slot->aead].key_size;
    CHECK_MEM(view.key, material->key, key_size);
    CHECK_MEM(view.iv, material->iv, sizeof material->iv);
    if (slot->version == 13) {
        CHECK_MEM(view.number_key, material->number_key, key_size);
        CHECK_MEM(view.secret, material->secret, dg_hash_size(slot->hash));
    }
    CHECK_EQ(keyset->next, next);
    CHECK_EQ(keyset->epoch, epoch);
    CHECK_EQ(keyset->failures, 0);
}

DG_TEST(shard_takes_over_what_the_handover_says)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 8, 8));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    struct dg_slot *slot = take_over(&shard, HANDOVER_FLIGHT, 5);
    REQUIRE(slot != NULL);
    CHECK_EQ(slot->state, DG_SLOT_LIVE);
    CHECK_EQ(slot->version, 12);
    CHECK_EQ(slot->suite, handover.suite);
    CHECK_EQ(slot->group, handover.group);
    CHECK_EQ(slot->credential, handover.credential);
    CHECK_EQ(slot->listener, 77);
    CHECK_EQ(slot->expires_s, handover.expires_s);
    CHECK_EQ(slot->policy_generation, 3);
    CHECK_EQ(slot->opened_tick, dg_slot_tick(NOW));
    CHECK(dg_slot_age(slot, NOW + DG_HOUR) / DG_SECOND - 3600 <= 1);
    CHECK_EQ(dg_slot_age(slot, NOW - DG_SECOND), 0);
    CHECK_EQ(slot->leaf, handover.leaf);
    CHECK_EQ(slot->active_at, NOW);
    CHECK_EQ(slot->tx_message_seq, 6);
    CHECK_EQ(slot->rx_message_seq, 4);
    CHECK_EQ(slot->flags, DG_SLOT_PEER_HAS_CID);
    CHECK_EQ(slot->local_port, 5684);
    CHECK(slot->id != 0);
    struct dg_bytes identity = dg_shard_identity(&shard, slot), peer_cid = dg_shard_peer_cid(&shard, slot);
    REQUIRE(identity.size == handover.identity_size && peer_cid.size == handover.peer_cid_size);
    CHECK_MEM(identity.data, handover.identity, identity.size);
    CHECK_MEM(peer_cid.data, handover.peer_cid, peer_cid.size);
    // Numbers go on where the handshake stopped: a constant would be a number used twice.
    CHECK_EQ(slot->tx_place, DG_PLACE_INLINE_0);
    CHECK_EQ(slot->rx_place, DG_PLACE_INLINE_1);
    check_keys(&shard, slot, slot->tx_place, &handover.tx, handover.tx_next, 1);
    check_keys(&shard, slot, slot->rx_place, &handover.rx, handover.rx_next, 1);
    CHECK_EQ(dg_shard_keyset(&shard, slot, slot->rx_place)->replay.seen[0], 1);
    CHECK(dg_shard_keyset(&shard, slot, slot->rx_old_place) == NULL);

    struct dg_side_flight *flight = dg_shard_flight_find(&shard, slot, DG_FLIGHT_FINAL_12);
    REQUIRE(flight != NULL);
    CHECK_EQ(flight->size, 200 + 24);
    CHECK_EQ(flight->ticket_size, 200);
    CHECK_MEM(flight->bytes, handover.flight, 224);
    CHECK_EQ(flight->message_seq, 6);
    CHECK_EQ(flight->plain_sequence, 7);
    CHECK_EQ(flight->deadline, NOW + 240 * DG_SECOND); // RFC 6347 4.2.4
    CHECK_EQ(dg_timer_heap_next(&shard.timers), flight->deadline);
    CHECK(dg_shard_flight_next(&shard, flight) == NULL);
    CHECK_EQ(shard_account(&shard), 1);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

DG_TEST(shard_takes_over_dtls13_with_wide_keys)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 8, 8));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    struct dg_slot *slot = take_over(&shard, HANDOVER_13 | HANDOVER_WIDE | HANDOVER_CID | HANDOVER_FLIGHT, 9);
    REQUIRE(slot != NULL);
    CHECK_EQ(slot->flags, DG_SLOT_HAS_CID | DG_SLOT_PEER_HAS_CID);
    CHECK_EQ(slot->tx_place, DG_PLACE_INLINE_0); // spans both inline places
    CHECK_EQ(slot->rx_place, DG_PLACE_SIDE);
    check_keys(&shard, slot, slot->tx_place, &handover.tx, handover.tx_next, 3);
    check_keys(&shard, slot, slot->rx_place, &handover.rx, handover.rx_next, 3);

    // RFC 9147 5.8.1: the keys to acknowledge a repeated Finished with
    struct dg_side_flight *flight = dg_shard_flight_find(&shard, slot, DG_FLIGHT_EPOCH_2);
    REQUIRE(flight != NULL);
    const struct dg_keyset *keyset = dg_side_flight_keyset(flight);
    struct dg_key_view view = dg_keyset_view(keyset, slot->aead, slot->hash, true);
    CHECK_MEM(view.key, handover.handshake_rx.key, 32);
    CHECK_MEM(view.secret, handover.handshake_rx.secret, 48);
    CHECK_EQ(keyset->epoch, 2);
    CHECK_EQ(keyset->next, 2);
    CHECK_EQ(keyset->replay.seen[0], 3);
    CHECK_EQ(flight->deadline, NOW + 240 * DG_SECOND);

    // RFC 9147 5.8.4: the ticket until it is acknowledged
    flight = dg_shard_flight_find(&shard, slot, DG_FLIGHT_MESSAGE);
    REQUIRE(flight != NULL);
    CHECK_EQ(flight->message_type, DG_HS_NEW_SESSION_TICKET);
    CHECK_EQ(flight->message_seq, 5);
    CHECK_EQ(flight->sent_count, 1);
    CHECK_EQ(flight->sent_epoch[0], 3);
    CHECK_EQ(flight->sent_sequence[0], 0);
    CHECK_EQ(flight->next_send, NOW + DG_SECOND);
    CHECK_EQ(dg_timer_heap_next(&shard.timers), NOW + DG_SECOND);
    CHECK_MEM(flight->bytes, handover.flight, 200);
    CHECK_EQ(shard_account(&shard), 1);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

DG_TEST(shard_keeps_long_identity_and_peer_cid_aside)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 4, 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    struct dg_slot *slot = take_over(&shard, HANDOVER_LONG_IDENTITY | HANDOVER_LONG_PEER_CID, 1);
    REQUIRE(slot != NULL);
    CHECK_EQ(dg_timer_heap_next(&shard.timers), DG_NEVER); // they live as long as the slot
    for (int attached = 0; attached < 2; attached++) {
        struct dg_bytes identity = dg_shard_identity(&shard, slot), peer_cid = dg_shard_peer_cid(&shard, slot);
        REQUIRE(identity.size == 200 && peer_cid.size == DG_CID_PEER_MAX);
        CHECK_MEM(identity.data, handover.identity, identity.size);
        CHECK_MEM(peer_cid.data, handover.peer_cid, peer_cid.size);
        dg_shard_clear(&shard);
        REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    }
    dg_shard_give_back(&shard, slot);
    CHECK_EQ(shard_account(&shard), 0);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

// RFC 9146 3: an association with a connection ID is found by that, whatever the address; one without, by
// its path; neither by the other.
DG_TEST(shard_finds_by_cid_or_by_path_never_by_both)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 4, 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    struct dg_slot *with = take_over(&shard, HANDOVER_CID, 1);
    struct dg_slot *without = take_over(&shard, 0, 1); // the same address
    REQUIRE(with != NULL && without != NULL && with != without);
    CHECK(find(&shard, HANDOVER_CID, 1) == with);
    CHECK(find(&shard, 0, 1) == without);
    CHECK(find(&shard, HANDOVER_CID, 2) == NULL);
    CHECK(find(&shard, 0, 2) == NULL);
    CHECK(dg_shard_find_address(&shard, &without->peer, 78) == NULL); // another listener
    struct dg_address other = without->peer;
    other.scope = 1;
    CHECK(dg_shard_find_address(&shard, &other, 77) == NULL);
    dg_shard_give_back(&shard, without);
    CHECK(find(&shard, 0, 1) == NULL);
    CHECK(find(&shard, HANDOVER_CID, 1) == with);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

DG_TEST(shard_refuses_what_has_no_place)
{
    struct shard_region region;
    struct dg_shard shard;
    enum dg_counter reason = DG_COUNT_NONE;
    REQUIRE(shard_region_make(&region, 1, 2, 16));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    REQUIRE(take_over(&shard, HANDOVER_CID, 1) != NULL);
    handover_make(&handover, &random_numbers, HANDOVER_CID, 1);
    CHECK(dg_shard_take_over(&shard, NOW, &handover, &reason) == NULL);
    CHECK_EQ(reason, DG_COUNT_CID_COLLISION);
    REQUIRE(take_over(&shard, 0, 2) != NULL);
    handover_make(&handover, &random_numbers, HANDOVER_FLIGHT, 3);
    CHECK(dg_shard_take_over(&shard, NOW, &handover, &reason) == NULL);
    CHECK_EQ(reason, DG_COUNT_TABLE_FULL);
    CHECK_EQ(shard_account(&shard), 2);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

DG_TEST(shard_refuses_a_handover_that_is_out_of_range)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 4, 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    for (int what = 0; what < 9; what++) {
        enum dg_counter reason = DG_COUNT_NONE;
        handover_make(&handover, &random_numbers, HANDOVER_FLIGHT, 1);
        switch (what) {
        case 0: handover.version = 14; break;
        case 1: handover.aead = DG_AEAD_NONE; break;
        case 2: handover.aead = DG_AEAD_COUNT; break;
        case 3: handover.hash = 2; break;
        case 4: handover.cid_size = 7; break;
        case 5: handover.peer_cid_size = DG_CID_PEER_MAX + 1; break;
        case 6: handover.ticket_size = DG_FLIGHT_BYTES; break;
        case 7: handover.finished_size = UINT16_MAX; break;
        case 8: handover.identity_kind = 4; break;
        default: break;
        }
        CHECK(dg_shard_take_over(&shard, NOW, &handover, &reason) == NULL);
        CHECK_EQ(reason, DG_COUNT_FAIL_TAKEOVER);
    }
    CHECK_EQ(shard_account(&shard), 0);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

// A final flight is a help, an identity a must.
DG_TEST(shard_without_side_slots_goes_on_or_refuses)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 8, 1));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    struct dg_slot *slot = take_over(&shard, HANDOVER_13 | HANDOVER_FLIGHT, 1); // wants two
    REQUIRE(slot != NULL);
    CHECK(dg_shard_flight_find(&shard, slot, DG_FLIGHT_EPOCH_2) != NULL);
    CHECK(dg_shard_flight_find(&shard, slot, DG_FLIGHT_MESSAGE) == NULL);
    CHECK_EQ(dg_counter_read(&region.counters, DG_COUNT_SIDE_FULL), 1);
    CHECK(take_over(&shard, HANDOVER_FLIGHT, 2) != NULL);
    CHECK_EQ(dg_counter_read(&region.counters, DG_COUNT_SIDE_FULL), 2);
    handover_make(&handover, &random_numbers, HANDOVER_WIDE | HANDOVER_LONG_IDENTITY, 3);
    enum dg_counter reason = DG_COUNT_NONE;
    CHECK(dg_shard_take_over(&shard, NOW, &handover, &reason) == NULL);
    CHECK_EQ(reason, DG_COUNT_TABLE_FULL);
    CHECK(find(&shard, 0, 3) == NULL);
    CHECK_EQ(shard_account(&shard), 2); // and the wide side slot that it had is free again
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

DG_TEST(shard_stale_reference_finds_nothing)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 4, 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    struct dg_slot *slot = take_over(&shard, 0, 1);
    REQUIRE(slot != NULL);
    struct dg_ref ref = dg_shard_ref(&shard, slot);
    CHECK(dg_shard_find_ref(&shard, ref) == slot);
    CHECK(dg_shard_find_ref(&shard, (struct dg_ref){.id = ref.id, .shard = 1, .slot = ref.slot}) == NULL);
    CHECK(dg_shard_find_ref(&shard, (struct dg_ref){.id = ref.id, .slot = 3}) == NULL);
    CHECK(dg_shard_find_ref(&shard, (struct dg_ref){.id = ref.id, .slot = UINT32_MAX}) == NULL);
    dg_shard_give_back(&shard, slot);
    CHECK(dg_shard_find_ref(&shard, ref) == NULL);
    CHECK(dg_shard_find_ref(&shard, (struct dg_ref){.slot = ref.slot}) == NULL);
    REQUIRE(take_over(&shard, 0, 2) == slot); // the place is used again, the id is not
    CHECK(dg_shard_find_ref(&shard, ref) == NULL);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

static bool contains(const struct shard_region *region, const void *needle, size_t size)
{
    return memmem(region->base, region->size_bytes, needle, size) != NULL;
}

DG_TEST(shard_give_back_leaves_no_key_in_the_region)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 4, 8));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    for (unsigned kind = 0; kind < HANDOVER_KINDS; kind++) {
        struct dg_slot *slot = take_over(&shard, kind, 1);
        REQUIRE(slot != NULL);
        CHECK(contains(&region, handover.tx.key, 16) && contains(&region, handover.rx.key, 16));
        dg_shard_give_back(&shard, slot);
        CHECK(!contains(&region, handover.tx.key, 16) && !contains(&region, handover.rx.key, 16));
        CHECK(!contains(&region, handover.tx.iv, 12) && !contains(&region, handover.rx.secret, 32));
        CHECK(!contains(&region, handover.handshake_rx.secret, 32));
        CHECK(!contains(&region, handover.identity, 12));
        CHECK((kind & HANDOVER_FLIGHT) == 0 || !contains(&region, handover.flight, 200));
    }
    CHECK_EQ(shard_account(&shard), 0);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

// One association can need at most four keysets at a time: tx, rx, the rx before, and a next one.
DG_TEST(shard_change_of_keys_always_finds_a_place)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 3, 1));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    unsigned kinds[] = {HANDOVER_13, HANDOVER_13 | HANDOVER_WIDE, HANDOVER_13 | HANDOVER_WIDE};
    for (uint32_t i = 0; i < 3; i++) {
        struct dg_slot *slot = take_over(&shard, kinds[i], i);
        REQUIRE(slot != NULL);
        for (int round = 0; round < 5; round++) {
            uint32_t rx = dg_shard_keyset_new(&shard, slot);
            REQUIRE(rx != DG_PLACE_NONE && rx != slot->rx_place && rx != slot->tx_place);
            dg_keyset_fill(dg_shard_keyset(&shard, slot, rx), slot->aead, slot->hash, 4, &handover.rx);
            uint32_t oldest = slot->rx_old_place;
            slot->rx_old_place = slot->rx_place;
            slot->rx_place = rx;
            uint32_t tx = dg_shard_keyset_new(&shard, slot);
            REQUIRE(tx != DG_PLACE_NONE && tx != slot->rx_place && tx != slot->rx_old_place);
            dg_keyset_fill(dg_shard_keyset(&shard, slot, tx), slot->aead, slot->hash, 4, &handover.tx);
            uint32_t old_tx = slot->tx_place;
            slot->tx_place = tx;
            dg_shard_keyset_free(&shard, slot, old_tx);
            dg_shard_keyset_free(&shard, slot, oldest);
            uint32_t old_rx = slot->rx_old_place;
            slot->rx_old_place = DG_PLACE_NONE;
            dg_shard_keyset_free(&shard, slot, old_rx);
            CHECK_EQ(shard_account(&shard), i + 1);
        }
    }
    CHECK_EQ(dg_counter_read(&region.counters, DG_COUNT_SIDE_FULL), 2); // EPOCH_2 flights only: there is one for three
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

DG_TEST(shard_flights_are_linked_found_and_freed)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 2, 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    struct dg_slot *slot = take_over(&shard, 0, 1);
    REQUIRE(slot != NULL);
    struct dg_side_flight *flights[4];
    for (uint16_t i = 0; i < 4; i++) {
        flights[i] = dg_shard_flight_new(&shard, slot, DG_FLIGHT_MESSAGE);
        REQUIRE(flights[i] != NULL);
        CHECK_EQ(flights[i]->deadline, DG_NEVER);
        flights[i]->message_seq = i;
        flights[i]->next_send = NOW + i;
        dg_shard_flight_link(&shard, slot, flights[i]);
    }
    CHECK(dg_shard_flight_new(&shard, slot, DG_FLIGHT_MESSAGE) == NULL);
    CHECK_EQ(dg_counter_read(&region.counters, DG_COUNT_SIDE_FULL), 1);
    CHECK_EQ(dg_timer_heap_next(&shard.timers), NOW);
    dg_shard_flight_free(&shard, slot, flights[2]); // from the middle
    dg_shard_flight_free(&shard, slot, flights[3]); // the first
    dg_shard_flight_free(&shard, slot, flights[0]); // the last
    CHECK(dg_shard_flight_find(&shard, slot, DG_FLIGHT_MESSAGE) == flights[1]);
    CHECK(dg_shard_flight_next(&shard, flights[1]) == NULL);
    CHECK_EQ(dg_timer_heap_next(&shard.timers), NOW + 1);
    flights[1]->deadline = NOW - 1;
    dg_shard_flight_schedule(&shard, flights[1]);
    uint32_t number;
    REQUIRE(dg_timer_heap_pop(&shard.timers, NOW, &number));
    CHECK(dg_shard_flight(&shard, number) == flights[1]);
    struct dg_side_flight *never_linked = dg_shard_flight_new(&shard, slot, DG_FLIGHT_MESSAGE);
    REQUIRE(never_linked != NULL);
    dg_shard_flight_free(&shard, slot, never_linked);
    CHECK_EQ(shard_account(&shard), 1);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

// --- beside a plain list ------------------------------------------------------

#define PEOPLE 60u

struct person {
    uint64_t id; // 0: not in
    uint8_t tx_key[16];
    uint64_t tx_next;
    uint8_t kind;
};

static void check_people(struct dg_shard *shard, const struct person *people)
{
    uint32_t count = 0;
    for (uint32_t who = 0; who < PEOPLE; who++) {
        const struct person *person = &people[who];
        struct dg_slot *slot = find(shard, person->kind, who);
        if (person->id == 0) {
            CHECK(slot == NULL);
            continue;
        }
        count++;
        REQUIRE(slot != NULL);
        CHECK_EQ(slot->id, person->id);
        const struct dg_keyset *tx = dg_shard_keyset(shard, slot, slot->tx_place);
        CHECK_MEM(dg_keyset_view(tx, slot->aead, slot->hash, false).key, person->tx_key, 16);
        CHECK_EQ(tx->next, person->tx_next);
    }
    CHECK_EQ(shard_account(shard), count);
    uint32_t cursor = 0, visited = 0;
    while (dg_shard_next_live(shard, &cursor) != NULL) {
        visited++;
    }
    CHECK_EQ(visited, count);
}

static void change_tx(struct dg_shard *shard, struct dg_slot *slot, struct person *person)
{
    struct dg_key_material material;
    test_random_fill(&random_numbers, &material, sizeof material);
    uint32_t place = dg_shard_keyset_new(shard, slot);
    REQUIRE(place != DG_PLACE_NONE);
    uint64_t epoch = dg_shard_keyset(shard, slot, slot->tx_place)->epoch;
    dg_keyset_fill(dg_shard_keyset(shard, slot, place), slot->aead, slot->hash, epoch, &material);
    uint32_t old = slot->tx_place;
    slot->tx_place = place;
    dg_shard_keyset_free(shard, slot, old);
    memcpy(person->tx_key, material.key, 16);
    person->tx_next = 0;
}

DG_TEST(shard_beside_a_plain_list_of_associations)
{
    struct shard_region region;
    struct dg_shard shard;
    struct person people[PEOPLE] = {0};
    random_numbers.state = dg_test_seed();
    REQUIRE(shard_region_make(&region, 1, 40, 50));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    for (int step = 0; step < 3000; step++) {
        uint32_t who = (uint32_t)test_random_below(&random_numbers, PEOPLE);
        struct person *person = &people[who];
        struct dg_slot *slot = find(&shard, person->kind, who);
        if (person->id == 0) {
            person->kind = (uint8_t)test_random_below(&random_numbers, HANDOVER_KINDS);
            slot = take_over(&shard, person->kind, who);
            if (slot != NULL) {
                person->id = slot->id;
                person->tx_next = handover.tx_next;
                memcpy(person->tx_key, handover.tx.key, 16);
            }
        } else if (test_random_permille(&random_numbers, 400)) {
            REQUIRE(slot != NULL);
            dg_shard_give_back(&shard, slot);
            person->id = 0;
        } else if (test_random_permille(&random_numbers, 500)) {
            change_tx(&shard, slot, person);
        } else {
            struct dg_side_flight *flight = dg_shard_flight_find(&shard, slot, DG_FLIGHT_EPOCH_2);
            if (flight != NULL) {
                dg_shard_flight_free(&shard, slot, flight);
            }
        }
        if (step % 50 == 0) {
            check_people(&shard, people);
        }
        if (step % 300 == 0) { // the next process
            dg_shard_clear(&shard);
            REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
            check_people(&shard, people);
        }
    }
    CHECK_EQ(dg_counter_read(&region.counters, DG_COUNT_SLOTS_QUARANTINED), 0);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(shard_takes_over_what_the_handover_says),
        DG_CASE(shard_takes_over_dtls13_with_wide_keys),
        DG_CASE(shard_keeps_long_identity_and_peer_cid_aside),
        DG_CASE(shard_finds_by_cid_or_by_path_never_by_both),
        DG_CASE(shard_refuses_what_has_no_place),
        DG_CASE(shard_refuses_a_handover_that_is_out_of_range),
        DG_CASE(shard_without_side_slots_goes_on_or_refuses),
        DG_CASE(shard_stale_reference_finds_nothing),
        DG_CASE(shard_give_back_leaves_no_key_in_the_region),
        DG_CASE(shard_change_of_keys_always_finds_a_place),
        DG_CASE(shard_flights_are_linked_found_and_freed),
        DG_CASE(shard_beside_a_plain_list_of_associations),
    };
    random_numbers.state = 1;
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
