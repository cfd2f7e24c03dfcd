// SPDX-License-Identifier: GPL-3.0-or-later
// Going on after another process while its slots are not judged yet: each is judged before it is used, nothing of it is
// given to anybody else, and in the end all is as if everything had been judged at once. And slots that crash the
// process: counted over its lives.
#include "check.h"
#include "core/connection_ids.h"
#include "core/shard_private.h"
#include "support/shard_region.h"

#include <string.h>

#define NOW (1000 * DG_SECOND)
#define SLOTS 40u

static struct shard_region region;
static struct dg_shard shard;
static struct dg_handover handover;
static struct test_random random_numbers;

static struct dg_slot *join(unsigned kind, uint32_t who)
{
    enum dg_counter reason = DG_COUNT_NONE;
    handover_make(&handover, &random_numbers, kind, who);
    return dg_shard_take_over(&shard, NOW, &handover, &reason);
}

static struct dg_slot *find(unsigned kind, uint32_t who)
{
    handover_make(&handover, &random_numbers, kind, who);
    return (kind & HANDOVER_CID) != 0 ? dg_shard_find_cid(&shard, handover.cid)
                                      : dg_shard_find_address(&shard, &handover.path.peer, handover.path.listener);
}

static unsigned kind_of(uint32_t who) { return who * 7 % HANDOVER_KINDS; }

