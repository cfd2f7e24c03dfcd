// SPDX-License-Identifier: GPL-3.0-or-later
// Places by number: socket * sources + source. Source addresses of neighbouring numbers lie in networks of their own
// (their order is that of the number's bytes turned round), as clients' do whom a server limits by prefix.
#include "load/places.h"

#include <stdlib.h>

#define PLACES_MAX (UINT32_C(1) << 24)
#define HELD UINT32_MAX
#define FIRST_HOST 1 // 127.1.0.0: 127.0/16 is left to others but for 127.0.0.1, should it come round

static uint32_t turned(uint32_t number) // of 24 bits
{
    return (number & 0xff) << 16 | (number & 0xff00) | (number >> 16 & 0xff);
}

bool dg_load_places_init(struct dg_load_places *places, const struct dg_address *server,
                         const struct dg_address *source, uint32_t sources, const uint16_t *ports, uint32_t sockets)
{
    *places = (struct dg_load_places){
        .server = *server, .source = *source, .sources = sources, .ports = ports, .sockets = sockets};
    if (sources == 0 || sockets == 0 || sources > DG_LOAD_SOURCES_MAX || sockets > PLACES_MAX / sources)
        return false;
    places->count = sources * sockets;
    places->free_ring = calloc(places->count, sizeof *places->free_ring);
    places->holders = calloc(places->count, sizeof *places->holders);
    if (!places->free_ring || !places->holders) {
        dg_load_places_clear(places);
        return false;
    }
    // Source by source, each over all sockets: what is used first is spread over the sockets.
    for (uint32_t i = 0; i < places->count; i++)
        places->free_ring[i] = i % sockets * sources + i / sockets;
    places->free_count = places->count;
    return true;
}

void dg_load_places_clear(struct dg_load_places *places)
{
    free(places->free_ring);
    free(places->holders);
    places->free_ring = places->holders = NULL;
    places->count = places->free_count = 0;
}

uint32_t dg_load_place_take(struct dg_load_places *places, uint32_t who)
{
    if (places->free_count == 0)
        return DG_LOAD_NO_PLACE;
    uint32_t place = places->free_ring[places->free_first];
    places->free_first = (places->free_first + 1) % places->count;
    places->free_count--;
    places->holders[place] = who + 1;
    return place;
}

void dg_load_place_give_back(struct dg_load_places *places, uint32_t place)
{
    DG_BUG_UNLESS(places->holders[place] != 0);
    places->holders[place] = 0;
    places->free_ring[(places->free_first + places->free_count) % places->count] = place;
    places->free_count++;
}

void dg_load_place_hold(struct dg_load_places *places, uint32_t place)
{
    places->holders[place] = HELD;
}

uint32_t dg_load_place_who(const struct dg_load_places *places, uint32_t place)
{
    uint32_t holder = places->holders[place];
    return holder == HELD ? DG_LOAD_NOBODY : holder - 1;
}

struct dg_path dg_load_place_path(const struct dg_load_places *places, uint32_t place)
{
    struct dg_path path = {
        .peer = places->server, .local = places->source, .listener = (uint64_t)place + 1};
    path.local.port = places->ports[dg_load_place_socket(places, place)];
    if (places->sources > 1) {
        uint32_t host = turned(FIRST_HOST + place % places->sources);
        path.local.ip[12] = 127;
        path.local.ip[13] = (uint8_t)(host >> 16);
        path.local.ip[14] = (uint8_t)(host >> 8);
        path.local.ip[15] = (uint8_t)host;
    }
    return path;
}

uint32_t dg_load_place_find(const struct dg_load_places *places, uint32_t socket, const struct dg_address *local)
{
    if (socket >= places->sockets)
        return DG_LOAD_NO_PLACE;
    if (places->sources == 1)
        return socket;
    uint32_t host = (uint32_t)local->ip[13] << 16 | (uint32_t)local->ip[14] << 8 | local->ip[15];
    uint32_t source = turned(host) - FIRST_HOST;
    if (!dg_address_is_ipv4(local) || local->ip[12] != 127 || source >= places->sources)
        return DG_LOAD_NO_PLACE;
    return socket * places->sources + source;
}
