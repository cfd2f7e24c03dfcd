// SPDX-License-Identifier: GPL-3.0-or-later
// A process dies at each of the numbered points of a take-over, a give-back, a change of keys and the life
// of a flight; the next one attaches. What it finds must be one of the two states that the operation leads
// between, whole, with nothing leaked and everybody else untouched. Where a point says what must already be
// stored and what not yet, the region is looked at before anybody attaches: turning two stores round fails.
#include "check.h"
#include "core/crash_point.h"
#include "support/shard_region.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW (1000 * DG_SECOND)
#define SLOTS 8u
#define OTHERS 4u // slots 0..3; the victim is slot 4
#define VICTIM OTHERS
#define FINISHED DG_CRASH_POINT_COUNT // the process got through
#define DIED 42

struct world {
    struct shard_region region;
    struct dg_shard shard;
    unsigned kind;
    uint8_t *before; // the region as it was
    uint32_t tx_before, rx_before;
};

static struct dg_handover victim_handover; // of the victim
static struct dg_key_material new_keys;
static struct test_random random_numbers;

// --- dying --------------------------------------------------------------------

static struct death {
    unsigned seen, die_at;
    enum dg_crash_point point;
} *death; // shared with the child

static void hook(enum dg_crash_point point)
{
    if (++death->seen == death->die_at) {
        death->point = point;
        _exit(DIED);
    }
}

typedef void (*operation)(struct world *world);

// Lets a child do it and die at the count-th point that it comes to. Returns that point, or FINISHED.
static enum dg_crash_point die_at(struct world *world, operation what, unsigned count)
{
    *death = (struct death){.die_at = count, .point = FINISHED};
    pid_t child = fork();
    if (child == 0) {
        dg_crash_hook = hook;
        what(world);
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), death->point == FINISHED ? 0 : DIED);
    return death->point;
}

// --- the world ----------------------------------------------------------------

static bool world_make(struct world *world, unsigned kind, bool with_victim)
{
    static const unsigned KINDS[OTHERS] = {0, HANDOVER_13 | HANDOVER_WIDE | HANDOVER_FLIGHT, HANDOVER_CID,
                                           HANDOVER_13 | HANDOVER_LONG_IDENTITY | HANDOVER_FLIGHT};
    static struct dg_handover handover;
    enum dg_counter reason;
    *world = (struct world){.kind = kind};
    if (!shard_region_make(&world->region, 1, SLOTS, SLOTS * 4) ||
        !dg_shard_init(&world->shard, &world->region.memory, 0, &world->region.counters)) {
        return false;
    }
    for (uint32_t number = 0; number < OTHERS; number++) {
        handover_make(&handover, &random_numbers, KINDS[number], number);
        if (dg_shard_take_over(&world->shard, NOW, &handover, &reason) == NULL) {
            return false;
        }
    }
    handover_make(&victim_handover, &random_numbers, kind, 100);
    test_random_fill(&random_numbers, &new_keys, sizeof new_keys);
    if (with_victim && dg_shard_take_over(&world->shard, NOW, &victim_handover, &reason) == NULL) {
        return false;
    }
    world->before = malloc(world->region.size_bytes);
    if (world->before != NULL) {
        memcpy(world->before, world->region.base, world->region.size_bytes);
    }
    return world->before != NULL;
}

static void world_free(struct world *world)
{
    dg_shard_clear(&world->shard);
    shard_region_free(&world->region);
    free(world->before);
}

static void attach(struct world *world)
{
    dg_shard_clear(&world->shard);
    REQUIRE(dg_shard_init(&world->shard, &world->region.memory, 0, &world->region.counters));
}

static struct dg_slot *victim_of(struct world *world)
{
    return &world->shard.slots[VICTIM];
}

static bool contains(const struct world *world, const void *needle, size_t size)
{
    return memmem(world->region.base, world->region.size_bytes, needle, size) != NULL;
}

static const void *as_before(const struct world *world, const void *part)
{
    return world->before + ((const uint8_t *)part - (const uint8_t *)world->region.base);
}

static void check_others(const struct world *world)
{
    const struct dg_shard *shard = &world->shard;
    for (uint32_t number = 0; number < OTHERS; number++) {
        CHECK_MEM(&shard->slots[number], as_before(world, &shard->slots[number]), sizeof(struct dg_slot));
    }
    for (uint32_t number = 0; number < shard->fresh_wide; number++) {
        const struct dg_side_wide *wide = &shard->wides[number];
        if (wide->owner >= 1 && wide->owner <= OTHERS) {
            CHECK_MEM(wide, as_before(world, wide), sizeof *wide);
        }
    }
    for (uint32_t number = 0; number < shard->fresh_flight; number++) {
        const struct dg_side_flight *flight = &shard->flights[number];
        if (flight->owner >= 1 && flight->owner <= OTHERS) {
            CHECK_MEM(flight, as_before(world, flight), sizeof *flight);
        }
    }
    CHECK_EQ(dg_counter_read(&world->region.counters, DG_COUNT_SLOTS_QUARANTINED), 0);
}

