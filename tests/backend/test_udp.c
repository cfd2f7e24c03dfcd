// SPDX-License-Identifier: GPL-3.0-or-later
// The UDP backend against a real service on loopback, under a virtual clock. Associations here are only
// their ids: each says its id to the service, and an answer says for whom it is.
#include "udp_scene.h"

#include <dirent.h>
#include <sys/resource.h>

// 3,000 associations that live shortly, six at a time, one after the other by `interval`. The service answers
// each only when it has closed and others have come: three intervals late.
static struct fixture *late_answers(struct dg_port_range ports, dg_time quarantine, dg_time interval)
{
    enum { LIVES = 3000, AT_ONCE = 6, LATE_BY = 9 };
    struct fixture *fixture = fixture_new("127.0.0.1");
    fixture->config.ports = ports;
    fixture->config.quarantine = quarantine;
    static struct request requests[LIVES];
    memset(requests, 0, sizeof requests);
    if (!backend_make(fixture)) {
        return fixture;
    }
    for (uint32_t i = 0; i < LIVES + LATE_BY; i++) {
        dg_time now = DG_SECOND + i * interval;
        if (i < LIVES) {
            say(fixture, now, i);
            // Without a port it said nothing.
            if (fixture->port[i] != 0 && !service_hear(fixture->service, &requests[i])) {
                CHECK_MSG(false, "association %u was not heard", i);
                return fixture;
            }
        }
        if (i >= AT_ONCE && i - AT_ONCE < LIVES) {
            end(fixture, now, i - AT_ONCE);
        }
        if (i >= LATE_BY && requests[i - LATE_BY].id != 0) {
            service_answer(fixture->service, &requests[i - LATE_BY]);
        }
        serve(fixture, now);
    }
    return fixture;
}

static unsigned answers_in_all(const struct fixture *fixture)
{
    unsigned answers = 0;
    for (size_t i = 0; i < ASSOCIATIONS_MAX; i++) {
        answers += fixture->answers[i];
    }
    return answers;
}

DG_TEST(udp_backend_late_answers_reach_no_other_client)
{
    struct dg_backend_udp_config usual = dg_backend_udp_config_default();
    struct fixture *fixture = late_answers(usual.ports, usual.quarantine, 10 * DG_MILLISECOND);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 0);
    CHECK_EQ(answers_in_all(fixture), 0); // every one came too late
    fixture_free(fixture);
}

// So few ports that each would be wanted again before its late answer came.
DG_TEST(udp_backend_late_answers_are_kept_off_by_quarantine_where_ports_are_few)
{
    struct fixture *fixture = late_answers(small_range(8), 300 * DG_SECOND, DG_MINUTE);
    CHECK(count_of(fixture, DG_COUNT_BACKEND_NO_PORT) > 0);
    CHECK(count_of(fixture, DG_COUNT_BACKEND_NO_PORT) < 2500);
    CHECK_EQ(fixture->wrong, 0);
    CHECK_EQ(answers_in_all(fixture), 0);
    fixture_free(fixture);
}

// The same without rest: what the tests above would see if ports were used again at once.
DG_TEST(udp_backend_late_answers_would_go_astray_without_quarantine)
{
    struct fixture *fixture = late_answers(small_range(8), 0, DG_MINUTE);
    CHECK_MSG(fixture->wrong > 100, "%u went astray", fixture->wrong);
    fixture_free(fixture);
}

static void answers_find_their_way(const char *host)
{
    enum { COUNT = 500 };
    struct test_random random = {.state = dg_test_seed()};
    struct fixture *fixture = fixture_new(host);
    REQUIRE(fixture->service >= 0);
    REQUIRE(backend_make(fixture));
    unsigned expected[COUNT] = {0};
    for (int round = 0; round < 5000; round++) {
        uint32_t number = (uint32_t)test_random_below(&random, COUNT);
        struct request request;
        say(fixture, DG_SECOND, number);
        REQUIRE(service_hear(fixture->service, &request));
        struct dg_address from;
        REQUIRE(dg_sockaddr_to(&request.from, request.from_size, &from));
        CHECK_EQ(request.id, ref_of(number).id);
        CHECK_EQ(from.port, fixture->port[number]);
        unsigned times = (unsigned)test_random_below(&random, 12);
        for (unsigned i = 0; i < times; i++) {
            service_answer(fixture->service, &request);
        }
        expected[number] += times;
        if (round % 8 == 0) {
            serve(fixture, DG_SECOND);
        }
    }
    serve(fixture, DG_SECOND);
    CHECK_EQ(fixture->wrong, 0);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_EQ(fixture->answers[i], expected[i]);
    }
    fixture_free(fixture);
}