static void start(uint32_t slots, uint32_t used)
{
    REQUIRE(shard_region_make(&region, 1, slots, slots * 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    for (uint32_t who = 0; who < used; who++)
        REQUIRE(join(kind_of(who), who) != NULL);
}

static void next_process(void)
{
    dg_shard_clear(&shard);
    REQUIRE(dg_shard_attach(&shard, &region.memory, 0, &region.counters));
}

static uint64_t quarantined(void) { return dg_counter_read(&region.counters, DG_COUNT_SLOTS_QUARANTINED); }

static void stop(void)
{
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

static void settle_all(void)
{
    while (dg_shard_settle(&shard, 1)) {
    }
    CHECK(shard.backlog == NULL);
    (void)shard_account(&shard);
}

DG_TEST(backlog_a_damaged_slot_is_quarantined_when_it_is_found)
{
    for (unsigned with_cid = 0; with_cid < 2; with_cid++) {
        uint32_t victim = with_cid != 0 ? 12 : 9; // 12 * 7 % 64 has the bit of a connection ID, 9 * 7 % 64 has not
        start(SLOTS, SLOTS);
        if (((kind_of(victim) & HANDOVER_CID) != 0) != (with_cid != 0))
            victim++;
        shard.slots[victim].credential++;
        next_process();
        CHECK_EQ(shard.live, SLOTS);
        CHECK_EQ(quarantined(), 0);
        CHECK(find(kind_of(victim), victim) == NULL);
        CHECK_EQ(quarantined(), 1);
        CHECK_EQ(shard.live, SLOTS - 1);
        CHECK_EQ(shard.slots[victim].state, DG_SLOT_QUARANTINED);
        CHECK(find(kind_of(3), 3) == &shard.slots[3]);
        settle_all();
        CHECK_EQ(quarantined(), 1);
        stop();
    }
}

DG_TEST(backlog_nothing_of_an_unjudged_slot_is_given_to_another)
{
    start(2 * SLOTS, SLOTS);
    next_process();
    for (uint32_t who = 100; who < 100 + SLOTS; who++)
        CHECK(join(kind_of(who), who) != NULL);
    for (uint32_t who = 0; who < SLOTS; who++)
        CHECK(find(kind_of(who), who) == &shard.slots[who]);
    settle_all();
    CHECK_EQ(quarantined(), 0);
    CHECK_EQ(shard.live, 2 * SLOTS);
    stop();
}

// A full table: judging goes on until a place is found that was vacant all the time.
DG_TEST(backlog_a_newcomer_finds_the_one_vacant_place)
{
    start(SLOTS, SLOTS);
    dg_shard_give_back(&shard, &shard.slots[5]);
    next_process();
    CHECK(join(0, 200) == &shard.slots[5]);
    CHECK(join(0, 201) == NULL);
    settle_all();
    stop();
}

// What is left to judge is judged while a newcomer looks for its last side slot: what it has by then, of one that ended
// before its turn, is its own, though it is not live yet.
static void keeps_what_it_was_given(unsigned before, unsigned kind, uint32_t flights)
{
    REQUIRE(shard_region_make(&region, 1, SLOTS, flights));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    REQUIRE(join(before, 1) != NULL && join(HANDOVER_LONG_IDENTITY, 2) != NULL);
    next_process();
    struct dg_slot *ended = find(before, 1);
    REQUIRE(ended != NULL);
    dg_shard_give_back(&shard, ended);
    struct dg_slot *slot = join(kind, 3);
    REQUIRE(slot != NULL && shard.backlog == NULL);
    CHECK_EQ(dg_counter_read(&region.counters, DG_COUNT_SIDE_FULL), 1); // its final flight
    REQUIRE(slot->rx_place >= DG_PLACE_SIDE);
    CHECK_EQ(shard.wides[slot->rx_place - DG_PLACE_SIDE].owner, dg_shard_slot_number(&shard, slot) + 1);
    CHECK_MEM(dg_shard_keyset(&shard, slot, slot->rx_place)->material, handover.rx.key, sizeof handover.rx.key);
    struct dg_bytes identity = dg_shard_identity(&shard, slot);
    REQUIRE(identity.size == handover.identity_size);
    CHECK_MEM(identity.data, handover.identity, identity.size);
    settle_all();
    stop();
}

DG_TEST(backlog_a_newcomer_keeps_what_it_was_given)
{
    keeps_what_it_was_given(HANDOVER_WIDE, HANDOVER_WIDE | HANDOVER_FLIGHT, 1);
    keeps_what_it_was_given(HANDOVER_WIDE | HANDOVER_LONG_IDENTITY,
                            HANDOVER_WIDE | HANDOVER_LONG_IDENTITY | HANDOVER_FLIGHT, 2);
}

// Ended, ended and taken again, or moved to other keys, all before its turn came.
DG_TEST(backlog_what_happens_before_a_slots_turn_stays)
{
    start(SLOTS + 8, SLOTS);
    next_process();
    for (uint32_t who = 0; who < SLOTS; who += 2) {
        struct dg_slot *slot = find(kind_of(who), who);
        REQUIRE(slot != NULL);
        dg_shard_give_back(&shard, slot);
    }
    for (uint32_t who = 300; who < 312; who++)
        CHECK(join(HANDOVER_13 | HANDOVER_WIDE | HANDOVER_FLIGHT, who) != NULL);
    settle_all();
    CHECK_EQ(shard.live, SLOTS / 2 + 12);
    CHECK_EQ(quarantined(), 0);
    for (uint32_t who = 300; who < 312; who++)
        CHECK(find(HANDOVER_13 | HANDOVER_WIDE | HANDOVER_FLIGHT, who) != NULL);
    stop();
}

// Further connection IDs are found although nobody has looked at their slot yet.
DG_TEST(backlog_further_connection_ids_are_found)
{
    uint8_t spare[DG_CID_SIZE_MAX];
    start(SLOTS, 0);
    struct dg_slot *slot = join(HANDOVER_13 | HANDOVER_CID, 4);
    REQUIRE(slot != NULL && dg_shard_cids_make(&shard, slot) != NULL && dg_shard_cid_add(&shard, slot, 1));
    memcpy(spare, dg_shard_cids(&shard, slot)->own[1], sizeof spare);
    next_process();
    CHECK(dg_shard_find_cid(&shard, spare) == slot);
    settle_all();
    CHECK(dg_shard_find_cid(&shard, spare) == slot);
    stop();
}

// A further ID is nobody else's: those of slots that nobody has looked at yet are known before one is drawn.
DG_TEST(backlog_further_connection_ids_are_known_before_one_is_given)
{
    start(SLOTS, 4);
    struct dg_slot *slot = join(HANDOVER_13 | HANDOVER_CID, 4), *other = join(HANDOVER_13 | HANDOVER_CID, 5);
    REQUIRE(slot != NULL && other != NULL && dg_shard_cids_make(&shard, slot) != NULL &&
            dg_shard_cid_add(&shard, slot, 1));
    next_process();
    CHECK(find(HANDOVER_13 | HANDOVER_CID, 5) == other);
    CHECK_EQ(dg_slot_index_count(shard.by_spare), 0);
    REQUIRE(dg_shard_cids_make(&shard, other) != NULL && dg_shard_cid_add(&shard, other, 0));
    CHECK_EQ(dg_slot_index_count(shard.by_spare), 2);
    CHECK_EQ(quarantined(), 0);
    settle_all();
    stop();
}

// --- suspects --------------------------------------------------------------------------------------------

// What the handler of a crash does (io/crash_note.c).
static void crash_with(uint32_t number)
{
    (void)dg_shard_serve(&shard, &shard.slots[number]);
    shard.head->crashed = shard.head->serving;
    next_process();
}

DG_TEST(suspects_a_slot_of_two_crashes_is_quarantined)
{
    start(SLOTS, SLOTS);
    crash_with(7);
    CHECK_EQ(quarantined(), 0);
    CHECK_EQ(shard.head->serving, 0);
    CHECK_EQ(shard.head->crashed, 0);
    crash_with(8); // once each
    crash_with(9);
    CHECK_EQ(quarantined(), 0);
    crash_with(7);
    CHECK_EQ(quarantined(), 1);
    CHECK_EQ(shard.slots[7].state, DG_SLOT_QUARANTINED);
    CHECK(find(kind_of(7), 7) == NULL);
    CHECK_EQ(shard.live, SLOTS - 1);
    settle_all();
    stop();
}

// A word per suspect is kept, four at most: the newest takes the place of one who is suspected once.
DG_TEST(suspects_are_told_from_later_associations_in_their_slots)
{
    start(SLOTS, SLOTS);
    crash_with(7);
    REQUIRE(find(kind_of(7), 7) != NULL);
    dg_shard_give_back(&shard, &shard.slots[7]);
    settle_all();
    REQUIRE(join(0, 500) == &shard.slots[7]);
    crash_with(7);
    CHECK_EQ(quarantined(), 0);
    crash_with(7);
    CHECK_EQ(quarantined(), 1);
    stop();
}

DG_TEST(suspects_are_not_those_whom_a_kill_interrupts)
{
    start(SLOTS, SLOTS);
    for (int kill = 0; kill < 5; kill++) {
        (void)dg_shard_serve(&shard, &shard.slots[7]);
        next_process();
    }
    CHECK_EQ(quarantined(), 0);
    CHECK(find(kind_of(7), 7) != NULL);
    stop();
}

DG_TEST(serving_within_serving_is_told_apart)
{
    start(SLOTS, 2);
    uint32_t outer = dg_shard_serve(&shard, &shard.slots[0]);
    CHECK_EQ(outer, 0);
    uint32_t inner = dg_shard_serve(&shard, &shard.slots[1]);
    CHECK_EQ(shard.head->serving, 2);
    dg_shard_served(&shard, inner);
    CHECK_EQ(shard.head->serving, 1);
    dg_shard_served(&shard, outer);
    CHECK_EQ(shard.head->serving, 0);
    stop();
}

static const struct dg_test_case CASES[] = {
    DG_CASE(backlog_a_damaged_slot_is_quarantined_when_it_is_found),
    DG_CASE(backlog_nothing_of_an_unjudged_slot_is_given_to_another),
    DG_CASE(backlog_a_newcomer_finds_the_one_vacant_place),
    DG_CASE(backlog_a_newcomer_keeps_what_it_was_given),
    DG_CASE(backlog_what_happens_before_a_slots_turn_stays),
    DG_CASE(backlog_further_connection_ids_are_found),
    DG_CASE(backlog_further_connection_ids_are_known_before_one_is_given),
    DG_CASE(suspects_a_slot_of_two_crashes_is_quarantined),
    DG_CASE(suspects_are_told_from_later_associations_in_their_slots),
    DG_CASE(suspects_are_not_those_whom_a_kill_interrupts),
    DG_CASE(serving_within_serving_is_told_apart),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