// --- what the region must look like at a point, before anybody attaches --------

struct sides {
    uint32_t owned, empty, listed;
};

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

// The victim's: how many it owns, how many of those are empty, how many flights are in its list.
static struct sides victims_sides(struct world *world)
{
    struct dg_shard *shard = &world->shard;
    struct sides sides = {0};
    for (uint32_t number = 0; number < shard->head->wides_used; number++) {
        const struct dg_side_wide *wide = &shard->wides[number];
        if (wide->owner == VICTIM + 1) {
            sides.owned++;
            sides.empty += is_zero(wide->keyset, sizeof wide->keyset);
        }
    }
    for (uint32_t number = 0; number < shard->head->flights_used; number++) {
        const struct dg_side_flight *flight = &shard->flights[number];
        if (flight->owner == VICTIM + 1) {
            sides.owned++;
            sides.empty += flight->kind == DG_FLIGHT_FREE && is_zero(flight->bytes, sizeof flight->bytes);
        }
    }
    for (uint32_t side = victim_of(world)->side; side < shard->head->flights_used; side = shard->flights[side].next) {
        sides.listed++;
    }
    return sides;
}

static bool is_raised_mark_unowned(struct world *world)
{
    struct dg_shard *shard = &world->shard;
    const struct dg_memory_shard_head *was = as_before(world, shard->head);
    bool wide_raised = shard->head->wides_used > was->wides_used;
    bool flight_raised = shard->head->flights_used > was->flights_used;
    return (wide_raised && shard->wides[shard->head->wides_used - 1].owner == 0) ||
           (flight_raised && shard->flights[shard->head->flights_used - 1].owner == 0);
}

static uint32_t listed_before(const struct world *world)
{
    const struct dg_slot *slot = as_before(world, &world->shard.slots[VICTIM]);
    uint32_t count = 0;
    for (uint32_t side = slot->side; slot->state == DG_SLOT_LIVE && side != DG_NO_SIDE; count++) {
        side = ((const struct dg_side_flight *)as_before(world, &world->shard.flights[side]))->next;
    }
    return count;
}

static void check_raw(struct world *world, enum dg_crash_point point)
{
    const struct dg_slot *slot = victim_of(world);
    bool has_keys = contains(world, victim_handover.tx.key, 16);
    struct sides sides = victims_sides(world);
    switch (point) {
    case DG_CRASH_SLOT_MARK_RAISED:
        CHECK_EQ(world->shard.head->slots_used, VICTIM + 1);
        CHECK(is_zero((const uint8_t *)slot, sizeof *slot));
        break;
    case DG_CRASH_SIDE_MARK_RAISED:
        CHECK(is_raised_mark_unowned(world));
        break;
    case DG_CRASH_SIDE_OWNED:
        CHECK_EQ(sides.empty, 1);
        break;
    case DG_CRASH_SIDE_WIPED:
        CHECK_EQ(sides.empty, 1);
        break;
    case DG_CRASH_TAKE_OVER_SLOT_CHOSEN:
        CHECK_EQ(slot->state, DG_SLOT_FREE);
        CHECK(!has_keys);
        break;
    case DG_CRASH_TAKE_OVER_FILLED:
        CHECK_EQ(slot->state, DG_SLOT_FREE);
        CHECK(has_keys);
        CHECK(slot->check != 0);
        break;
    case DG_CRASH_TAKE_OVER_LIVE:
        CHECK_EQ(slot->state, DG_SLOT_LIVE);
        break;
    case DG_CRASH_GIVE_BACK_DYING:
        CHECK_EQ(slot->state, DG_SLOT_DYING);
        CHECK(has_keys);
        break;
    case DG_CRASH_GIVE_BACK_WIPED:
        CHECK_EQ(slot->state, DG_SLOT_DYING);
        CHECK(!has_keys);
        CHECK_EQ(sides.owned, 0);
        break;
    case DG_CRASH_GIVE_BACK_FREE:
        CHECK_EQ(slot->state, DG_SLOT_FREE);
        CHECK(is_zero((const uint8_t *)slot, sizeof *slot));
        break;
    case DG_CRASH_FLIGHT_FILLED: // owned and complete, not yet in the list
        CHECK_EQ(sides.empty, 0);
        break;
    case DG_CRASH_FLIGHT_LINKED:
        CHECK(slot->side < world->shard.head->flights_used);
        CHECK(world->shard.flights[slot->side].kind != DG_FLIGHT_FREE);
        break;
    case DG_CRASH_FLIGHT_UNLINKED: // no longer in the list, not yet wiped
        CHECK_EQ(sides.listed + 1, listed_before(world));
        CHECK_EQ(sides.empty, 0);
        break;
    default:
        break;
    }
}

