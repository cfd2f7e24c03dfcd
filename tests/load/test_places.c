// SPDX-License-Identifier: GPL-3.0-or-later
// Places that we speak from: each has an address and port of its own, what comes back finds it again, and a place is
// nobody else's until it is given back.
#include "check.h"

#include "load/places.h"

#include <stdlib.h>
#include <string.h>

static struct dg_load_places places;
static const uint16_t ports[] = {40000, 40001, 40002};

static struct dg_address address_of(const char *text)
{
    struct dg_address address = {0};
    CHECK(dg_address_parse(text, &address));
    return address;
}

static bool make(uint32_t sources, uint32_t sockets)
{
    const struct dg_address server = address_of("127.0.0.1:5684"), source = address_of("127.0.0.1:0");
    return dg_load_places_init(&places, &server, &source, sources, ports, sockets);
}

DG_TEST(load_places_are_found_by_what_comes_to_them)
{
    REQUIRE(make(70000, 3));
    CHECK_EQ(places.count, 210000);
    for (uint32_t place = 0; place < places.count; place += 37) {
        const struct dg_path path = dg_load_place_path(&places, place);
        CHECK(dg_address_is_loopback(&path.local) && dg_address_can_be_peer(&path.local));
        CHECK_EQ(path.listener, place + 1);
        CHECK_EQ(path.local.port, ports[dg_load_place_socket(&places, place)]);
        CHECK_EQ(dg_load_place_find(&places, dg_load_place_socket(&places, place), &path.local), place);
    }
    const struct dg_address far = address_of("192.0.2.1:1");
    CHECK_EQ(dg_load_place_find(&places, 0, &far), DG_LOAD_NO_PLACE);
    CHECK_EQ(dg_load_place_find(&places, 3, &places.source), DG_LOAD_NO_PLACE);
    dg_load_places_clear(&places);
}

// Servers limit clients by prefix: neighbours must not share one.
DG_TEST(load_places_lie_in_networks_of_their_own)
{
    REQUIRE(make(250, 1));
    static bool seen[256];
    memset(seen, 0, sizeof seen);
    for (uint32_t place = 0; place < places.count; place++) {
        uint8_t network = dg_load_place_path(&places, place).local.ip[13];
        CHECK(!seen[network]);
        seen[network] = true;
    }
    dg_load_places_clear(&places);
}

DG_TEST(load_places_are_taken_once_and_rest_longest_first)
{
    REQUIRE(make(2, 2));
    bool taken[4] = {false};
    uint32_t first = 0;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t place = dg_load_place_take(&places, i + 10);
        REQUIRE(place < 4 && !taken[place]);
        taken[place] = true;
        first = i == 0 ? place : first;
        CHECK_EQ(dg_load_place_who(&places, place), i + 10);
    }
    CHECK_EQ(dg_load_place_take(&places, 1), DG_LOAD_NO_PLACE);
    dg_load_place_hold(&places, first);
    CHECK_EQ(dg_load_place_who(&places, first), DG_LOAD_NOBODY);
    CHECK_EQ(dg_load_place_take(&places, 1), DG_LOAD_NO_PLACE);
    dg_load_place_give_back(&places, first);
    CHECK_EQ(dg_load_place_take(&places, 1), first);
    dg_load_places_clear(&places);
}

DG_TEST(load_places_too_many_are_refused)
{
    CHECK(!make(DG_LOAD_SOURCES_MAX + 1, 1));
    CHECK(!make(0, 1));
    CHECK(!make(1, 0));
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(load_places_are_found_by_what_comes_to_them),
        DG_CASE(load_places_lie_in_networks_of_their_own),
        DG_CASE(load_places_are_taken_once_and_rest_longest_first),
        DG_CASE(load_places_too_many_are_refused),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
