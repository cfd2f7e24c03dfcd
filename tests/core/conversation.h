// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of the engine after the handshake share: one server, one peer, and what its answers are to be.
#ifndef DG_TESTS_CONVERSATION_H
#define DG_TESTS_CONVERSATION_H

#include "check.h"
#include "core/engine_internal.h"
#include "crypto/wolf_aead.h"
#include "support/fake_peer.h"

#include <string.h>

static struct fake_server server;
static struct fake_peer peer;

static inline void start(bool has_flight, bool has_cids)
{
    const struct fake_setup setup = {.version = 13,
                                     .aead = DG_AEAD_AES_128_GCM,
                                     .has_cid = has_cids,
                                     .peer_cid_size = has_cids ? 5 : 0,
                                     .has_flight = has_flight,
                                     .who = 1};
    fake_server_start(&server, &dg_wolf_aead, NULL);
    CHECK(fake_peer_join(&peer, &server, &setup));
}

static inline struct fake_record take(void)
{
    struct fake_record record;
    size_t offset = 0;
    CHECK(fake_peer_take(&peer, &offset, &record));
    return record;
}

// The acknowledgement of exactly these records, in this order.
static inline void is_ack(const struct fake_record *record, size_t count, const struct dg_record_number *numbers)
{
    CHECK_EQ(record->type, DG_CONTENT_ACK);
    struct dg_reader reader = dg_reader_of(record->data, record->size);
    CHECK_EQ(dg_read_u16(&reader), 16 * count);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(dg_read_u64(&reader), numbers[i].epoch);
        CHECK_EQ(dg_read_u64(&reader), numbers[i].sequence);
    }
    CHECK(dg_reader_done(&reader));
}

static inline bool data_flows(void)
{
    struct fake_record record;
    size_t offset = 0;
    unsigned before = server.delivered;
    fake_server_forget(&server);
    (void)fake_peer_send(&peer, DG_CONTENT_APPLICATION_DATA, "up", 2);
    return server.delivered == before + 1 &&
           dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"down", 4) &&
           fake_peer_take(&peer, &offset, &record) && record.type == DG_CONTENT_APPLICATION_DATA && record.size == 4;
}

static inline void key_update(uint8_t request)
{
    (void)fake_peer_send_message(&peer, DG_HS_KEY_UPDATE, peer.message_seq++, &request, 1);
}

static inline void is_key_update(const struct fake_record *record, uint16_t message_seq, uint8_t request)
{
    uint8_t expected[13];
    size_t size = fake_message(DG_HS_KEY_UPDATE, message_seq, &request, 1, expected);
    CHECK_EQ(record->type, DG_CONTENT_HANDSHAKE);
    CHECK_EQ(record->size, size);
    CHECK_MEM(record->data, expected, size);
}

static inline struct dg_keyset *tx_keyset(void)
{
    struct dg_slot *slot = fake_slot(&server, peer.ref);
    if (slot->tx_place >= DG_PLACE_SIDE) {
        return (struct dg_keyset *)(void *)dg_memory_wide(&server.region.memory, peer.ref.shard,
                                                  slot->tx_place - DG_PLACE_SIDE)
            ->keyset;
    }
    return (struct dg_keyset *)(void *)(slot->keysets + (slot->tx_place == DG_PLACE_INLINE_1 ? DG_KEYSET_NARROW : 0));
}

static inline struct dg_side_flight *message_of(void)
{
    const struct dg_slot *slot = fake_slot(&server, peer.ref);
    uint32_t number = slot->side;
    while (number != DG_NO_SIDE) {
        struct dg_side_flight *flight = dg_memory_flight(&server.region.memory, peer.ref.shard, number);
        if (flight->kind == DG_FLIGHT_MESSAGE)
            return flight;
        number = flight->next;
    }
    return NULL;
}

#endif
