// SPDX-License-Identifier: GPL-3.0-or-later
// What an attaching process makes of a region that is damaged: the damaged slot is quarantined alone, the
// others live on, nothing leaks, nothing is read out of bounds (the sanitizers watch).
#include "check.h"
#include "core/shard_private.h"
#include "support/shard_region.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NOW (1000 * DG_SECOND)
#define SLOTS 12u

static struct dg_handover handover;
static struct test_random random_numbers;

// The victim is 5, with everything that a slot can have; 4 and 6 are its neighbours of the same kind.
#define RICH (HANDOVER_13 | HANDOVER_WIDE | HANDOVER_CID | HANDOVER_FLIGHT | HANDOVER_LONG_IDENTITY | \
              HANDOVER_LONG_PEER_CID)
#define VICTIM 5u

static unsigned kind_of(uint32_t number)
{
    return number >= 4 && number <= 6 ? RICH : number * 7 % HANDOVER_KINDS;
}

static void populate(struct dg_shard *shard)
{
    for (uint32_t number = 0; number < SLOTS; number++) {
        enum dg_counter reason = DG_COUNT_NONE;
        handover_make(&handover, &random_numbers, kind_of(number), number);
        struct dg_slot *slot = dg_shard_take_over(shard, NOW, &handover, &reason);
        REQUIRE(slot == &shard->slots[number]);
    }
}

static struct dg_side_flight *flight_of(struct dg_shard *shard, enum dg_flight_kind kind)
{
    return dg_shard_flight_find(shard, &shard->slots[VICTIM], kind);
}

typedef void (*damage)(struct dg_shard *shard, struct dg_slot *slot);

static void damage_id(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->id ^= 1; }
static void damage_check(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->check ^= 1; }
static void damage_state(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->state = 7; }
static void damage_version(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->version = 14; }
static void damage_aead(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->aead = DG_AEAD_COUNT; }
static void damage_other_aead(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->aead = DG_AEAD_CHACHA20_POLY1305; }
static void damage_hash(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->hash = 2; }
static void damage_cid(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->cid[7] ^= 1; }
static void damage_room_of_cid(struct dg_shard *shard, struct dg_slot *slot) { slot->cid[shard->cid_size] = 5; }
static void damage_listener(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->listener++; }
static void damage_credential(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->credential++; }
static void damage_leaf(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->leaf ^= 1; }
static void damage_opened(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->opened_tick++; }
static void damage_expires(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->expires_s = 0; }
static void damage_flags(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->flags ^= DG_SLOT_HAS_CID; }
static void damage_identity_size(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->identity_size = 33; }
static void damage_peer_cid_size(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->peer_cid_size = 65; }
static void damage_tx_place(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->tx_place = UINT32_MAX; }
static void damage_tx_none(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->tx_place = DG_PLACE_NONE; }
static void damage_tx_is_rx(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->tx_place = slot->rx_place; }
static void damage_rx_is_tx(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->rx_place = slot->tx_place; }
static void damage_inline_1(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->tx_place = DG_PLACE_INLINE_1; }
static void damage_rx_old(struct dg_shard *shard, struct dg_slot *slot) { slot->rx_old_place = DG_PLACE_SIDE + shard->fresh_wide; }
static void damage_old_is_tx(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->rx_old_place = slot->tx_place; }
static void damage_others_keys(struct dg_shard *shard, struct dg_slot *slot) { slot->rx_place = shard->slots[4].rx_place; }
static void damage_wide_owner(struct dg_shard *shard, struct dg_slot *slot) { shard->wides[slot->rx_place - DG_PLACE_SIDE].owner = 0; }
static void damage_epoch(struct dg_shard *shard, struct dg_slot *slot) { dg_shard_keyset(shard, slot, slot->tx_place)->epoch = 0; }
static void damage_list_start(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->side = 1 << 30; }
static void damage_list_lost(struct dg_shard *shard, struct dg_slot *slot) { (void)shard; slot->side = DG_NO_SIDE; }
static void damage_list_circle(struct dg_shard *shard, struct dg_slot *slot) { flight_of(shard, DG_FLIGHT_IDENTITY)->next = slot->side; }
static void damage_list_of_other(struct dg_shard *shard, struct dg_slot *slot) { slot->side = shard->slots[4].side; }
static void damage_flight_kind(struct dg_shard *shard, struct dg_slot *slot) { (void)slot; flight_of(shard, DG_FLIGHT_MESSAGE)->kind = 99; }
static void damage_flight_size(struct dg_shard *shard, struct dg_slot *slot) { (void)slot; flight_of(shard, DG_FLIGHT_MESSAGE)->size = DG_FLIGHT_BYTES + 1; }
static void damage_flight_ticket(struct dg_shard *shard, struct dg_slot *slot) { (void)slot; flight_of(shard, DG_FLIGHT_MESSAGE)->ticket_size = 201; }
static void damage_flight_sent(struct dg_shard *shard, struct dg_slot *slot) { (void)slot; flight_of(shard, DG_FLIGHT_MESSAGE)->sent_count = DG_FLIGHT_SENT_MAX + 1; }
static void damage_epoch_2_size(struct dg_shard *shard, struct dg_slot *slot) { (void)slot; flight_of(shard, DG_FLIGHT_EPOCH_2)->size = 1; }
static void damage_identity_side(struct dg_shard *shard, struct dg_slot *slot) { (void)slot; flight_of(shard, DG_FLIGHT_IDENTITY)->size = 256; }
static void damage_identity_byte(struct dg_shard *shard, struct dg_slot *slot) { (void)slot; flight_of(shard, DG_FLIGHT_IDENTITY)->bytes[199] ^= 1; }
static void damage_peer_cid_side(struct dg_shard *shard, struct dg_slot *slot) { (void)slot; flight_of(shard, DG_FLIGHT_PEER_CID)->size = 63; }

