// SPDX-License-Identifier: GPL-3.0-or-later
// The proxy backends against services on this host, under a virtual clock: what arrives, in which order, what a full queue
// does, and how often trouble is told.
#include "backend/proxy.h"
#include "backend/proxy_header.h"
#include "check.h"
#include "core/wire_constants.h"
#include "io/sockaddr.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ENDED 666 // an association that is no more

struct fixture {
    struct dg_backend backend;
    struct dg_backend_proxy_config config;
    struct dg_counters counters;
    char folder[64];
    int service;
    struct dg_backend_subject subject;
    unsigned routed;
    struct dg_ref last;
    uint8_t answer[DG_PLAINTEXT_MAX];
    size_t answer_size;
    unsigned troubles, over;
    uint64_t unsaid;
};

static void on_route(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct fixture *fixture = context;
    (void)now;
    fixture->routed++;
    fixture->last = ref;
    fixture->answer_size = size;
    memcpy(fixture->answer, data, size);
}

static bool on_describe(void *context, struct dg_ref ref, struct dg_backend_subject *ret)
{
    const struct fixture *fixture = context;
    *ret = fixture->subject;
    return ref.id != ENDED;
}

static void on_trouble(void *context, dg_time now, const struct dg_backend_trouble *trouble)
{
    struct fixture *fixture = context;
    (void)now;
    fixture->troubles += !trouble->is_over;
    fixture->over += trouble->is_over;
    fixture->unsaid += trouble->unsaid;
}

static bool service_open(struct fixture *fixture)
{
    if (fixture->config.is_unix) {
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        memcpy(name.sun_path, fixture->config.path, sizeof name.sun_path);
        (void)unlink(fixture->config.path);
        fixture->service = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return bind(fixture->service, (struct sockaddr *)&name, sizeof name) == 0;
    }
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, &fixture->config.target);
    fixture->service = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return bind(fixture->service, &name.any, size) == 0 && getsockname(fixture->service, &name.any, &size) == 0 &&
           dg_sockaddr_to(&name, size, &fixture->config.target);
}

static struct fixture *fixture_new(bool is_unix, bool with_service)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char error[256];
    if (fixture == NULL)
        abort();
    fixture->service = -1;
    fixture->config.is_unix = is_unix;
    strcpy(fixture->folder, "/tmp/dtlsgate-proxy-XXXXXX");
    CHECK(mkdtemp(fixture->folder) != NULL);
    snprintf(fixture->config.path, sizeof fixture->config.path, "%s/service", fixture->folder);
    CHECK(dg_address_parse("127.0.0.1:0", &fixture->config.target));
    fixture->subject = (struct dg_backend_subject){.listener = "", .suite_name = "", .version = 13};
    CHECK(dg_address_parse("192.0.2.1:1000", &fixture->subject.peer));
    CHECK(dg_address_parse("192.0.2.2:5684", &fixture->subject.local));
    CHECK(!with_service || service_open(fixture));
    const struct dg_backend_sink sink = {
        .context = fixture, .route = on_route, .describe = on_describe, .trouble = on_trouble};
    fixture->backend = dg_backend_proxy_new(&fixture->config, &sink, &fixture->counters, error, sizeof error);
    CHECK(fixture->backend.self != NULL);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    fixture->backend.ops->free(fixture->backend.self);
    if (fixture->service >= 0)
        close(fixture->service);
    (void)unlink(fixture->config.path);
    (void)rmdir(fixture->folder);
    free(fixture);
}

static uint64_t count_of(const struct fixture *fixture, enum dg_counter counter)
{
    return dg_counter_read(&fixture->counters, counter);
}

static struct dg_ref ref_of(uint64_t id) { return (struct dg_ref){.id = id, .shard = 7, .slot = (uint32_t)id}; }

static void say(struct fixture *fixture, dg_time now, uint64_t id, const void *data, size_t size)
{
    fixture->backend.ops->deliver(fixture->backend.self, now, ref_of(id), data, size);
}

