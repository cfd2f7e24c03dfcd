// SPDX-License-Identifier: GPL-3.0-or-later
// The table that all workers count in: who stays, beside a plain list; any order of joining; networks; many threads.
#include "check.h"
#include "core/policy.h"
#include "io/tally.h"
#include "support/random.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 4
#define SLOTS 64
#define ALL (SHARDS * SLOTS)
#define NOW_TICK (UINT32_C(1) << 20) // later than all that is opened here

static struct dg_ref ref_of(uint32_t place, uint64_t id)
{
    return (struct dg_ref){.id = id, .shard = place / SLOTS, .slot = place % SLOTS};
}

// --- who was told to end --------------------------------------------------------------------

static struct dg_ref ended[ALL];
static unsigned ended_count;
static bool is_deaf; // nobody can be told

static bool note_end(void *context, struct dg_ref ref)
{
    (void)context;
    if (is_deaf)
        return false;
    ended[ended_count++] = ref;
    return true;
}

static bool join(struct dg_tally *tally, uint32_t place, uint64_t id, uint64_t key, uint32_t tick, uint32_t max,
                 bool replaces)
{
    const struct dg_tally_entry entry = {.ref = ref_of(place, id), .opened_tick = tick, .now_tick = NOW_TICK, .key = key,
                                         .max = max, .replaces_oldest = replaces, .end = note_end};
    return dg_tally_join(tally, &entry);
}

static struct dg_tally *start(void)
{
    ended_count = 0;
    is_deaf = false;
    struct dg_tally *tally = dg_tally_new(SHARDS, SLOTS);
    CHECK(tally != NULL);
    return tally;
}

DG_TEST(tally_replaces_the_oldest_of_an_identity)
{
    struct dg_tally *tally = start();
    REQUIRE(tally != NULL);
    CHECK(join(tally, 0, 1, 7, 100, 2, true));
    CHECK(join(tally, 70, 2, 7, 90, 2, true)); // older, though it joined later
    CHECK(join(tally, 5, 3, 8, 50, 2, true));  // another identity's
    CHECK_EQ(ended_count, 0);
    CHECK(join(tally, 9, 4, 7, 110, 2, true));
    CHECK_EQ(ended_count, 1);
    CHECK_EQ(ended[0].id, 2);
    CHECK_EQ(ended[0].shard, 1);
    CHECK_EQ(ended[0].slot, 70 - SLOTS);
    CHECK_EQ(dg_tally_count(tally, 7), 2);
    // Told to end, it does not come back in the meantime.
    CHECK(!join(tally, 70, 2, 7, 90, 2, true));
    CHECK_EQ(ended_count, 1);
    dg_tally_leave(tally, ref_of(70, 2));
    CHECK_EQ(dg_tally_count(tally, 7), 2);
    CHECK_EQ(dg_tally_count(tally, 8), 1);
    // Nor where there is room again before it has ended.
    CHECK(join(tally, 10, 5, 7, 120, 2, true));
    CHECK_EQ(ended[1].id, 1);
    dg_tally_leave(tally, ref_of(9, 4));
    CHECK(!join(tally, 0, 1, 7, 100, 2, true));
    CHECK_EQ(dg_tally_count(tally, 7), 1);
    dg_tally_free(tally);
}

DG_TEST(tally_refuses_the_youngest_of_an_identity)
{
    struct dg_tally *tally = start();
    REQUIRE(tally != NULL);
    CHECK(join(tally, 0, 1, 7, 100, 2, false));
    CHECK(join(tally, 1, 2, 7, 100, 2, false));
    CHECK(!join(tally, 2, 3, 7, 100, 2, false)); // within the same tick: who came last
    CHECK_EQ(ended_count, 0);
    CHECK(join(tally, 0, 1, 7, 100, 2, false)); // asked about again, it is not counted twice
    CHECK_EQ(dg_tally_count(tally, 7), 2);
    dg_tally_leave(tally, ref_of(0, 1));
    CHECK(join(tally, 3, 4, 7, 100, 2, false));
    // An older one that is found later (after a restart) is there by right; the youngest makes room.
    CHECK(join(tally, 4, 5, 7, 10, 2, false));
    CHECK_EQ(ended_count, 1);
    CHECK_EQ(ended[0].id, 4);
    dg_tally_free(tally);
}

// Ticks come round after 2.3 years, and half of that is no bound: who has been there for two years is the oldest.
DG_TEST(tally_knows_an_association_of_two_years_as_the_oldest)
{
    const uint32_t two_years_ago = NOW_TICK - (UINT32_C(7) << 29);
    struct dg_tally *tally = start();
    REQUIRE(tally != NULL);
    CHECK(join(tally, 0, 1, 7, two_years_ago, 1, true));
    CHECK(join(tally, 1, 2, 7, NOW_TICK, 1, true));
    CHECK_EQ(ended_count, 1);
    CHECK_EQ(ended[0].id, 1);
    CHECK(join(tally, 2, 3, 8, two_years_ago, 1, false));
    CHECK(!join(tally, 3, 4, 8, NOW_TICK, 1, false));
    dg_tally_free(tally);
}