// Several answers to one plaintext, and then single ones again: how many are read at once follows, and none is left.
DG_TEST(udp_backend_reads_all_answers_however_many_come_together)
{
    static const unsigned together[] = {1, 1, 2, 8, 9, 40, 3, 1, 0, 17, 1};
    struct fixture *fixture = fixture_new("127.0.0.1");
    REQUIRE(backend_make(fixture));
    unsigned expected = 0;
    for (size_t i = 0; i < sizeof together / sizeof together[0]; i++) {
        struct request request;
        say(fixture, DG_SECOND + i, 5);
        REQUIRE(service_hear(fixture->service, &request));
        for (unsigned k = 0; k < together[i]; k++) {
            service_answer(fixture->service, &request);
        }
        serve(fixture, DG_SECOND + i);
        expected += together[i];
        CHECK_EQ(fixture->answers[5], expected);
    }
    fixture_free(fixture);
}

DG_TEST(udp_backend_answers_reach_their_association) { answers_find_their_way("127.0.0.1"); }
DG_TEST(udp_backend_answers_reach_their_association_ipv6) { answers_find_their_way("[::1]"); }

DG_TEST(udp_backend_without_a_free_port_drops_and_counts)
{
    struct fixture *fixture = fixture_new("127.0.0.1");
    fixture->config.ports = small_range(4);
    REQUIRE(backend_make(fixture));
    dg_time now = DG_SECOND;
    size_t talking = 0;
    for (uint32_t i = 0; i < 5; i++) {
        say(fixture, now, i);
    }
    talking = dg_backend_udp_talking(&fixture->backend);
    CHECK(talking >= 1 && talking <= 4); // fewer where others use a port of the range
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 5 - talking);

    end(fixture, now, 0);
    say(fixture, now + 299 * DG_SECOND, 5);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 6 - talking);
    say(fixture, now + 300 * DG_SECOND, 5);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 6 - talking);
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), talking);
    fixture_free(fixture);
}

DG_TEST(udp_backend_takes_the_socket_of_the_longest_silent_after_the_hold_time)
{
    struct fixture *fixture = fixture_new("127.0.0.1");
    fixture->config.sockets_max = 3;
    fixture->config.hold = DG_HOUR;
    REQUIRE(backend_make(fixture));
    say(fixture, 1 * DG_SECOND, 0);
    say(fixture, 2 * DG_SECOND, 1);
    say(fixture, 3 * DG_SECOND, 2);
    say(fixture, 4 * DG_SECOND, 0); // 1 is now the longest silent
    dg_time now = DG_HOUR + 2 * DG_SECOND;
    say(fixture, now - 1, 3);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 1);
    CHECK(fixture->port[1] != 0);
    say(fixture, now, 3);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 1);
    CHECK_EQ(fixture->port[1], 0); // told that it has none any more
    CHECK(fixture->port[3] != 0);
    CHECK(fixture->port[0] != 0 && fixture->port[2] != 0);
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 3);
    fixture_free(fixture);
}

DG_TEST(udp_backend_passes_over_ports_that_others_use)
{
    struct fixture *fixture = fixture_new("127.0.0.1");
    fixture->config.ports = small_range(12);
    int others[6];
    for (size_t i = 0; i < 6; i++) {
        struct dg_address ignored;
        others[i] = service_open("127.0.0.1", (uint16_t)(fixture->config.ports.first + 2 * i), &ignored);
    }
    REQUIRE(backend_make(fixture));
    for (uint32_t i = 0; i < 4; i++) {
        say(fixture, DG_SECOND, i);
        CHECK(fixture->port[i] != 0);
        CHECK_EQ((fixture->port[i] - fixture->config.ports.first) % 2, 1);
    }
    for (size_t i = 0; i < 6; i++) {
        if (others[i] >= 0) {
            close(others[i]);
        }
    }
    fixture_free(fixture);
}

// Nobody listens, then somebody does: nothing but the datagrams of between is lost, and it is said once, as is its end.
DG_TEST(udp_backend_recovers_when_the_service_comes_back)
{
    struct fixture *fixture = fixture_new("127.0.0.1");
    REQUIRE(backend_make(fixture));
    struct request request;
    say(fixture, DG_SECOND, 7);
    CHECK(service_hear(fixture->service, &request));
    uint16_t port = fixture->port[7];

    close(fixture->service); // the service ends
    for (int i = 0; i < 20; i++) {
        say(fixture, DG_SECOND, 7);
        serve(fixture, DG_SECOND);
    }
    CHECK(count_of(fixture, DG_COUNT_BACKEND_UNREACHABLE) >= 15);
    say(fixture, DG_SECOND, 7); // leaves an error behind on the socket

    struct dg_address address;
    fixture->service = service_open("127.0.0.1", fixture->config.target.port, &address);
    REQUIRE(fixture->service >= 0);
    say(fixture, DG_SECOND, 7); // the error of the one before must not cost this one
    REQUIRE(service_hear(fixture->service, &request));
    service_answer(fixture->service, &request);
    serve(fixture, DG_SECOND);
    CHECK_EQ(fixture->answers[7], 1);
    CHECK_EQ(fixture->port[7], port);

    CHECK_EQ(fixture->troubles, 1);
    CHECK_EQ(fixture->over, 1);
    fixture_free(fixture);
}