static const damage DAMAGES[] = {
    damage_id, damage_check, damage_state, damage_version, damage_aead, damage_other_aead, damage_hash, damage_cid,
    damage_listener, damage_credential, damage_leaf, damage_opened, damage_expires, damage_flags, damage_identity_size, damage_peer_cid_size,
    damage_tx_place, damage_tx_none, damage_tx_is_rx, damage_rx_is_tx, damage_inline_1, damage_rx_old,
    damage_old_is_tx,
    damage_others_keys, damage_wide_owner, damage_epoch, damage_list_start, damage_list_lost, damage_list_circle,
    damage_list_of_other, damage_flight_kind, damage_flight_size, damage_flight_ticket, damage_flight_sent,
    damage_epoch_2_size, damage_identity_side, damage_identity_byte, damage_peer_cid_side,
};

// Those that a right sum must not hide: each is looked at for itself.
static const damage RIGHTLY_SUMMED[] = {
    damage_version, damage_hash, damage_identity_size, damage_peer_cid_size, damage_identity_side,
    damage_peer_cid_side, damage_tx_place, damage_rx_old, damage_epoch, damage_room_of_cid,
};

static void check_damage(damage how, bool sum_again)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, SLOTS, SLOTS * 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    populate(&shard);
    struct dg_slot before[SLOTS];
    for (uint32_t number = 0; number < SLOTS; number++) {
        memcpy(&before[number], &shard.slots[number], sizeof before[number]);
    }
    how(&shard, &shard.slots[VICTIM]);
    if (sum_again) {
        shard.slots[VICTIM].check = dg_shard_slot_check(&shard, &shard.slots[VICTIM]);
    }
    for (int attached = 0; attached < 2; attached++) { // it stays quarantined
        dg_shard_clear(&shard);
        REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
        CHECK_EQ(shard.slots[VICTIM].state, DG_SLOT_QUARANTINED);
        CHECK_EQ(dg_counter_read(&region.counters, DG_COUNT_SLOTS_QUARANTINED), attached + 1);
        CHECK_EQ(shard_account(&shard), SLOTS - 1);
        CHECK(dg_shard_find_cid(&shard, before[VICTIM].cid) == NULL);
        CHECK(dg_shard_find_ref(&shard, (struct dg_ref){.id = before[VICTIM].id, .slot = VICTIM}) == NULL);
        for (uint32_t number = 0; number < SLOTS; number++) {
            if (number != VICTIM) {
                CHECK_MEM(&shard.slots[number], &before[number], sizeof before[number]);
            }
        }
    }
    handover_make(&handover, &random_numbers, 0, 99);
    enum dg_counter reason = DG_COUNT_NONE;
    CHECK(dg_shard_take_over(&shard, NOW, &handover, &reason) == NULL); // its place is not used again
    CHECK_EQ(reason, DG_COUNT_TABLE_FULL);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