// --- the operations -----------------------------------------------------------

static void do_take_over(struct world *world)
{
    enum dg_counter reason;
    (void)dg_shard_take_over(&world->shard, NOW, &victim_handover, &reason);
}

static void do_give_back(struct world *world)
{
    dg_shard_give_back(&world->shard, victim_of(world));
}

static void do_attach(struct world *world)
{
    struct dg_shard shard;
    CHECK(dg_shard_init(&shard, &world->region.memory, 0, &world->region.counters));
    dg_shard_clear(&shard);
}

#define MESSAGE_SEQ 321

static void do_flight(struct world *world)
{
    struct dg_slot *slot = victim_of(world);
    struct dg_side_flight *flight = dg_shard_flight_new(&world->shard, slot, DG_FLIGHT_MESSAGE);
    if (flight == NULL) {
        return;
    }
    flight->message_seq = MESSAGE_SEQ;
    flight->size = 32;
    memcpy(flight->bytes, new_keys.secret, 32);
    dg_shard_flight_link(&world->shard, slot, flight);
}

static void do_flight_free(struct world *world)
{
    struct dg_slot *slot = victim_of(world);
    struct dg_side_flight *flight = dg_shard_flight_find(&world->shard, slot, DG_FLIGHT_EPOCH_2);
    if (flight != NULL) {
        dg_shard_flight_free(&world->shard, slot, flight);
    }
}

static uint32_t new_place(struct world *world, struct dg_slot *slot)
{
    uint32_t place = dg_shard_keyset_new(&world->shard, slot);
    dg_keyset_fill(dg_shard_keyset(&world->shard, slot, place), slot->aead, slot->hash, 4, &new_keys);
    DG_CRASH_POINT(KEY_UPDATE_PREPARED);
    return place;
}

// The order of stores that shard.h gives to whoever changes keys.
static void do_change_tx(struct world *world)
{
    struct dg_slot *slot = victim_of(world);
    uint32_t place = new_place(world, slot);
    uint32_t old = slot->tx_place;
    atomic_store_explicit(&slot->tx_place, place, memory_order_release);
    DG_CRASH_POINT(KEY_UPDATE_PUBLISHED);
    dg_shard_keyset_free(&world->shard, slot, old);
    DG_CRASH_POINT(KEY_UPDATE_OLD_WIPED);
}

static void do_change_rx(struct world *world)
{
    struct dg_slot *slot = victim_of(world);
    uint32_t place = new_place(world, slot);
    uint32_t old = slot->rx_place;
    atomic_store_explicit(&slot->rx_old_place, old, memory_order_release);
    DG_CRASH_POINT(KEY_UPDATE_PREPARED);
    atomic_store_explicit(&slot->rx_place, place, memory_order_release);
    DG_CRASH_POINT(KEY_UPDATE_PUBLISHED);
    atomic_store_explicit(&slot->rx_old_place, DG_PLACE_NONE, memory_order_release);
    DG_CRASH_POINT(KEY_UPDATE_PUBLISHED);
    dg_shard_keyset_free(&world->shard, slot, old);
}

// --- what must be true afterwards ---------------------------------------------

static void check_keyset(struct world *world, uint32_t place, const struct dg_key_material *material, uint64_t next)
{
    struct dg_slot *slot = victim_of(world);
    const struct dg_keyset *keyset = dg_shard_keyset(&world->shard, slot, place);
    REQUIRE(keyset != NULL);
    struct dg_key_view view = dg_keyset_view(keyset, slot->aead, slot->hash, slot->version == 13);
    CHECK_MEM(view.key, material->key, dg_aead_table[slot->aead].key_size);
    CHECK_MEM(view.iv, material->iv, 12);
    CHECK_EQ(keyset->next, next);
}