DG_TEST(udp_backend_socket_hears_the_service_only)
{
    struct fixture *fixture = fixture_new("127.0.0.1");
    REQUIRE(backend_make(fixture));
    struct request request;
    say(fixture, DG_SECOND, 9);
    REQUIRE(service_hear(fixture->service, &request));
    struct dg_address address;
    int stranger = service_open("127.0.0.1", 0, &address);
    service_answer(stranger, &request);
    serve(fixture, DG_SECOND);
    CHECK_EQ(fixture->answers[9], 0);
    service_answer(fixture->service, &request);
    serve(fixture, DG_SECOND);
    CHECK_EQ(fixture->answers[9], 1);
    close(stranger);
    fixture_free(fixture);
}

// The answer itself may end the association, in the middle of a batch.
DG_TEST(udp_backend_association_that_ends_while_it_is_answered)
{
    struct fixture *fixture = fixture_new("127.0.0.1");
    REQUIRE(backend_make(fixture));
    fixture->close_on_answer = true;
    for (uint32_t i = 0; i < 20; i++) {
        struct request request;
        say(fixture, DG_SECOND, i);
        REQUIRE(service_hear(fixture->service, &request));
        for (int times = 0; times < 20; times++) {
            service_answer(fixture->service, &request);
        }
    }
    serve(fixture, DG_SECOND);
    CHECK_EQ(fixture->wrong, 0);
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 0);
    fixture_free(fixture);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count;
}

// The limit of open files, or a network that is down: what failed before anything was sent costs no port its rest.
DG_TEST(udp_backend_recovers_when_sockets_can_be_had_again)
{
    struct fixture *fixture = fixture_new("127.0.0.1");
    fixture->config.ports = small_range(4);
    fixture->config.quarantine = 300 * DG_SECOND;
    REQUIRE(backend_make(fixture));
    struct rlimit before, none;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 0;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    for (uint32_t i = 0; i < 20; i++)
        say(fixture, DG_SECOND, i);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 20);
    say(fixture, 2 * DG_SECOND, 0);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 20);
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 1);
    fixture_free(fixture);
}

// A network that refuses the way (a broadcast address, or a route that prohibits it) is not a port that others use: no port
// rests for it, and who held one from before this process keeps it.
DG_TEST(udp_backend_network_that_refuses_costs_no_port)
{
    static _Atomic uint64_t words[65536];
    struct fixture *fixture = fixture_new("127.0.0.1");
    fixture->has_slots = true;
    fixture->config.ports = small_range(40);
    fixture->config.book.words = words;
    memset(fixture->config.target.ip + 13, 255, 3); // 127.255.255.255
    uint16_t held = fixture->config.ports.first;
    fixture->port[7] = held;
    dg_port_book_use(fixture->config.book, held, ref_of(7).shard, ref_of(7).slot);
    REQUIRE(backend_make(fixture));
    for (uint32_t i = 0; i < 20; i++) {
        say(fixture, DG_SECOND, i);
    }
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_NO_PORT), 20);
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 0);
    CHECK_EQ(fixture->port[7], held);
    for (uint32_t port = held; port <= fixture->config.ports.last; port++) {
        uint64_t expected = port == held ? dg_port_word(ref_of(7).shard, ref_of(7).slot) : 0;
        CHECK_EQ(dg_port_book_read(fixture->config.book, (uint16_t)port), expected);
    }
    fixture_free(fixture);
}

DG_TEST(udp_backend_leaves_no_descriptor_behind)
{
    size_t before = open_descriptors();
    for (int round = 0; round < 3; round++) {
        struct fixture *fixture = fixture_new("127.0.0.1");
        REQUIRE(backend_make(fixture));
        for (uint32_t i = 0; i < 100; i++) {
            say(fixture, DG_SECOND, i);
        }
        for (uint32_t i = 0; i < 50; i++) {
            end(fixture, DG_SECOND, i);
            end(fixture, DG_SECOND, i); // of one that has none: nothing
        }
        CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 50);
        fixture_free(fixture);
    }
    CHECK_EQ(open_descriptors(), before);
}