static void flush(struct fixture *fixture, dg_time now) { fixture->backend.ops->flush(fixture->backend.self, now); }

// One datagram of the service's; 0: none is there.
static size_t hear(struct fixture *fixture, uint8_t *out, size_t room, struct dg_ref *ret_ref, struct dg_bytes *ret_payload)
{
    ssize_t got = recv(fixture->service, out, room, MSG_DONTWAIT);
    if (got <= 0)
        return 0;
    CHECK(dg_proxy_read((struct dg_bytes){out, (size_t)got}, ret_ref, ret_payload));
    return (size_t)got;
}

static void serve(struct fixture *fixture, dg_time now)
{
    struct pollfd polled = {.fd = fixture->backend.ops->descriptor(fixture->backend.self), .events = POLLIN};
    for (int i = 0; i < 100 && poll(&polled, 1, 0) == 1; i++)
        fixture->backend.ops->ready(fixture->backend.self, now);
}

// Any number at once, each in its turn, whole; the largest plaintext too.
static void everything_arrives_in_order(bool is_unix)
{
    enum { MESSAGES = 5000 };
    struct fixture *fixture = fixture_new(is_unix, true);
    static uint8_t large[DG_PLAINTEXT_MAX], heard[2 * DG_PLAINTEXT_MAX];
    memset(large, 'x', sizeof large);
    struct dg_ref ref;
    struct dg_bytes payload;
    uint32_t next = 0;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        size_t size = i % 100 == 99 ? sizeof large : i % 64 + sizeof i;
        memcpy(large, &i, sizeof i);
        say(fixture, DG_SECOND, 1 + i % 50, large, size);
        if (i % 7 != 0)
            continue;
        flush(fixture, DG_SECOND);
        serve(fixture, DG_SECOND); // where the service's queue was full
        while (hear(fixture, heard, sizeof heard, &ref, &payload) > 0) {
            uint32_t number;
            memcpy(&number, payload.data, sizeof number);
            CHECK_EQ(number, next);
            CHECK_EQ(ref.id, 1 + next % 50);
            CHECK_EQ(payload.size, next % 100 == 99 ? sizeof large : next % 64 + sizeof next);
            next++;
        }
    }
    CHECK(next > MESSAGES - 100);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_FULL) + count_of(fixture, DG_COUNT_BACKEND_SEND_ERROR), 0);
    fixture_free(fixture);
}

DG_TEST(proxy_udp_everything_arrives_in_order) { everything_arrives_in_order(false); }
DG_TEST(proxy_unix_everything_arrives_in_order) { everything_arrives_in_order(true); }

// What is not taken is kept up to a bound, in order; above it the newest are dropped, and each is counted.
DG_TEST(proxy_queue_is_bounded_and_keeps_its_order)
{
    enum { MESSAGES = 20000 };
    struct fixture *fixture = fixture_new(true, true);
    static uint8_t heard[2048];
    uint8_t text[400] = {0};
    for (uint32_t i = 0; i < MESSAGES; i++) {
        memcpy(text, &i, sizeof i);
        say(fixture, DG_SECOND, 1, text, sizeof text);
        flush(fixture, DG_SECOND);
    }
    uint64_t dropped = count_of(fixture, DG_COUNT_BACKEND_FULL);
    CHECK(dropped > MESSAGES / 2 && dropped < MESSAGES);
    CHECK_EQ(fixture->troubles, 1);
    struct dg_ref ref;
    struct dg_bytes payload;
    uint32_t count = 0;
    for (;;) {
        if (hear(fixture, heard, sizeof heard, &ref, &payload) == 0) {
            serve(fixture, DG_SECOND); // it is told that there is room
            if (hear(fixture, heard, sizeof heard, &ref, &payload) == 0)
                break;
        }
        uint32_t number;
        memcpy(&number, payload.data, sizeof number);
        CHECK_EQ(number, count); // the oldest were kept
        count++;
    }
    CHECK_EQ(count + dropped, MESSAGES);
    CHECK_EQ(fixture->over, 1);
    say(fixture, DG_SECOND, 1, "x", 1);
    flush(fixture, DG_SECOND);
    CHECK(hear(fixture, heard, sizeof heard, &ref, &payload) > 0);
    fixture_free(fixture);
}