DG_TEST(attach_quarantines_a_damaged_slot_alone)
{
    for (size_t i = 0; i < sizeof DAMAGES / sizeof DAMAGES[0]; i++) {
        check_damage(DAMAGES[i], false);
    }
    for (size_t i = 0; i < sizeof RIGHTLY_SUMMED / sizeof RIGHTLY_SUMMED[0]; i++) {
        check_damage(RIGHTLY_SUMMED[i], true);
    }
}

// What may change while a slot lives is no damage.
DG_TEST(attach_accepts_what_may_change)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, SLOTS, SLOTS * 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    populate(&shard);
    struct dg_slot *slot = &shard.slots[VICTIM];
    slot->flags |= DG_SLOT_CLOSE_SENT | DG_SLOT_CLOSE_RECEIVED;
    slot->active_at += DG_HOUR;
    slot->policy_generation++;
    slot->peer.port++;
    slot->tx_message_seq++;
    slot->rx_message_seq++;
    slot->backend_port = 40000;
    slot->rx_old_place = slot->rx_place; // a change of keys that stopped half way
    dg_shard_clear(&shard);
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    CHECK_EQ(shard_account(&shard), SLOTS);
    CHECK_EQ(slot->rx_old_place, DG_PLACE_NONE);
    CHECK_EQ(slot->backend_port, 40000);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

// Two live slots with one key: one of them is damaged.
DG_TEST(attach_serves_one_of_two_slots_with_the_same_path)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, SLOTS, SLOTS * 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    enum dg_counter reason = DG_COUNT_NONE;
    for (uint32_t who = 0; who < 2; who++) {
        handover_make(&handover, &random_numbers, 0, who);
        REQUIRE(dg_shard_take_over(&shard, NOW, &handover, &reason) != NULL);
    }
    shard.slots[1].peer = shard.slots[0].peer;
    dg_shard_clear(&shard);
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    CHECK_EQ(shard_account(&shard), 1);
    CHECK_EQ(shard.quarantined, 1);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

// Who has no connection ID is found by its address, and never gets another: one that is on its way into the slot would
// leave it in the index under the old one.
DG_TEST(attach_quarantines_one_without_cid_that_is_moving)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, SLOTS, SLOTS * 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    enum dg_counter reason = DG_COUNT_NONE;
    handover_make(&handover, &random_numbers, HANDOVER_13, 1);
    struct dg_slot *slot = dg_shard_take_over(&shard, NOW, &handover, &reason);
    REQUIRE(slot != NULL);
    struct dg_side_flight *flight = dg_shard_flight_new(&shard, slot, DG_FLIGHT_PATH);
    REQUIRE(flight != NULL);
    flight->size = sizeof(struct dg_side_path);
    dg_side_path_of(flight)->peer = slot->peer;
    dg_side_path_of(flight)->peer.port++;
    dg_shard_flight_link(&shard, slot, flight);
    dg_shard_path_phase(flight, DG_PATH_MOVING);
    dg_shard_clear(&shard);
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    CHECK_EQ(shard.quarantined, 1);
    CHECK_EQ(shard_account(&shard), 0);
    CHECK_EQ(dg_slot_index_count(shard.by_address), 0);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