// A process that dies between the two stores of a port's end leaves a slot that names a port which rests. Were it opened
// again, it would be in use and among those that are to be given out.
DG_TEST(udp_backend_port_that_rests_is_not_opened_again_for_who_held_it)
{
    static _Atomic uint64_t book[65536];
    memset(book, 0, sizeof book);
    struct fixture *fixture = fixture_new("127.0.0.1");
    fixture->config.ports = small_range(40);
    fixture->config.book.words = book;
    fixture->has_slots = true;
    REQUIRE(backend_make(fixture));
    say(fixture, DG_SECOND, 1);
    uint16_t held = fixture->port[1];
    CHECK(held != 0 && dg_port_is_in_use(book[held]));
    fixture->backend.ops->free(fixture->backend.self); // killed
    REQUIRE(backend_make(fixture));
    say(fixture, 2 * DG_SECOND, 1); // still its own
    CHECK_EQ(fixture->port[1], held);
    end(fixture, 3 * DG_SECOND, 1); // the book is told, the slot is not
    CHECK(!dg_port_is_in_use(book[held]));
    CHECK_EQ(fixture->port[1], held);
    fixture->backend.ops->free(fixture->backend.self); // killed
    REQUIRE(backend_make(fixture));
    say(fixture, 4 * DG_SECOND, 1);
    CHECK(fixture->port[1] != held && fixture->port[1] != 0);
    CHECK(!dg_port_is_in_use(book[held]));
    fixture_free(fixture);
}

DG_TEST(udp_backend_beyond_loopback_takes_an_explicit_word)
{
    struct fixture fixture = {.config = dg_backend_udp_config_default(), .service = -1};
    REQUIRE(dg_address_parse("192.0.2.1:5683", &fixture.config.target));
    CHECK(!backend_make(&fixture));
    fixture.config.allow_beyond_loopback = true;
    REQUIRE(backend_make(&fixture));
    fixture.backend.ops->free(fixture.backend.self);
}

DG_TEST(udp_backend_address_is_read_or_explained)
{
    static const char *const bad[] = {"",      "5683",         "localhost",        ":5683", "localhost:",
                                      "x:0",   "127.0.0.1:99999", "127.0.0.1:56 83", "[::1]", "host:port",
                                      "nothing.invalid:1"};
    struct dg_address address;
    char error[256];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error[0] = '\0';
        CHECK_MSG(!dg_backend_udp_resolve(bad[i], &address, error, sizeof error), "%s", bad[i]);
        CHECK_MSG(strstr(error, "udp:") != NULL, "%s: %s", bad[i], error);
    }
    REQUIRE(dg_backend_udp_resolve("127.0.0.1:5683", &address, error, sizeof error));
    CHECK_EQ(address.port, 5683);
    REQUIRE(dg_backend_udp_resolve("[::1]:5683", &address, error, sizeof error));
    CHECK(dg_address_is_loopback(&address));
    REQUIRE(dg_backend_udp_resolve("localhost:5683", &address, error, sizeof error));
    CHECK(dg_address_is_loopback(&address));
    CHECK_EQ(address.port, 5683);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(udp_backend_late_answers_reach_no_other_client),
        DG_CASE(udp_backend_late_answers_are_kept_off_by_quarantine_where_ports_are_few),
        DG_CASE(udp_backend_late_answers_would_go_astray_without_quarantine),
        DG_CASE(udp_backend_reads_all_answers_however_many_come_together),
        DG_CASE(udp_backend_answers_reach_their_association),
        DG_CASE(udp_backend_answers_reach_their_association_ipv6),
        DG_CASE(udp_backend_without_a_free_port_drops_and_counts),
        DG_CASE(udp_backend_takes_the_socket_of_the_longest_silent_after_the_hold_time),
        DG_CASE(udp_backend_passes_over_ports_that_others_use),
        DG_CASE(udp_backend_recovers_when_the_service_comes_back),
        DG_CASE(udp_backend_socket_hears_the_service_only),
        DG_CASE(udp_backend_association_that_ends_while_it_is_answered),
        DG_CASE(udp_backend_recovers_when_sockets_can_be_had_again),
        DG_CASE(udp_backend_network_that_refuses_costs_no_port),
        DG_CASE(udp_backend_leaves_no_descriptor_behind),
        DG_CASE(udp_backend_port_that_rests_is_not_opened_again_for_who_held_it),
        DG_CASE(udp_backend_beyond_loopback_takes_an_explicit_word),
        DG_CASE(udp_backend_address_is_read_or_explained),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