static void check_whole(struct world *world)
{
    struct dg_slot *slot = victim_of(world);
    CHECK_EQ(slot->state, DG_SLOT_LIVE);
    check_keyset(world, slot->tx_place, &victim_handover.tx, victim_handover.tx_next);
    check_keyset(world, slot->rx_place, &victim_handover.rx, victim_handover.rx_next);
    struct dg_bytes identity = dg_shard_identity(&world->shard, slot);
    REQUIRE(identity.size == victim_handover.identity_size);
    CHECK_MEM(identity.data, victim_handover.identity, identity.size);
    if ((world->kind & HANDOVER_13) != 0) {
        CHECK(dg_shard_flight_find(&world->shard, slot, DG_FLIGHT_EPOCH_2) != NULL);
    }
    if ((world->kind & HANDOVER_FLIGHT) != 0) {
        CHECK(dg_shard_flight_find(&world->shard, slot, slot->version == 13 ? DG_FLIGHT_MESSAGE
                                                                             : DG_FLIGHT_FINAL_12) != NULL);
    }
}

static void check_absent(struct world *world)
{
    CHECK_EQ(shard_account(&world->shard), OTHERS);
    CHECK(!contains(world, victim_handover.tx.key, 16));
    CHECK(!contains(world, victim_handover.rx.key, 16));
    CHECK(!contains(world, victim_handover.rx.iv, 12));
    CHECK(!contains(world, victim_handover.handshake_rx.secret, 32));
    CHECK(!contains(world, victim_handover.identity, 12));
}

static void after_take_over(struct world *world, enum dg_crash_point point)
{
    if (point == DG_CRASH_TAKE_OVER_LIVE || point == FINISHED) {
        CHECK_EQ(shard_account(&world->shard), OTHERS + 1);
        check_whole(world);
    } else {
        check_absent(world);
    }
}

static void after_give_back(struct world *world, enum dg_crash_point point)
{
    (void)point; // whatever it was: the end had begun
    check_absent(world);
}

static void after_flight(struct world *world, enum dg_crash_point point)
{
    CHECK_EQ(shard_account(&world->shard), OTHERS + 1);
    check_whole(world);
    const struct dg_side_flight *flight = dg_shard_flight_find(&world->shard, victim_of(world), DG_FLIGHT_MESSAGE);
    bool is_linked = flight != NULL && flight->message_seq == MESSAGE_SEQ;
    CHECK_EQ(is_linked, point == DG_CRASH_FLIGHT_LINKED || point == FINISHED);
    CHECK_EQ(is_linked, contains(world, new_keys.secret, 32));
    if (is_linked) {
        CHECK_EQ(flight->size, 32);
        CHECK_MEM(flight->bytes, new_keys.secret, 32);
    }
}

static void after_flight_free(struct world *world, enum dg_crash_point point)
{
    (void)point; // the first one already lies behind the unlinking
    CHECK_EQ(shard_account(&world->shard), OTHERS + 1);
    CHECK(dg_shard_flight_find(&world->shard, victim_of(world), DG_FLIGHT_EPOCH_2) == NULL);
    CHECK(!contains(world, victim_handover.handshake_rx.secret, 32));
    check_keyset(world, victim_of(world)->tx_place, &victim_handover.tx, victim_handover.tx_next);
}

static bool is_published(const struct world *world, enum dg_crash_point point)
{
    // SIDE_WIPED comes from freeing the old one; the others of a side slot from getting the new one.
    (void)world;
    return point == DG_CRASH_KEY_UPDATE_PUBLISHED || point == DG_CRASH_KEY_UPDATE_OLD_WIPED ||
           point == DG_CRASH_SIDE_WIPED || point == FINISHED;
}

// Epoch, key and number change together: the old ones whole with their number kept, or the new ones whole.
static void after_change_tx(struct world *world, enum dg_crash_point point)
{
    CHECK_EQ(shard_account(&world->shard), OTHERS + 1);
    struct dg_slot *slot = victim_of(world);
    bool published = is_published(world, point);
    check_keyset(world, slot->tx_place, published ? &new_keys : &victim_handover.tx,
                 published ? 0 : victim_handover.tx_next);
    CHECK_EQ(dg_shard_keyset(&world->shard, slot, slot->tx_place)->epoch, published ? 4 : 3);
    CHECK_EQ(contains(world, new_keys.key, 16), published);
    CHECK_EQ(contains(world, victim_handover.tx.key, 16), !published);
    check_keyset(world, slot->rx_place, &victim_handover.rx, victim_handover.rx_next);
}

static void after_change_rx(struct world *world, enum dg_crash_point point)
{
    CHECK_EQ(shard_account(&world->shard), OTHERS + 1);
    struct dg_slot *slot = victim_of(world);
    bool published = is_published(world, point);
    check_keyset(world, slot->rx_place, published ? &new_keys : &victim_handover.rx, 0);
    CHECK_EQ(contains(world, new_keys.key, 16), published);
    CHECK_EQ(contains(world, victim_handover.rx.key, 16), !published || slot->rx_old_place != DG_PLACE_NONE);
    if (slot->rx_old_place != DG_PLACE_NONE) {
        CHECK(published);
        check_keyset(world, slot->rx_old_place, &victim_handover.rx, 0);
    }
    check_keyset(world, slot->tx_place, &victim_handover.tx, victim_handover.tx_next);
}

