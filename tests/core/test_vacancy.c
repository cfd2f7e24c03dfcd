// SPDX-License-Identifier: GPL-3.0-or-later
// The books of vacant places beside a plain array of flags, and what becomes of the memory of vacant places:
// whole pages, all zeros, of nobody who lives.
#include "check.h"
#include "core/vacancy.h"
#include "support/shard_region.h"

#include <stdlib.h>
#include <string.h>

#define NOW (1000 * DG_SECOND)
#define PLACES 200u
#define PAGE 4096u

static struct dg_handover handover; // large: kept off the stack

struct plain {
    bool vacant[PLACES], resident[PLACES];
};

static uint32_t plain_lowest(const struct plain *plain)
{
    for (uint32_t place = 0; place < PLACES; place++) {
        if (plain->vacant[place]) {
            return place;
        }
    }
    return DG_NOTHING_VACANT;
}

static void check_run(const struct dg_vacancy *vacancy, const struct plain *plain, uint32_t from, uint32_t end)
{
    uint32_t first = from, after = 0;
    while (first < end && !plain->resident[first]) {
        first++;
    }
    uint32_t last = first;
    while (last < end && plain->resident[last]) {
        last++;
    }
    CHECK_EQ(dg_vacancy_resident_run(vacancy, from, end, &after), first < end ? first : DG_NOTHING_VACANT);
    CHECK(first >= end || after == last);
}

DG_TEST(vacancy_agrees_with_a_plain_array)
{
    struct test_random random = {.state = dg_test_seed()};
    struct dg_vacancy vacancy;
    struct plain plain = {0};
    REQUIRE(dg_vacancy_init(&vacancy, PLACES));
    for (int step = 0; step < 20000; step++) {
        uint32_t place = (uint32_t)test_random_below(&random, PLACES);
        uint32_t end = place + (uint32_t)test_random_below(&random, PLACES - place + 1);
        switch (test_random_below(&random, 8)) {
        case 0:
        case 1:
        case 2:
            if (!plain.vacant[place]) {
                dg_vacancy_put(&vacancy, place);
                plain.vacant[place] = plain.resident[place] = true;
            }
            break;
        case 3:
        case 4:
            CHECK_EQ(dg_vacancy_take(&vacancy), (place = plain_lowest(&plain)));
            if (place != DG_NOTHING_VACANT) {
                plain.vacant[place] = plain.resident[place] = false;
            }
            break;
        case 5:
            check_run(&vacancy, &plain, place, end);
            break;
        case 6:
            dg_vacancy_settle(&vacancy, place, end);
            memset(plain.resident + place, 0, end - place);
            break;
        default: {
            uint32_t left = PLACES;
            while (left > 0 && plain.vacant[left - 1] && !plain.resident[left - 1]) {
                plain.vacant[--left] = false;
            }
            CHECK_EQ(dg_vacancy_cut(&vacancy, PLACES), left);
            break;
        }
        }
        place = (uint32_t)test_random_below(&random, PLACES);
        CHECK_EQ(dg_vacancy_has(&vacancy, place), plain.vacant[place]);
    }
    dg_vacancy_clear(&vacancy);
}

// --- giving memory back -----------------------------------------------------------------------------------

// Whoever is given the pages: they must be whole and empty. Marks them, to see that none comes twice.
struct receiver {
    const uint8_t *base;
    uint8_t *given; // by page
    uint32_t pages;
};

static void take_pages(void *context, uint64_t offset, uint64_t size_bytes)
{
    struct receiver *receiver = context;
    CHECK_EQ(offset % PAGE, 0);
    CHECK_EQ(size_bytes % PAGE, 0);
    CHECK(size_bytes > 0);
    for (uint64_t at = offset; at < offset + size_bytes; at++) {
        if (receiver->base[at] != 0) {
            CHECK_MSG(false, "byte %llu of the region was given back and is not zero", (unsigned long long)at);
            return;
        }
    }
    for (uint64_t page = offset / PAGE; page < (offset + size_bytes) / PAGE; page++) {
        CHECK_EQ(receiver->given[page]++, 0);
        receiver->pages++;
    }
}

#define SLOTS 400u
#define KIND (HANDOVER_13 | HANDOVER_WIDE | HANDOVER_CID | HANDOVER_FLIGHT)

struct storm {
    struct shard_region region;
    struct dg_shard shard;
    struct receiver receiver;
    struct test_random random;
    uint32_t who;
};

static bool storm_make(struct storm *storm)
{
    *storm = (struct storm){.random = {.state = dg_test_seed()}};
    if (!shard_region_make(&storm->region, 1, SLOTS, 3 * SLOTS)) {
        return false;
    }
    storm->receiver = (struct receiver){.base = storm->region.base,
                                        .given = calloc(storm->region.size_bytes / PAGE + 1, 1)};
    storm->region.memory.release = take_pages;
    storm->region.memory.release_context = &storm->receiver;
    return storm->receiver.given != NULL && dg_shard_init(&storm->shard, &storm->region.memory, 0, &storm->region.counters);
}

static void storm_free(struct storm *storm)
{
    dg_shard_clear(&storm->shard);
    free(storm->receiver.given);
    shard_region_free(&storm->region);
}

static void storm_rise(struct storm *storm)
{
    enum dg_counter reason;
    do {
        handover_make(&handover, &storm->random, KIND, storm->who++);
    } while (dg_shard_take_over(&storm->shard, NOW, &handover, &reason) != NULL);
    CHECK_EQ(storm->shard.live, SLOTS);
}

