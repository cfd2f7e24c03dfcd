// SPDX-License-Identifier: GPL-3.0-or-later
// The places that we speak from: each is a source address and port of ours, a socket's port with one of several source
// addresses. One handshake at a time is at a place, and an association without connection ID has its place for itself;
// those with one share. Only arithmetic and a queue of free places: owns no socket.
#ifndef DG_LOAD_PLACES_H
#define DG_LOAD_PLACES_H

#include "base/attributes.h"
#include "core/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_LOAD_NO_PLACE UINT32_MAX
#define DG_LOAD_NOBODY UINT32_MAX
#define DG_LOAD_SOURCES_MAX (UINT32_C(1) << 22)

struct dg_load_places {
    struct dg_address server;
    struct dg_address source;  // where there is only one: the address that leads to the server
    uint32_t sources;          // above 1: all in 127/8
    const uint16_t *ports;     // of the sockets; the caller's
    uint32_t sockets;
    uint32_t count;            // sockets * sources
    uint32_t *free_ring;       // places for handshakes, the one that rested longest first
    uint32_t free_first, free_count;
    uint32_t *holders;         // by place: who has it for itself, + 1; 0: nobody
};

// False: memory is short, or there would be more than 2^24 places.
DG_MUST_USE bool dg_load_places_init(struct dg_load_places *places, const struct dg_address *server,
                                     const struct dg_address *source, uint32_t sources, const uint16_t *ports,
                                     uint32_t sockets);
void dg_load_places_clear(struct dg_load_places *places);

// A place for oneself. DG_LOAD_NO_PLACE: none is left.
uint32_t dg_load_place_take(struct dg_load_places *places, uint32_t who);
// From now on nobody's in particular and not to be taken: an association without connection ID stays there.
void dg_load_place_hold(struct dg_load_places *places, uint32_t place);
void dg_load_place_give_back(struct dg_load_places *places, uint32_t place);
uint32_t dg_load_place_who(const struct dg_load_places *places, uint32_t place); // DG_LOAD_NOBODY: nobody, or held

// The path from a place to the server; listener: place + 1, so that associations without connection ID differ by it.
struct dg_path dg_load_place_path(const struct dg_load_places *places, uint32_t place);
// The place that a datagram came to. DG_LOAD_NO_PLACE: none of ours.
uint32_t dg_load_place_find(const struct dg_load_places *places, uint32_t socket, const struct dg_address *local);
static inline uint32_t dg_load_place_socket(const struct dg_load_places *places, uint32_t place)
{
    return place / places->sources;
}

#endif