// --- the cases ----------------------------------------------------------------

// At each point that the operation comes to, and once through.
static void die_everywhere(unsigned kind, bool with_victim, operation what,
                           void (*after)(struct world *world, enum dg_crash_point point))
{
    enum dg_crash_point point = DG_CRASH_POINT_COUNT;
    unsigned count = 0;
    do {
        struct world world;
        REQUIRE(world_make(&world, kind, with_victim));
        point = die_at(&world, what, ++count);
        check_raw(&world, point);
        attach(&world);
        check_others(&world);
        after(&world, point);
        // And it goes on from there: another one can come and go.
        static struct dg_handover next;
        enum dg_counter reason;
        handover_make(&next, &random_numbers, kind, 200);
        memset(next.cid + 1, 1, 3);
        struct dg_slot *slot = dg_shard_take_over(&world.shard, NOW, &next, &reason);
        REQUIRE(slot != NULL);
        dg_shard_give_back(&world.shard, slot);
        after(&world, point);
        world_free(&world);
        REQUIRE(count < 200);
    } while (point != FINISHED);
    CHECK(count > 1); // it came to at least one point
}

#define RICH_12 (HANDOVER_WIDE | HANDOVER_CID | HANDOVER_FLIGHT | HANDOVER_LONG_IDENTITY | HANDOVER_LONG_PEER_CID)
#define RICH_13 (RICH_12 | HANDOVER_13)

DG_TEST(crash_in_take_over_leaves_all_or_nothing)
{
    die_everywhere(0, false, do_take_over, after_take_over);
    die_everywhere(HANDOVER_13, false, do_take_over, after_take_over);
    die_everywhere(RICH_12, false, do_take_over, after_take_over);
    die_everywhere(RICH_13, false, do_take_over, after_take_over);
}

DG_TEST(crash_in_give_back_leaves_nothing)
{
    die_everywhere(0, true, do_give_back, after_give_back);
    die_everywhere(RICH_12, true, do_give_back, after_give_back);
    die_everywhere(RICH_13, true, do_give_back, after_give_back);
}

DG_TEST(crash_around_a_flight_links_it_whole_or_not_at_all)
{
    die_everywhere(HANDOVER_13, true, do_flight, after_flight);
    die_everywhere(HANDOVER_13 | HANDOVER_WIDE, true, do_flight, after_flight);
    die_everywhere(RICH_13, true, do_flight_free, after_flight_free);
}

DG_TEST(crash_in_change_of_keys_leaves_the_old_or_the_new)
{
    die_everywhere(HANDOVER_13, true, do_change_tx, after_change_tx);
    die_everywhere(HANDOVER_13 | HANDOVER_WIDE, true, do_change_tx, after_change_tx);
    die_everywhere(HANDOVER_13, true, do_change_rx, after_change_rx);
    die_everywhere(HANDOVER_13 | HANDOVER_WIDE, true, do_change_rx, after_change_rx);
}

// The process after a crash dies as well, while it cleans up; the one after that finishes.
DG_TEST(crash_while_attaching_is_attached_again)
{
    static const operation FIRST[] = {do_take_over, do_give_back};
    for (size_t i = 0; i < 2; i++) {
        for (unsigned first = 1; first < 40; first += 3) {
            for (unsigned second = 1; second < 12; second += 2) {
                struct world world;
                REQUIRE(world_make(&world, RICH_13, i == 1));
                enum dg_crash_point point = die_at(&world, FIRST[i], first);
                (void)die_at(&world, do_attach, second);
                attach(&world);
                check_others(&world);
                if (i == 0) {
                    after_take_over(&world, point);
                } else {
                    after_give_back(&world, point);
                }
                world_free(&world);
            }
        }
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(crash_in_take_over_leaves_all_or_nothing),
        DG_CASE(crash_in_give_back_leaves_nothing),
        DG_CASE(crash_around_a_flight_links_it_whole_or_not_at_all),
        DG_CASE(crash_in_change_of_keys_leaves_the_old_or_the_new),
        DG_CASE(crash_while_attaching_is_attached_again),
    };
    random_numbers.state = 1;
    death = mmap(NULL, sizeof *death, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (death == MAP_FAILED) {
        return 1;
    }
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