DG_TEST(tally_that_can_tell_nobody_refuses_who_joins)
{
    struct dg_tally *tally = start();
    REQUIRE(tally != NULL);
    CHECK(join(tally, 0, 1, 7, 1, 1, true));
    is_deaf = true;
    CHECK(!join(tally, 1, 2, 7, 2, 1, true));
    CHECK_EQ(dg_tally_count(tally, 7), 1);
    is_deaf = false;
    CHECK(join(tally, 2, 3, 7, 3, 1, true));
    CHECK_EQ(ended_count, 1);
    CHECK_EQ(ended[0].id, 1);
    dg_tally_free(tally);
}

DG_TEST(tally_slot_of_one_that_nobody_took_out_is_the_next_ones)
{
    struct dg_tally *tally = start();
    REQUIRE(tally != NULL);
    CHECK(join(tally, 0, 1, 7, 1, 1, false));
    CHECK(join(tally, 0, 2, 7, 2, 1, false)); // the same slot: the one before must be gone
    CHECK_EQ(dg_tally_count(tally, 7), 1);
    dg_tally_leave(tally, ref_of(0, 1)); // a late word about it
    CHECK_EQ(dg_tally_count(tally, 7), 1);
    CHECK(join(tally, 0, 2, 9, 2, 1, false)); // counted under another name from now on
    CHECK_EQ(dg_tally_count(tally, 7), 0);
    CHECK_EQ(dg_tally_count(tally, 9), 1);
    dg_tally_free(tally);
}

// Whatever the order in which a set joins: the same ones stay, the max oldest or the max youngest.
DG_TEST(tally_keeps_the_same_ones_in_any_order)
{
    struct test_random random = {.state = dg_test_seed()};
    for (unsigned round = 0; round < 400; round++) {
        struct dg_tally *tally = start();
        REQUIRE(tally != NULL);
        uint32_t count = 1 + (uint32_t)test_random_below(&random, 20), max = 1 + (uint32_t)test_random_below(&random, 8);
        bool replaces = test_random_below(&random, 2) == 0;
        uint32_t order[20];
        bool stays[20] = {false};
        for (uint32_t i = 0; i < count; i++)
            order[i] = i;
        for (uint32_t i = count; i > 1; i--) {
            uint32_t j = (uint32_t)test_random_below(&random, i), kept = order[i - 1];
            order[i - 1] = order[j];
            order[j] = kept;
        }
        // Ticks near where they come round.
        for (uint32_t i = 0; i < count; i++)
            stays[order[i]] = join(tally, order[i] * 7 % ALL, 1000 + order[i], 7, UINT32_MAX - 9 + order[i], max, replaces);
        for (unsigned i = 0; i < ended_count; i++)
            stays[ended[i].id - 1000] = false;
        for (uint32_t i = 0; i < count; i++)
            CHECK_EQ(stays[i], count <= max || (replaces ? i >= count - max : i < max));
        CHECK_EQ(dg_tally_count(tally, 7), count < max ? count : max);
        dg_tally_free(tally);
    }
}

// --- networks ----------------------------------------------------------------------------------

DG_TEST(tally_counts_associations_of_networks_beside_a_plain_list)
{
    struct test_random random = {.state = dg_test_seed()};
    struct dg_tally *tally = start();
    REQUIRE(tally != NULL);
    uint64_t keys[ALL] = {0}, ids[ALL] = {0}, next_id = 1;
    for (unsigned round = 0; round < 50000; round++) {
        uint32_t place = (uint32_t)test_random_below(&random, ALL);
        uint64_t key = 1 + test_random_below(&random, 9);
        unsigned before = 0;
        for (uint32_t i = 0; i < ALL; i++)
            before += ids[i] != 0 && keys[i] == key && i != place;
        unsigned what = (unsigned)test_random_below(&random, 3);
        if (what == 0) {
            dg_tally_prefix_leave(tally, ref_of(place, ids[place]));
            ids[place] = 0;
        } else if (what == 1 && ids[place] == 0) { // a newcomer
            bool is_in = dg_tally_prefix_join(tally, ref_of(place, next_id), key, 20, true);
            CHECK_EQ(is_in, before < 20);
            ids[place] = is_in ? next_id : 0;
            keys[place] = key;
            next_id++;
        } else if (what == 2 && ids[place] != 0) { // it moves: never refused
            CHECK(dg_tally_prefix_join(tally, ref_of(place, ids[place]), key, 20, false));
            keys[place] = key;
        }
        unsigned now = 0;
        for (uint32_t i = 0; i < ALL; i++)
            now += ids[i] != 0 && keys[i] == key;
        CHECK_EQ(dg_tally_prefix_count(tally, key), now);
    }
    dg_tally_free(tally);
}