// How often a check of an address has failed says how far its time is shifted.
DG_TEST(attach_quarantines_one_whose_checks_failed_more_often_than_is_counted)
{
    for (uint16_t too_often = 0; too_often < 2; too_often++) {
        struct shard_region region;
        struct dg_shard shard;
        REQUIRE(shard_region_make(&region, 1, SLOTS, SLOTS * 4));
        REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
        enum dg_counter reason = DG_COUNT_NONE;
        handover_make(&handover, &random_numbers, HANDOVER_13 | HANDOVER_CID, 1);
        struct dg_slot *slot = dg_shard_take_over(&shard, NOW, &handover, &reason);
        REQUIRE(slot != NULL);
        struct dg_side_flight *flight = dg_shard_flight_new(&shard, slot, DG_FLIGHT_PATH);
        REQUIRE(flight != NULL);
        flight->size = sizeof(struct dg_side_path);
        dg_side_path_of(flight)->failures = (uint16_t)(DG_PATH_FAILURES_MAX + too_often);
        dg_shard_flight_link(&shard, slot, flight);
        dg_shard_clear(&shard);
        REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
        CHECK_EQ(shard.quarantined, too_often);
        dg_shard_clear(&shard);
        shard_region_free(&region);
    }
}

// A connection ID of another shard would never be found: the filter sends its records elsewhere.
DG_TEST(attach_quarantines_a_cid_of_another_shard)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 2, 4, 4));
    REQUIRE(dg_shard_init(&shard, &region.memory, 1, &region.counters));
    enum dg_counter reason = DG_COUNT_NONE;
    handover_make(&handover, &random_numbers, HANDOVER_CID, 1); // its ID is of shard 0
    REQUIRE(dg_shard_take_over(&shard, NOW, &handover, &reason) != NULL);
    dg_shard_clear(&shard);
    REQUIRE(dg_shard_init(&shard, &region.memory, 1, &region.counters));
    CHECK_EQ(shard.quarantined, 1);
    CHECK_EQ(shard_account(&shard), 0);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

static size_t resident_pages(const struct shard_region *region)
{
    size_t pages = region->size_bytes / 4096, count = 0;
    unsigned char *in = calloc(pages, 1);
    if (in == NULL || mincore(region->base, region->size_bytes, in) != 0) {
        free(in);
        return SIZE_MAX;
    }
    for (size_t i = 0; i < pages; i++) {
        count += in[i] & 1;
    }
    free(in);
    return count;
}

// Memory is used as associations come, 448 bytes each, and attaching touches no page besides.
DG_TEST(attach_touches_no_page_that_was_never_used)
{
    struct shard_region region;
    struct dg_shard shard;
    REQUIRE(shard_region_make(&region, 1, 100000, 10000));
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    size_t empty = resident_pages(&region);
    CHECK(empty <= 8); // header, secrets and shard heads
    enum dg_counter reason = DG_COUNT_NONE;
    for (uint32_t who = 0; who < 4000; who++) {
        handover_make(&handover, &random_numbers, 0, who); // a resumed 1.2 handshake leaves no final flight
        REQUIRE(dg_shard_take_over(&shard, NOW, &handover, &reason) != NULL);
    }
    size_t full = resident_pages(&region);
    CHECK(full - empty <= 4000 * sizeof(struct dg_slot) / 4096 + 1);
    dg_shard_clear(&shard);
    REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
    CHECK_EQ(shard.live, 4000);
    CHECK_EQ(resident_pages(&region), full);
    dg_shard_clear(&shard);
    shard_region_free(&region);
}

// --- random damage ------------------------------------------------------------

static void flip(struct shard_region *region, uint64_t from, uint64_t size)
{
    uint8_t *bytes = region->base;
    uint64_t at = from + test_random_below(&random_numbers, size);
    switch (test_random_below(&random_numbers, 4)) {
    case 0: bytes[at] ^= (uint8_t)(1u << test_random_below(&random_numbers, 8)); break;
    case 1: bytes[at] = (uint8_t)test_random_next(&random_numbers); break;
    case 2: bytes[at] = 0xff; break;
    default: bytes[at] = 0; break;
    }
}