// A service that reads slowly, with the queue at its brim all the time: what the read ones left is used again, the order holds,
// and each datagram is heard or counted.
DG_TEST(proxy_queue_uses_its_room_again_while_it_is_full)
{
    enum { TURNS = 6000, A_TURN = 3, READ_A_TURN = 2 };
    struct fixture *fixture = fixture_new(true, true);
    static uint8_t heard[2048];
    uint8_t text[400];
    struct dg_ref ref;
    struct dg_bytes payload;
    uint32_t said = 0, count = 0, last = 0;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < A_TURN; i++) {
            said++;
            memset(text, (int)(said & 0xff), sizeof text);
            memcpy(text, &said, sizeof said);
            say(fixture, DG_SECOND, ENDED + said, text, sizeof text - said % 100);
        }
        flush(fixture, DG_SECOND);
        for (int i = 0; i < READ_A_TURN || turn + 1 == TURNS; i++) {
            serve(fixture, DG_SECOND);
            if (hear(fixture, heard, sizeof heard, &ref, &payload) == 0)
                break;
            uint32_t number;
            memcpy(&number, payload.data, sizeof number);
            CHECK_EQ(ref.id, ENDED + number);
            CHECK(number > last && payload.size == sizeof text - number % 100);
            CHECK_EQ(payload.data[payload.size - 1], number & 0xff);
            last = number;
            count++;
        }
    }
    CHECK_EQ(count + count_of(fixture, DG_COUNT_BACKEND_FULL), said);
    CHECK(count > TURNS * READ_A_TURN + 700); // it was nearly full to the end
    fixture_free(fixture);
}

// Ten seconds of drops are one line, the next tells how many were left out; the look for the service is limited too.
DG_TEST(proxy_service_that_is_away_is_told_at_a_limited_rate)
{
    struct fixture *fixture = fixture_new(true, false);
    for (unsigned i = 0; i < 2500; i++) { // for 25 seconds
        say(fixture, DG_SECOND + i * 10 * DG_MILLISECOND, 1, "x", 1);
        flush(fixture, DG_SECOND + i * 10 * DG_MILLISECOND);
    }
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_ABSENT), 2500);
    CHECK_EQ(fixture->troubles, 3);
    CHECK(fixture->unsaid > 100 && fixture->unsaid < 300); // ten looks a second
    CHECK_EQ(fixture->over, 0);
    REQUIRE(service_open(fixture));
    uint8_t heard[512];
    struct dg_ref ref;
    struct dg_bytes payload;
    say(fixture, DG_MINUTE, 1, "x", 1);
    flush(fixture, DG_MINUTE);
    CHECK(hear(fixture, heard, sizeof heard, &ref, &payload) > 0);
    CHECK_EQ(fixture->over, 1);
    fixture_free(fixture);
}

// A service that was started again has its path back before it is missed: nothing is lost.
DG_TEST(proxy_unix_service_that_was_replaced_gets_the_next_plaintext)
{
    struct fixture *fixture = fixture_new(true, true);
    uint8_t heard[512];
    struct dg_ref ref;
    struct dg_bytes payload;
    for (unsigned round = 0; round < 20; round++) {
        say(fixture, DG_SECOND, 1 + round, "x", 1);
        flush(fixture, DG_SECOND);
        CHECK(hear(fixture, heard, sizeof heard, &ref, &payload) > 0 && ref.id == 1 + round);
        close(fixture->service);
        REQUIRE(service_open(fixture));
    }
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_ABSENT), 0);
    CHECK_EQ(fixture->troubles, 0);
    fixture_free(fixture);
}

