// SPDX-License-Identifier: GPL-3.0-or-later
// Counts a shard's slots and side slots in the plainest way, from the region alone, without the functions
// that it judges.
#include "support/shard_region.h"

#include "check.h"
#include "core/wire_constants.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool shard_region_make(struct shard_region *region, uint32_t shards, uint32_t slots, uint32_t flights)
{
    const struct dg_memory_shape shape = {.shard_count = shards,
                                          .slots_per_shard = slots,
                                          .flights_per_shard = flights,
                                          .cid_size = DG_CID_SIZE_DEFAULT};
    return shard_region_make_as(region, &shape);
}

bool shard_region_make_as(struct shard_region *region, const struct dg_memory_shape *shape)
{
    *region = (struct shard_region){.size_bytes = dg_memory_size(shape)};
    if (region->size_bytes == 0) {
        return false;
    }
    region->base = mmap(NULL, region->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (region->base == MAP_FAILED) {
        return false;
    }
    dg_memory_format(&region->memory, region->base, region->size_bytes, shape);
    return true;
}

void shard_region_free(struct shard_region *region)
{
    (void)munmap(region->base, region->size_bytes);
}

static void message(uint8_t *out, struct test_random *random, uint8_t type, uint16_t message_seq, uint16_t size)
{
    test_random_fill(random, out, size);
    struct dg_writer writer = dg_writer_of(out, size);
    dg_write_u8(&writer, type);
    dg_write_u24(&writer, (uint32_t)(size - DG_HANDSHAKE_HEADER));
    dg_write_u16(&writer, message_seq);
}

void handover_make(struct dg_handover *handover, struct test_random *random, unsigned kind, uint32_t who)
{
    bool is_13 = (kind & HANDOVER_13) != 0;
    memset(handover, 0, sizeof *handover);
    handover->version = is_13 ? 13 : 12;
    handover->aead = (kind & HANDOVER_WIDE) != 0 ? DG_AEAD_AES_256_GCM : DG_AEAD_AES_128_GCM;
    handover->hash = (kind & HANDOVER_WIDE) != 0 ? DG_HASH_SHA384 : DG_HASH_SHA256;
    handover->suite = is_13 ? 0x1301 : 0xc02b;
    handover->group = 23;
    handover->path.listener = 77;
    memcpy(handover->path.peer.ip, (uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}, 16);
    handover->path.peer.ip[12] = (uint8_t)(who >> 16);
    handover->path.peer.port = (uint16_t)who;
    memcpy(handover->path.local.ip, handover->path.peer.ip, 16);
    handover->path.local.port = 5684;
    if ((kind & HANDOVER_CID) != 0) {
        handover->cid_size = DG_CID_SIZE_DEFAULT; // shard 0: its first byte is 0
        memcpy(handover->cid + 4, &who, sizeof who);
    }
    handover->peer_has_cid = 1;
    handover->peer_cid_size = (kind & HANDOVER_LONG_PEER_CID) != 0 ? DG_CID_PEER_MAX : 5;
    test_random_fill(random, handover->peer_cid, handover->peer_cid_size);
    test_random_fill(random, &handover->tx, sizeof handover->tx);
    test_random_fill(random, &handover->rx, sizeof handover->rx);
    test_random_fill(random, &handover->handshake_rx, sizeof handover->handshake_rx);
    handover->tx_next = 1 + test_random_below(random, 5);
    handover->rx_next = is_13 ? 0 : 1;
    handover->rx_replay.seen[0] = is_13 ? 0 : 1;
    handover->handshake_rx_next = 2;
    handover->handshake_rx_replay.seen[0] = 3;
    handover->tx_message_seq = 6;
    handover->rx_message_seq = 4;
    if ((kind & HANDOVER_FLIGHT) != 0) {
        handover->ticket_size = 200;
        message(handover->flight, random, DG_HS_NEW_SESSION_TICKET, 5, 200);
        if (!is_13) {
            handover->finished_size = DG_HANDSHAKE_HEADER + 12;
            message(handover->flight + 200, random, DG_HS_FINISHED, 6, handover->finished_size);
        }
        handover->plain_next = 7;
        handover->ticket_epoch = 3;
        handover->ticket_sequence = 0;
    }
    handover->identity_kind = DG_IDENTITY_PSK;
    handover->identity_size = (kind & HANDOVER_LONG_IDENTITY) != 0 ? 200 : 12;
    test_random_fill(random, handover->identity, handover->identity_size);
    handover->credential = test_random_next(random);
    handover->leaf = test_random_next(random);
    handover->expires_s = 2000000000;
    handover->policy_generation = 3;
}

// --- the accountant -----------------------------------------------------------

static bool is_zero(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

struct account {
    uint8_t *slot_free, *wide_free, *flight_free; // by number: is vacant
    uint8_t *wide_used, *flight_used;             // by number: how often referred to
};

static void count_place(const struct dg_shard *shard, struct account *account, uint32_t slot, uint32_t place)
{
    if (place < DG_PLACE_SIDE) {
        return;
    }
    uint32_t number = place - DG_PLACE_SIDE;
    REQUIRE(number < shard->fresh_wide);
    CHECK_EQ(shard->wides[number].owner, slot + 1);
    account->wide_used[number]++;
}

static void count_live(struct dg_shard *shard, struct account *account, uint32_t number)
{
    const struct dg_slot *slot = &shard->slots[number];
    CHECK(slot->tx_place != DG_PLACE_NONE && slot->rx_place != DG_PLACE_NONE && slot->tx_place != slot->rx_place);
    CHECK(slot->rx_old_place == DG_PLACE_NONE ||
          (slot->rx_old_place != slot->rx_place && slot->rx_old_place != slot->tx_place));
    count_place(shard, account, number, slot->tx_place);
    count_place(shard, account, number, slot->rx_place);
    count_place(shard, account, number, slot->rx_old_place);
    for (uint32_t side = slot->side; side != DG_NO_SIDE; side = shard->flights[side].next) {
        REQUIRE(side < shard->fresh_flight);
        CHECK_EQ(shard->flights[side].owner, number + 1);
        account->flight_used[side]++;
        REQUIRE(account->flight_used[side] == 1);
    }
    // It is found by its own key, and by no other.
    const struct dg_slot *found = (slot->flags & DG_SLOT_HAS_CID) != 0
                                      ? dg_shard_find_cid(shard, slot->cid)
                                      : dg_shard_find_address(shard, &slot->peer, slot->listener);
    CHECK(found == slot);
}

static void count_slots(struct dg_shard *shard, struct account *account, uint32_t *ret_live)
{
    uint32_t quarantined = 0;
    for (uint32_t number = 0; number < shard->fresh_slot; number++) {
        account->slot_free[number] = dg_vacancy_has(&shard->vacant_slots, number);
    }
    for (uint32_t number = 0; number < shard->fresh_slot; number++) {
        const struct dg_slot *slot = &shard->slots[number];
        CHECK_EQ(account->slot_free[number], slot->state == DG_SLOT_FREE);
        if (slot->state == DG_SLOT_LIVE) {
            (*ret_live)++;
            count_live(shard, account, number);
        } else if (slot->state == DG_SLOT_QUARANTINED) {
            quarantined++;
            CHECK(is_zero(slot->keysets, sizeof slot->keysets));
        } else {
            CHECK_EQ(slot->state, DG_SLOT_FREE);
            CHECK(is_zero(slot, sizeof *slot));
        }
    }
    CHECK_EQ(shard->live, *ret_live);
    CHECK_EQ(shard->quarantined, quarantined);
}

static void count_sides(const struct dg_shard *shard, struct account *account)
{
    for (uint32_t number = 0; number < shard->fresh_wide; number++) {
        account->wide_free[number] = dg_vacancy_has(&shard->vacant_wides, number);
        const struct dg_side_wide *wide = &shard->wides[number];
        CHECK_EQ(account->wide_free[number] + account->wide_used[number], 1);
        CHECK_EQ(wide->owner == 0, account->wide_free[number]);
        CHECK(wide->owner != 0 || is_zero(wide->keyset, sizeof wide->keyset));
    }
    for (uint32_t number = 0; number < shard->fresh_flight; number++) {
        account->flight_free[number] = dg_vacancy_has(&shard->vacant_flights, number);
        const struct dg_side_flight *flight = &shard->flights[number];
        CHECK_EQ(account->flight_free[number] + account->flight_used[number], 1);
        CHECK_EQ(flight->owner == 0, account->flight_free[number]);
        if (flight->owner == 0) {
            CHECK(is_zero(flight, sizeof *flight));
            CHECK_EQ(dg_timer_heap_get(&shard->timers, number), DG_NEVER);
        }
    }
}

uint32_t shard_account(struct dg_shard *shard)
{
    struct account account = {
        .slot_free = calloc(shard->fresh_slot + 1, 1),
        .wide_free = calloc(shard->fresh_wide + 1, 1),
        .flight_free = calloc(shard->fresh_flight + 1, 1),
        .wide_used = calloc(shard->fresh_wide + 1, 1),
        .flight_used = calloc(shard->fresh_flight + 1, 1),
    };
    uint32_t live = 0;
    count_slots(shard, &account, &live);
    count_sides(shard, &account);
    free(account.flight_used);
    free(account.wide_used);
    free(account.flight_free);
    free(account.wide_free);
    free(account.slot_free);
    return live;
}