// Uses everything that attaching has let through.
static void exercise(struct dg_shard *shard)
{
    uint32_t cursor = 0;
    struct dg_slot *slot;
    while ((slot = dg_shard_next_live(shard, &cursor)) != NULL) {
        CHECK(dg_shard_identity(shard, slot).size <= DG_IDENTITY_MAX);
        CHECK(dg_shard_peer_cid(shard, slot).size <= DG_CID_PEER_MAX);
        uint32_t place = dg_shard_keyset_new(shard, slot);
        dg_shard_keyset_free(shard, slot, place);
        struct dg_side_flight *flight = dg_shard_flight_new(shard, slot, DG_FLIGHT_MESSAGE);
        if (flight != NULL) {
            dg_shard_flight_link(shard, slot, flight);
        }
        if (cursor % 2 == 0) {
            dg_shard_give_back(shard, slot);
        }
    }
    for (uint32_t who = 100; who < 105; who++) {
        enum dg_counter reason = DG_COUNT_NONE;
        handover_make(&handover, &random_numbers, who % HANDOVER_KINDS, who);
        (void)dg_shard_take_over(shard, NOW, &handover, &reason);
    }
}

DG_TEST(attach_survives_random_damage)
{
    random_numbers.state = dg_test_seed();
    uint64_t quarantined = 0;
    for (int round = 0; round < 1500; round++) {
        struct shard_region region;
        struct dg_shard shard;
        REQUIRE(shard_region_make(&region, 1, SLOTS + 4, SLOTS * 4));
        REQUIRE(dg_shard_init(&shard, &region.memory, 0, &region.counters));
        populate(&shard);
        struct dg_memory *memory = &region.memory;
        uint64_t flips = 1 + test_random_below(&random_numbers, 20);
        for (uint64_t i = 0; i < flips; i++) {
            switch (test_random_below(&random_numbers, 4)) {
            case 0: flip(&region, memory->heads_offset, sizeof(struct dg_memory_shard_head)); break;
            case 1: flip(&region, memory->shards_offset, SLOTS * sizeof(struct dg_slot)); break;
            case 2: flip(&region, memory->shards_offset + memory->wide_offset,
                         (SLOTS + 4) * sizeof(struct dg_side_wide)); break;
            default: flip(&region, memory->shards_offset + memory->flight_offset,
                          SLOTS * 4 * sizeof(struct dg_side_flight)); break;
            }
        }
        dg_shard_clear(&shard);
        REQUIRE(dg_shard_attach(&shard, &region.memory, 0, &region.counters));
        // Judged all at once and then used, or each when it is used, with some judged before.
        uint32_t before = (uint32_t)test_random_below(&random_numbers, 3) * SLOTS / 2;
        (void)dg_shard_settle(&shard, round % 2 == 0 ? UINT32_MAX : before);
        if (shard.backlog == NULL) {
            (void)shard_account(&shard);
        }
        exercise(&shard);
        while (dg_shard_settle(&shard, 3)) {
        }
        (void)shard_account(&shard);
        quarantined += shard.quarantined;
        dg_shard_clear(&shard);
        shard_region_free(&region);
    }
    CHECK(quarantined > 0);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(attach_quarantines_a_damaged_slot_alone),
        DG_CASE(attach_accepts_what_may_change),
        DG_CASE(attach_serves_one_of_two_slots_with_the_same_path),
        DG_CASE(attach_quarantines_one_without_cid_that_is_moving),
        DG_CASE(attach_quarantines_one_whose_checks_failed_more_often_than_is_counted),
        DG_CASE(attach_quarantines_a_cid_of_another_shard),
        DG_CASE(attach_touches_no_page_that_was_never_used),
        DG_CASE(attach_survives_random_damage),
    };
    random_numbers.state = 1;
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