// All go but those whose number is divisible; 0: all.
static void storm_fall(struct storm *storm, uint32_t keep_each)
{
    uint32_t cursor = 0;
    for (struct dg_slot *slot; (slot = dg_shard_next_live(&storm->shard, &cursor)) != NULL;) {
        if (keep_each == 0 || dg_shard_slot_number(&storm->shard, slot) % keep_each != 0) {
            dg_shard_give_back(&storm->shard, slot);
        }
    }
}

static void trim_all(struct storm *storm)
{
    int turns = 0;
    memset(storm->receiver.given, 0, storm->region.size_bytes / PAGE + 1);
    storm->receiver.pages = 0;
    while (dg_shard_may_trim(&storm->shard)) {
        (void)dg_shard_trim(&storm->shard, 7);
        REQUIRE(++turns < 100000);
    }
    CHECK(!dg_shard_may_trim(&storm->shard));
}

static uint64_t pages_of(uint64_t size) { return size / PAGE; }

DG_TEST(trim_gives_back_all_pages_after_a_storm_and_the_shard_is_as_new)
{
    static struct storm storm;
    REQUIRE(storm_make(&storm));
    for (int round = 0; round < 3; round++) {
        storm_rise(&storm);
        uint64_t used = SLOTS * sizeof(struct dg_slot) + storm.shard.fresh_wide * sizeof(struct dg_side_wide) +
                        storm.shard.fresh_flight * sizeof(struct dg_side_flight);
        storm_fall(&storm, 0);
        trim_all(&storm);
        // A page at each end of each of the three may be shared with what lies beside it.
        CHECK_MSG(storm.receiver.pages + 6 >= pages_of(used), "%u pages of %llu", storm.receiver.pages,
                  (unsigned long long)pages_of(used));
        CHECK_EQ(storm.shard.fresh_slot + storm.shard.fresh_wide + storm.shard.fresh_flight, 0);
        CHECK_EQ(storm.shard.head->slots_used + storm.shard.head->wides_used + storm.shard.head->flights_used, 0);
        CHECK_EQ(shard_account(&storm.shard), 0);
    }
    storm_free(&storm);
}

// Those who stay at first keep pages that lie under others too, which go when they do.
DG_TEST(trim_gives_back_all_pages_of_those_who_go_one_by_one)
{
    static struct storm storm;
    for (uint32_t quick = 0; quick < 2; quick++) {
        REQUIRE(storm_make(&storm));
        storm_rise(&storm);
        uint64_t used = SLOTS * sizeof(struct dg_slot) + storm.shard.fresh_wide * sizeof(struct dg_side_wide) +
                        storm.shard.fresh_flight * sizeof(struct dg_side_flight);
        uint32_t pages = 0;
        for (uint32_t keep = 2; keep <= SLOTS; keep *= 2) {
            storm_fall(&storm, keep);
            // With quick, others go while the places of those before are still being gone through.
            memset(storm.receiver.given, 0, storm.region.size_bytes / PAGE + 1);
            storm.receiver.pages = 0;
            if (quick != 0)
                (void)dg_shard_trim(&storm.shard, 1);
            else
                trim_all(&storm);
            pages += storm.receiver.pages;
        }
        storm_fall(&storm, 0);
        trim_all(&storm);
        pages += storm.receiver.pages;
        CHECK_MSG(pages + 6 >= pages_of(used), "%u pages of %llu", pages, (unsigned long long)pages_of(used));
        CHECK_EQ(storm.shard.fresh_slot + storm.shard.fresh_wide + storm.shard.fresh_flight, 0);
        storm_free(&storm);
    }
}

DG_TEST(trim_leaves_those_who_stay_alone)
{
    static struct storm storm;
    REQUIRE(storm_make(&storm));
    storm_rise(&storm);
    storm_fall(&storm, 40);
    uint8_t *before = malloc(storm.region.size_bytes);
    REQUIRE(before != NULL);
    memcpy(before, storm.region.base, storm.region.size_bytes);
    trim_all(&storm);
    CHECK(storm.receiver.pages > 20);
    CHECK_EQ(shard_account(&storm.shard), SLOTS / 40);
    // Beside the heads' marks nothing has changed: what was given back had been wiped before.
    const uint8_t *now = storm.region.base;
    size_t heads = storm.region.memory.heads_offset, shards = storm.region.memory.shards_offset;
    CHECK(memcmp(before, now, heads) == 0 && memcmp(before + shards, now + shards, storm.region.size_bytes - shards) == 0);
    free(before);
    // What was given back is given out again, and the next process finds all of it.
    storm_rise(&storm);
    CHECK_EQ(shard_account(&storm.shard), SLOTS);
    dg_shard_clear(&storm.shard);
    REQUIRE(dg_shard_init(&storm.shard, &storm.region.memory, 0, &storm.region.counters));
    CHECK_EQ(shard_account(&storm.shard), SLOTS);
    storm_free(&storm);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(vacancy_agrees_with_a_plain_array),
        DG_CASE(trim_gives_back_all_pages_after_a_storm_and_the_shard_is_as_new),
        DG_CASE(trim_gives_back_all_pages_of_those_who_go_one_by_one),
        DG_CASE(trim_leaves_those_who_stay_alone),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
