// SPDX-License-Identifier: GPL-3.0-or-later
// A process that dies while it goes on after another: at every point of judging what was left, of counting a slot that
// crashed the one before, of raising the policy's generation. The next one finds everything all the same.
#include "check.h"
#include "core/shard_private.h"
#include "support/crash_child.h"
#include "support/shard_region.h"

#include <string.h>

#define NOW (1000 * DG_SECOND)
#define SLOTS 12u

static struct shard_region region;
static struct dg_shard shard;
static struct dg_handover handover;
static struct test_random random_numbers;
static void start(void)
{
    REQUIRE(shard_region_make(&region, 1, SLOTS + 4, SLOTS * 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    for (uint32_t who = 0; who < SLOTS; who++) {
        enum dg_counter reason;
        handover_make(&handover, &random_numbers, who * 7 % HANDOVER_KINDS, who);
        REQUIRE(dg_shard_take_over(&shard, NOW, &handover, &reason) != NULL);
    }
}

static void attach(void)
{
    dg_shard_clear(&shard);
    REQUIRE(dg_shard_attach(&shard, &region.memory, 0, &region.counters));
}

// One is found, another ends, a newcomer comes, and the rest is judged.
static void act_go_on(void)
{
    enum dg_counter reason;
    attach();
    handover_make(&handover, &random_numbers, 3 * 7 % HANDOVER_KINDS, 3);
    struct dg_slot *slot = (3 * 7 % HANDOVER_KINDS & HANDOVER_CID) != 0
                               ? dg_shard_find_cid(&shard, handover.cid)
                               : dg_shard_find_address(&shard, &handover.path.peer, handover.path.listener);
    dg_shard_give_back(&shard, slot);
    handover_make(&handover, &random_numbers, HANDOVER_13 | HANDOVER_WIDE | HANDOVER_FLIGHT, 50);
    (void)dg_shard_take_over(&shard, NOW, &handover, &reason);
    while (dg_shard_settle(&shard, 1)) {
    }
}

DG_TEST(crash_while_judging_is_gone_on_with)
{
    for (int point = 0;; point++) {
        start();
        // What the judging has to clean up: one that was ending, one half filled.
        shard.slots[5].state = DG_SLOT_DYING;
        shard.slots[SLOTS - 1].state = DG_SLOT_FREE;
        bool died = dies_at(point, act_go_on);
        attach();
        while (dg_shard_settle(&shard, 1)) {
        }
        uint32_t live = shard_account(&shard);
        CHECK_MSG(live >= SLOTS - 3 && live <= SLOTS - 1, "point %d: %u", point, live);
        CHECK_EQ(dg_counter_read(&region.counters, DG_COUNT_SLOTS_QUARANTINED), 0);
        dg_shard_clear(&shard);
        shard_region_free(&region);
        if (!died) {
            CHECK(point >= 10);
            break;
        }
    }
}

// A death on the way loses a count at most: the slot is quarantined by its third crash at the latest, and nobody else.
DG_TEST(crash_while_counting_crashes_condemns_nobody_else)
{
    for (int point = 0;; point++) {
        start();
        bool died = false;
        for (int crash = 0; crash < 3; crash++) {
            shard.head->crashed = 7 + 1;
            if (crash == 0)
                died = dies_at(point, attach);
            attach();
        }
        CHECK_EQ(shard.slots[7].state, DG_SLOT_QUARANTINED);
        while (dg_shard_settle(&shard, 1)) {
        }
        CHECK_EQ(shard_account(&shard), SLOTS - 1);
        dg_shard_clear(&shard);
        shard_region_free(&region);
        if (!died) {
            CHECK(point >= 2);
            break;
        }
    }
}

static void act_raise(void) { (void)dg_memory_next_generation(&region.memory); }

// K1: no slot passes for checked under a generation that it was not checked under.
DG_TEST(crash_after_raising_the_policy_generation_uses_the_next_one)
{
    start();
    uint32_t before = dg_memory_next_generation(&region.memory);
    CHECK(dies_at(0, act_raise));
    CHECK_EQ(dg_memory_next_generation(&region.memory), before + 2);
    CHECK(!dies_at(1, act_raise));
    CHECK_EQ(dg_memory_next_generation(&region.memory), before + 4);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(crash_while_judging_is_gone_on_with),
    DG_CASE(crash_while_counting_crashes_condemns_nobody_else),
    DG_CASE(crash_after_raising_the_policy_generation_uses_the_next_one),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
