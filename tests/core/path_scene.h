// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of clients that move share: one server, one peer with a connection ID that speaks from several
// addresses, and what went to each of them. Never decides what is right.
#ifndef DG_TESTS_PATH_SCENE_H
#define DG_TESTS_PATH_SCENE_H

#include "check.h"
#include "core/engine_internal.h"
#include "core/path.h"
#include "crypto/wolf_aead.h"
#include "support/fake_peer.h"

#include <string.h>

enum { A, B, C, PLACES }; // addresses of the peer: A is the handshake's

static struct fake_server server;
static struct fake_peer peer;
static struct dg_path places[PLACES];

struct scene {
    uint8_t version;
    bool has_rrc, is_strict, is_basic, is_null;
    uint8_t peer_cid_size;
};

static inline void scene_start(const struct scene *scene)
{
    struct dg_engine_config config = dg_engine_config_default();
    config.address_strict = scene->is_strict;
    config.path_basic = scene->is_basic;
    const struct fake_setup setup = {.version = scene->version,
                                     .aead = DG_AEAD_AES_128_GCM,
                                     .has_cid = true,
                                     .peer_cid_size = scene->peer_cid_size,
                                     .has_rrc = scene->has_rrc,
                                     .who = 1};
    fake_server_start(&server, scene->is_null ? &dg_null_aead : &dg_wolf_aead, &config);
    CHECK(fake_peer_join(&peer, &server, &setup));
    for (unsigned i = 0; i < PLACES; i++) {
        places[i] = peer.path;
        places[i].peer.port = (uint16_t)(places[i].peer.port + 100 * i);
        places[i].peer.ip[15] = (uint8_t)(1 + i);
    }
}

static inline void scene_stop(void) { fake_server_stop(&server); }

// From now on the peer speaks from there. What it sends is counted by the caller.
static inline size_t say_from(unsigned place, uint8_t type, const void *data, size_t size)
{
    static uint8_t out[PEER_RECORD_MAX];
    peer.path = places[place];
    size_t sealed = fake_peer_seal(&peer, type, data, size, out, sizeof out);
    CHECK(fake_peer_give(&peer, out, sealed) != DG_ENGINE_UNKNOWN);
    return sealed;
}

static inline size_t data_from(unsigned place) { return say_from(place, DG_CONTENT_APPLICATION_DATA, "hello", 5); }

static inline bool answer(size_t size)
{
    static const uint8_t DATA[1200] = {'d'};
    return dg_engine_send(server.engine, server.now, peer.ref, DATA, size);
}

// PLACES: to nobody we know.
static inline unsigned place_of(const struct dg_address *address)
{
    unsigned place = 0;
    while (place < PLACES && !dg_address_equal(address, &places[place].peer))
        place++;
    return place;
}

static inline unsigned bound_to(void)
{
    const struct dg_slot *slot = fake_slot(&server, peer.ref);
    CHECK(slot != NULL);
    return slot != NULL ? place_of(&slot->peer) : PLACES;
}

// The next datagram that went out, opened: where it went, or PLACES for none.
static inline unsigned take_to(struct fake_record *record)
{
    size_t offset = 0;
    if (server.sent_count == 0)
        return PLACES;
    unsigned place = place_of(&server.sent[0].path.peer);
    CHECK(place == PLACES || dg_address_equal(&server.sent[0].path.local, &places[place].local));
    CHECK_MSG(fake_peer_take(&peer, &offset, record), "v%u null %d", peer.setup.version, server.ops == &dg_null_aead);
    return place;
}

// Where an answer goes now. Forgets what went out before.
static inline unsigned answers_go(void)
{
    struct fake_record record;
    fake_server_forget(&server);
    CHECK(answer(4));
    unsigned place = take_to(&record);
    CHECK_EQ(record.type, DG_CONTENT_APPLICATION_DATA);
    return place;
}

// The next datagram is a challenge to this place, and nothing else went out. Its cookie.
static inline uint64_t challenged(unsigned place)
{
    struct fake_record record = {0};
    CHECK_EQ(server.sent_count, 1);
    CHECK_EQ(take_to(&record), place);
    CHECK_EQ(record.type, DG_CONTENT_RETURN_ROUTABILITY_CHECK);
    CHECK_EQ(record.size, 9);
    struct dg_reader reader = dg_reader_of(record.data, record.size);
    CHECK_EQ(dg_read_u8(&reader), 0);
    return dg_read_u64(&reader);
}

enum { CHALLENGE, RESPONSE, DROP };

static inline size_t rrc_from(unsigned place, uint8_t type, uint64_t cookie)
{
    uint8_t body[9];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u8(&writer, type);
    dg_write_u64(&writer, cookie);
    return say_from(place, DG_CONTENT_RETURN_ROUTABILITY_CHECK, body, sizeof body);
}

static inline void ack_from(unsigned place, struct dg_record_number number)
{
    peer.path = places[place];
    fake_peer_ack(&peer, number.epoch, number.sequence);
}

// DTLS 1.3 without RRC: the next datagram is the KeyUpdate that asks, at this place.
static inline struct dg_record_number probed(unsigned place)
{
    struct fake_record record = {0};
    CHECK_EQ(take_to(&record), place);
    CHECK_EQ(record.type, DG_CONTENT_HANDSHAKE);
    CHECK_EQ(record.data[0], DG_HS_KEY_UPDATE);
    return (struct dg_record_number){.epoch = record.epoch, .sequence = record.sequence};
}

// What has gone to this place so far asks; all but the last acknowledgement, which is the caller's to send.
static inline struct dg_record_number almost_proven(unsigned place)
{
    for (unsigned i = 1; i < DG_PATH_PROOFS; i++) {
        ack_from(place, probed(place));
        fake_peer_next_rx(&peer);
    }
    return probed(place);
}

static inline struct dg_side_flight *path_side(void)
{
    uint32_t number = fake_slot(&server, peer.ref)->side;
    while (number != DG_NO_SIDE) {
        struct dg_side_flight *flight = dg_memory_flight(&server.region.memory, peer.ref.shard, number);
        if (flight->kind == DG_FLIGHT_PATH)
            return flight;
        number = flight->next;
    }
    return NULL;
}

// Side slots that hold an answer which may have gone where the client is no more.
static inline unsigned kept_parts(void)
{
    unsigned parts = 0;
    for (uint32_t number = fake_slot(&server, peer.ref)->side; number != DG_NO_SIDE;) {
        struct dg_side_flight *flight = dg_memory_flight(&server.region.memory, peer.ref.shard, number);
        parts += flight->kind == DG_FLIGHT_KEPT;
        number = flight->next;
    }
    return parts;
}

#endif