DG_TEST(tally_keys_tell_identities_listeners_and_networks_apart)
{
    struct dg_tally *tally = start();
    REQUIRE(tally != NULL);
    uint64_t key = dg_tally_identity_key(tally, 1, 1, "ab", 2);
    CHECK(key == dg_tally_identity_key(tally, 1, 1, "ab", 2));
    CHECK(key != dg_tally_identity_key(tally, 2, 1, "ab", 2));
    CHECK(key != dg_tally_identity_key(tally, 1, 2, "ab", 2));
    CHECK(key != dg_tally_identity_key(tally, 1, 1, "abc", 3));
    CHECK(key != dg_tally_identity_key(tally, 1, 1, "", 0));
    struct dg_address a, b, c;
    REQUIRE(dg_address_parse("[2001:db8::1]:1", &a) && dg_address_parse("[2001:db8::ffff]:2", &b) &&
            dg_address_parse("[2001:db8:0:1::1]:1", &c));
    CHECK(dg_tally_prefix_key(tally, &a) == dg_tally_prefix_key(tally, &b));
    CHECK(dg_tally_prefix_key(tally, &a) != dg_tally_prefix_key(tally, &c));
    dg_tally_free(tally);
}

// --- threads -------------------------------------------------------------------------------------

#define THREADS 8
#define ROUNDS 20000
#define IDENTITIES 5
#define MAX 3

// Each has a shard of its own and ends what it is told to, as workers do.
struct worker {
    struct dg_tally *tally;
    struct worker *all;
    uint32_t number;
    pthread_mutex_t lock; // over told
    uint64_t told[SLOTS]; // ids to end, by slot
    uint64_t ids[SLOTS];
};

static bool tell_worker(void *context, struct dg_ref ref)
{
    struct worker *to = &((struct worker *)context)->all[ref.shard];
    pthread_mutex_lock(&to->lock);
    to->told[ref.slot] = ref.id;
    pthread_mutex_unlock(&to->lock);
    return true;
}

static void end_told(struct worker *worker)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        pthread_mutex_lock(&worker->lock);
        bool is_told = worker->told[slot] != 0 && worker->told[slot] == worker->ids[slot];
        worker->told[slot] = 0;
        pthread_mutex_unlock(&worker->lock);
        if (is_told) {
            dg_tally_leave(worker->tally, (struct dg_ref){worker->ids[slot], worker->number, slot});
            worker->ids[slot] = 0;
        }
    }
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct test_random random = {.state = worker->number};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t slot = (uint32_t)test_random_below(&random, SLOTS);
        if (worker->ids[slot] != 0) {
            dg_tally_leave(worker->tally, (struct dg_ref){worker->ids[slot], worker->number, slot});
            worker->ids[slot] = 0;
            continue;
        }
        const struct dg_tally_entry entry = {
            .ref = {.id = (uint64_t)(worker->number + 1) << 32 | (round + 1), .shard = worker->number, .slot = slot},
            .opened_tick = round,
            .now_tick = NOW_TICK,
            .key = 1 + test_random_below(&random, IDENTITIES),
            .max = MAX,
            .replaces_oldest = worker->number % 2 == 0,
            .end = tell_worker,
            .context = worker};
        if (dg_tally_join(worker->tally, &entry))
            worker->ids[slot] = entry.ref.id;
        if (round % 16 == 0)
            end_told(worker);
    }
    return NULL;
}

DG_TEST(tally_holds_the_limit_for_eight_threads)
{
    static struct worker workers[THREADS];
    memset(workers, 0, sizeof workers);
    struct dg_tally *tally = dg_tally_new(THREADS, SLOTS);
    REQUIRE(tally != NULL);
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.tally = tally, .all = workers, .number = i};
        REQUIRE(pthread_mutex_init(&workers[i].lock, NULL) == 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint32_t live = 0, counted = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        end_told(&workers[i]);
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            live += workers[i].ids[slot] != 0;
        pthread_mutex_destroy(&workers[i].lock);
    }
    for (uint64_t key = 1; key <= IDENTITIES; key++) {
        CHECK(dg_tally_count(tally, key) <= MAX);
        counted += dg_tally_count(tally, key);
    }
    CHECK_EQ(live, counted); // whoever was told has ended, and nobody else
    dg_tally_free(tally);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(tally_replaces_the_oldest_of_an_identity),
        DG_CASE(tally_refuses_the_youngest_of_an_identity),
        DG_CASE(tally_knows_an_association_of_two_years_as_the_oldest),
        DG_CASE(tally_that_can_tell_nobody_refuses_who_joins),
        DG_CASE(tally_slot_of_one_that_nobody_took_out_is_the_next_ones),
        DG_CASE(tally_keeps_the_same_ones_in_any_order),
        DG_CASE(tally_counts_associations_of_networks_beside_a_plain_list),
        DG_CASE(tally_keys_tell_identities_listeners_and_networks_apart),
        DG_CASE(tally_holds_the_limit_for_eight_threads),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