// So much in one turn that the queue has to go out in the middle of it, to a service that has gone meanwhile.
DG_TEST(proxy_unix_service_that_goes_in_the_middle_of_a_turn_is_absent)
{
    static uint8_t text[DG_PLAINTEXT_MAX];
    struct fixture *fixture = fixture_new(true, true);
    say(fixture, DG_SECOND, 1, "x", 1);
    flush(fixture, DG_SECOND);
    close(fixture->service);
    fixture->service = -1;
    CHECK(unlink(fixture->config.path) == 0);
    for (unsigned i = 0; i < 100; i++)
        say(fixture, DG_SECOND, 1, text, sizeof text);
    flush(fixture, DG_SECOND);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_ABSENT), 100);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_SEND_ERROR), 0);
    CHECK_EQ(fixture->troubles, 1);
    fixture_free(fixture);
}

// Its own name first: while the gate's socket has one, only the service can send to it.
DG_TEST(proxy_unix_socket_hears_the_service_only)
{
    struct fixture *fixture = fixture_new(true, true);
    struct sockaddr_un gate;
    socklen_t size = sizeof gate;
    uint8_t datagram[512];
    say(fixture, DG_SECOND, 5, "x", 1);
    flush(fixture, DG_SECOND);
    ssize_t got = recvfrom(fixture->service, datagram, sizeof datagram, 0, (struct sockaddr *)&gate, &size);
    REQUIRE(got > 0 && size > sizeof gate.sun_family && gate.sun_path[0] == '\0');
    int stranger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(sendto(stranger, datagram, (size_t)got, MSG_DONTWAIT, (struct sockaddr *)&gate, size) < 0);
    CHECK(sendto(fixture->service, datagram, (size_t)got, MSG_DONTWAIT, (struct sockaddr *)&gate, size) == got);
    serve(fixture, DG_SECOND);
    CHECK_EQ(fixture->routed, 1);
    CHECK(fixture->last.id == 5 && fixture->last.shard == 7 && fixture->last.slot == 5);
    CHECK(fixture->answer_size == 1 && fixture->answer[0] == 'x');
    close(stranger);
    fixture_free(fixture);
}

DG_TEST(proxy_answers_come_in_any_number_and_bad_ones_are_counted)
{
    struct fixture *fixture = fixture_new(false, true);
    static uint8_t huge[60000];
    uint8_t datagram[512];
    union dg_sockaddr gate;
    socklen_t size = sizeof gate;
    say(fixture, DG_SECOND, 5, "x", 1);
    say(fixture, DG_SECOND, ENDED, "x", 1); // nothing is sent
    flush(fixture, DG_SECOND);
    ssize_t got = recvfrom(fixture->service, datagram, sizeof datagram, 0, &gate.any, &size);
    REQUIRE(got > 0);
    for (unsigned i = 0; i < 500; i++)
        CHECK(sendto(fixture->service, datagram, (size_t)got, 0, &gate.any, size) == got);
    memcpy(huge, datagram, (size_t)got);
    CHECK(sendto(fixture->service, huge, sizeof huge, 0, &gate.any, size) == sizeof huge); // would be cut
    CHECK(sendto(fixture->service, "", 0, 0, &gate.any, size) == 0);
    serve(fixture, DG_SECOND);
    CHECK_EQ(fixture->routed, 500);
    CHECK_EQ(count_of(fixture, DG_COUNT_BACKEND_ANSWER_MALFORMED), 2);
    CHECK(recv(fixture->service, datagram, sizeof datagram, MSG_DONTWAIT) < 0);
    fixture_free(fixture);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(proxy_udp_everything_arrives_in_order),
        DG_CASE(proxy_unix_everything_arrives_in_order),
        DG_CASE(proxy_queue_is_bounded_and_keeps_its_order),
        DG_CASE(proxy_queue_uses_its_room_again_while_it_is_full),
        DG_CASE(proxy_service_that_is_away_is_told_at_a_limited_rate),
        DG_CASE(proxy_unix_service_that_was_replaced_gets_the_next_plaintext),
        DG_CASE(proxy_unix_service_that_goes_in_the_middle_of_a_turn_is_absent),
        DG_CASE(proxy_unix_socket_hears_the_service_only),
        DG_CASE(proxy_answers_come_in_any_number_and_bad_ones_are_counted),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
