// SPDX-License-Identifier: GPL-3.0-or-later
// Fragmented hellos beside a plain map of bytes, and the attacks on reassembly that other servers met.
#include "check.h"
#include "core/reassembly.h"
#include "support/random.h"

#include <string.h>

#define HEADERS 25

static struct dg_path path_of(unsigned number)
{
    struct dg_path path = {.listener = 1};
    CHECK(dg_address_parse("192.0.2.1:4000", &path.peer));
    path.peer.ip[13] = (uint8_t)(number >> 16); // each /24 is a prefix
    path.peer.ip[14] = (uint8_t)(number >> 8);
    path.peer.ip[15] = (uint8_t)number;
    return path;
}

struct bench {
    struct dg_reassembly area;
    struct dg_counters counters;
    struct dg_bytes record;
    size_t wire_bytes;
};

static void open_bench(struct bench *bench, uint32_t capacity)
{
    memset(bench, 0, sizeof *bench);
    CHECK(dg_reassembly_init(&bench->area, capacity, 5 * DG_SECOND));
}

static enum dg_counter add(struct bench *bench, dg_time now, const struct dg_path *path, uint32_t length,
                           uint16_t message_seq, uint32_t offset, const uint8_t *bytes, size_t size, uint64_t sequence)
{
    struct dg_handshake_fragment fragment = {.type = 1,
                                             .length = length,
                                             .message_seq = message_seq,
                                             .offset = offset,
                                             .bytes = {.data = bytes, .size = size}};
    return dg_reassembly_add(&bench->area, now, path, &fragment, sequence, size + HEADERS, &bench->counters,
                             &bench->record, &bench->wire_bytes);
}

static uint8_t message[DG_HELLO_BODY_MAX];

static void fill_message(void)
{
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)(i * 7 + i / 256);
    }
}

// F9, RFC 9147 5.5: any order, any overlap, any repetition of parts gives the message once.
DG_TEST(reassembly_agrees_with_a_map_of_bytes)
{
    struct test_random random = {.state = dg_test_seed()};
    fill_message();
    struct bench bench;
    open_bench(&bench, 8);
    for (unsigned round = 0; round < 3000; round++) {
        struct dg_path path = path_of(round << 8);
        uint32_t length = 1 + (uint32_t)test_random_below(&random, round % 10 == 0 ? DG_HELLO_BODY_MAX : 300);
        bool present[DG_HELLO_BODY_MAX] = {false};
        size_t missing = length, wire = 0;
        for (uint64_t sequence = 9; missing > 0; sequence++) {
            uint32_t offset = (uint32_t)test_random_below(&random, length);
            uint32_t size = 1 + (uint32_t)test_random_below(&random, length - offset);
            for (uint32_t i = offset; i < offset + size; i++) {
                missing -= !present[i];
                present[i] = true;
            }
            wire += size + HEADERS;
            enum dg_counter reason = add(&bench, DG_SECOND, &path, length, 3, offset, message + offset, size, sequence);
            CHECK_EQ(reason, DG_COUNT_NONE);
            CHECK_EQ(bench.record.size, missing == 0 ? length + HEADERS : 0);
        }
        REQUIRE(bench.record.size == length + HEADERS);
        CHECK_MEM(bench.record.data + HEADERS, message, length);
        CHECK_EQ(bench.wire_bytes, wire);
        struct dg_reader reader = dg_reader_of(bench.record.data, HEADERS);
        CHECK_EQ(dg_read_u8(&reader), 22);
        CHECK_EQ(dg_read_u32(&reader), 0xfefd0000);
        CHECK_EQ(dg_read_u48(&reader), 9); // of the first part
        CHECK_EQ(dg_read_u16(&reader), length + 12);
        CHECK_EQ(dg_read_u8(&reader), 1);
        CHECK_EQ(dg_read_u24(&reader), length);
        CHECK_EQ(dg_read_u16(&reader), 3);
        CHECK_EQ(dg_read_u24(&reader), 0);
        CHECK_EQ(dg_read_u24(&reader), length);
        CHECK_EQ(bench.area.used, 0);
    }
    dg_reassembly_clear(&bench.area);
}

// Attack 1: parts of one message with different lengths.
DG_TEST(reassembly_refuses_two_lengths_of_one_message)
{
    struct bench bench;
    open_bench(&bench, 8);
    fill_message();
    struct dg_path path = path_of(1);
    CHECK_EQ(add(&bench, 1, &path, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(add(&bench, 1, &path, 60, 0, 50, message + 50, 10, 1), DG_COUNT_DROP_FRAGMENT_CONFLICT);
    CHECK_EQ(bench.area.used, 0); // both are forgotten
    CHECK_EQ(add(&bench, 1, &path, 100, 0, 50, message + 50, 50, 2), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 0);
    CHECK_EQ(add(&bench, 1, &path, 100, 0, 0, message, 50, 3), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 100 + HEADERS);
    dg_reassembly_clear(&bench.area);
}

// Attack 3: a part that comes again with other bytes, or overlaps with others.
DG_TEST(reassembly_refuses_bytes_that_change)
{
    fill_message();
    for (uint32_t at = 0; at < 50; at++) {
        struct bench bench;
        open_bench(&bench, 8);
        struct dg_path path = path_of(1);
        uint8_t other[100];
        memcpy(other, message, sizeof other);
        other[at] ^= 1;
        CHECK_EQ(add(&bench, 1, &path, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
        CHECK_EQ(add(&bench, 1, &path, 100, 0, at, other + at, 100 - at, 0), DG_COUNT_DROP_FRAGMENT_CONFLICT);
        CHECK_EQ(bench.area.used, 0);
        dg_reassembly_clear(&bench.area);
    }
}

// Attack 2: another message_seq, another peer or another listener is another message.
DG_TEST(reassembly_never_mixes_messages)
{
    struct bench bench;
    open_bench(&bench, 16); // so that five fit into one prefix's half
    fill_message();
    struct dg_path path = path_of(1), other_port = path, other_ip = path_of(2), other_listener = path;
    other_port.peer.port++;
    other_listener.listener++;
    CHECK_EQ(add(&bench, 1, &path, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(add(&bench, 1, &path, 100, 1, 50, message + 50, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 0);
    CHECK_EQ(add(&bench, 1, &other_port, 100, 0, 50, message + 50, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 0);
    CHECK_EQ(add(&bench, 1, &other_ip, 100, 0, 50, message + 50, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 0);
    CHECK_EQ(add(&bench, 1, &other_listener, 100, 0, 50, message + 50, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 0);
    CHECK_EQ(bench.area.used, 5);
    CHECK_EQ(add(&bench, 1, &path, 100, 0, 50, message + 50, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 100 + HEADERS);
    CHECK_EQ(bench.area.used, 4);
    dg_reassembly_clear(&bench.area);
}

// Attack 6 and F9: the area stays what it is, the oldest makes room, one prefix has half at most.
DG_TEST(reassembly_full_replaces_the_oldest_and_bounds_a_prefix)
{
    struct bench bench;
    open_bench(&bench, 16);
    fill_message();
    struct dg_path honest = path_of(0xff0001);
    CHECK_EQ(add(&bench, 1, &honest, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
    for (unsigned i = 0; i < 200; i++) { // one /24 with all its addresses
        struct dg_path path = path_of(0x010000 + i);
        CHECK_EQ(add(&bench, 2, &path, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
    }
    CHECK_EQ(bench.area.used, 9);
    CHECK_EQ(dg_counter_read(&bench.counters, DG_COUNT_DROP_FRAGMENTS_FULL), 192);
    CHECK_EQ(add(&bench, 3, &honest, 100, 0, 50, message + 50, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 100 + HEADERS); // it was not pushed out
    for (unsigned i = 0; i < 100000; i++) { // everybody: the area is bounded all the same
        struct dg_path path = path_of(i << 8);
        CHECK_EQ(add(&bench, 4, &path, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
    }
    CHECK_EQ(bench.area.used, 16);
    for (unsigned i = 100000 - 16; i < 100000; i++) { // those that are left are the newest
        struct dg_path path = path_of(i << 8);
        CHECK_EQ(add(&bench, 5, &path, 100, 0, 50, message + 50, 50, 0), DG_COUNT_NONE);
        CHECK_EQ(bench.record.size, 100 + HEADERS);
    }
    CHECK_EQ(bench.area.used, 0);
    dg_reassembly_clear(&bench.area);
}

DG_TEST(reassembly_gives_up_in_time)
{
    struct bench bench;
    open_bench(&bench, 8);
    fill_message();
    CHECK_EQ(dg_reassembly_deadline(&bench.area), DG_NEVER);
    for (unsigned i = 0; i < 3; i++) {
        struct dg_path path = path_of(i << 8);
        CHECK_EQ(add(&bench, (i + 1) * DG_SECOND, &path, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
    }
    CHECK_EQ(dg_reassembly_deadline(&bench.area), 6 * DG_SECOND);
    dg_reassembly_advance(&bench.area, 6 * DG_SECOND - 1, &bench.counters);
    CHECK_EQ(bench.area.used, 3);
    dg_reassembly_advance(&bench.area, 7 * DG_SECOND, &bench.counters);
    CHECK_EQ(bench.area.used, 1);
    CHECK_EQ(dg_counter_read(&bench.counters, DG_COUNT_DROP_FRAGMENT_EXPIRED), 2);
    struct dg_path first = path_of(0);
    CHECK_EQ(add(&bench, 7 * DG_SECOND, &first, 100, 0, 50, message + 50, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(bench.record.size, 0); // its beginning is forgotten
    dg_reassembly_clear(&bench.area);
}

DG_TEST(reassembly_without_room_refuses)
{
    struct bench bench;
    open_bench(&bench, 0);
    struct dg_path path = path_of(1);
    CHECK_EQ(add(&bench, 1, &path, 100, 0, 0, message, 50, 0), DG_COUNT_DROP_FRAGMENTS_FULL);
    CHECK_EQ(dg_reassembly_deadline(&bench.area), DG_NEVER);
    dg_reassembly_clear(&bench.area);
    open_bench(&bench, 1);
    CHECK_EQ(add(&bench, 1, &path, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
    struct dg_path other = path_of(1 << 8);
    CHECK_EQ(add(&bench, 1, &other, 100, 0, 0, message, 50, 0), DG_COUNT_NONE);
    CHECK_EQ(bench.area.used, 1);
    dg_reassembly_clear(&bench.area);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(reassembly_agrees_with_a_map_of_bytes),
        DG_CASE(reassembly_refuses_two_lengths_of_one_message),
        DG_CASE(reassembly_refuses_bytes_that_change),
        DG_CASE(reassembly_never_mixes_messages),
        DG_CASE(reassembly_full_replaces_the_oldest_and_bounds_a_prefix),
        DG_CASE(reassembly_gives_up_in_time),
        DG_CASE(reassembly_without_room_refuses),
    };
    return dg_test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
