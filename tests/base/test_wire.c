// SPDX-License-Identifier: GPL-3.0-or-later
// The wire reader and writer: big endian, sticky after the first failure, never outside of their block
// (each buffer here ends where a heap block ends, for ASan to see a byte too many), and round trips of
// random fields beside a plain array.
#include "base/wire.h"
#include "check.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

DG_TEST(wire_numbers_are_big_endian)
{
    static const uint8_t BYTES[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
                                    0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};
    struct dg_reader reader = dg_reader_of(BYTES, sizeof BYTES);
    CHECK_EQ(dg_read_u8(&reader), 0x01);
    CHECK_EQ(dg_read_u16(&reader), 0x0203);
    CHECK_EQ(dg_read_u24(&reader), 0x040506);
    CHECK_EQ(dg_read_u32(&reader), 0x0708090a);
    CHECK_EQ(dg_read_u48(&reader), UINT64_C(0x0b0c0d0e0f10));
    CHECK_EQ(dg_reader_left(&reader), 8);
    CHECK(!dg_reader_done(&reader));
    CHECK_EQ(dg_read_u64(&reader), UINT64_C(0x1112131415161718));
    CHECK(dg_reader_done(&reader));

    uint8_t written[sizeof BYTES];
    struct dg_writer writer = dg_writer_of(written, sizeof written);
    dg_write_u8(&writer, 0x01);
    dg_write_u16(&writer, 0x0203);
    dg_write_u24(&writer, 0x040506);
    dg_write_u32(&writer, 0x0708090a);
    dg_write_u48(&writer, UINT64_C(0x0b0c0d0e0f10));
    dg_write_u64(&writer, UINT64_C(0x1112131415161718));
    CHECK(!writer.failed);
    CHECK_EQ(dg_writer_size(&writer), sizeof BYTES);
    CHECK_MEM(written, BYTES, sizeof BYTES);
}

DG_TEST(wire_reader_failure_is_sticky)
{
    static const uint8_t BYTES[] = {1, 2, 3};
    struct dg_reader reader = dg_reader_of(BYTES, sizeof BYTES);
    CHECK_EQ(dg_read_u32(&reader), 0);
    CHECK(reader.failed);
    // There were bytes left for this one, and still it gives nothing: no loop goes on behind a failure.
    CHECK_EQ(dg_read_u8(&reader), 0);
    CHECK_EQ(dg_reader_left(&reader), 0);
    CHECK_EQ(dg_read_bytes(&reader, 0).size, 0);
    CHECK(!dg_reader_done(&reader));
}

DG_TEST(wire_every_read_fails_one_byte_short)
{
    static const size_t WIDTHS[] = {1, 2, 3, 4, 6, 8};
    for (size_t i = 0; i < sizeof WIDTHS / sizeof WIDTHS[0]; i++) {
        for (size_t size = 0; size <= WIDTHS[i]; size++) {
            uint8_t *bytes = malloc(size > 0 ? size : 1);
            REQUIRE(bytes != NULL);
            memset(bytes, 0xff, size > 0 ? size : 1);
            struct dg_reader reader = dg_reader_of(bytes, size);
            uint64_t value = 0;
            switch (WIDTHS[i]) {
            case 1: value = dg_read_u8(&reader); break;
            case 2: value = dg_read_u16(&reader); break;
            case 3: value = dg_read_u24(&reader); break;
            case 4: value = dg_read_u32(&reader); break;
            case 6: value = dg_read_u48(&reader); break;
            default: value = dg_read_u64(&reader); break;
            }
            bool whole = size == WIDTHS[i];
            CHECK_EQ(value, whole ? UINT64_MAX >> (64 - 8 * size) : 0);
            CHECK_EQ(dg_reader_done(&reader), whole);
            free(bytes);
        }
    }
}

DG_TEST(wire_blocks_end_with_their_length)
{
    static const uint8_t BYTES[] = {2, 'a', 'b', 0, 1, 'c', 0, 0, 0, 1, 9};
    struct dg_reader reader = dg_reader_of(BYTES, sizeof BYTES);
    struct dg_bytes block = dg_read_block8(&reader);
    CHECK_EQ(block.size, 2);
    CHECK_MEM(block.data, "ab", 2);
    struct dg_reader inside = dg_reader_in(block);
    CHECK_EQ(dg_read_u24(&inside), 0);
    CHECK(inside.failed && !reader.failed); // a block's failure is its own
    block = dg_read_block16(&reader);
    CHECK_EQ(block.size, 1);
    CHECK_EQ(block.data[0], 'c');
    block = dg_read_block24(&reader);
    CHECK_EQ(block.size, 0);
    CHECK(!reader.failed);
    inside = dg_reader_in(block);
    CHECK(dg_reader_done(&inside));
    block = dg_read_block8(&reader);
    CHECK(!reader.failed && block.size == 1);
    CHECK(dg_reader_done(&reader));
}

DG_TEST(wire_block_longer_than_what_is_left_fails_empty)
{
    static const uint8_t BYTES[] = {0xff, 0xff, 0xff, 1};
    struct dg_bytes (*const READ[])(struct dg_reader *) = {dg_read_block8, dg_read_block16, dg_read_block24};
    for (size_t i = 0; i < 3; i++) {
        for (size_t size = 0; size <= sizeof BYTES; size++) {
            struct dg_reader reader = dg_reader_of(BYTES, size);
            struct dg_bytes block = READ[i](&reader);
            CHECK(reader.failed);
            CHECK_EQ(block.size, 0);
            CHECK(block.data != NULL);
            struct dg_reader inside = dg_reader_in(block);
            CHECK(dg_reader_done(&inside));
        }
    }
    struct dg_reader reader = dg_reader_of(BYTES, sizeof BYTES);
    CHECK_EQ(dg_read_bytes(&reader, SIZE_MAX).size, 0);
    CHECK(reader.failed);
}

DG_TEST(wire_nothing_at_all_is_an_empty_block)
{
    struct dg_reader reader = dg_reader_of(NULL, 0);
    CHECK(dg_reader_done(&reader));
    CHECK_EQ(dg_read_bytes(&reader, 0).size, 0);
    CHECK(dg_reader_done(&reader));
    CHECK_EQ(dg_read_u8(&reader), 0);
    CHECK(reader.failed);
    struct dg_writer writer = dg_writer_of(NULL, 0);
    dg_write_bytes(&writer, NULL, 0);
    dg_write_zeros(&writer, 0);
    CHECK(!writer.failed);
    dg_write_u8(&writer, 1);
    CHECK(writer.failed);
}

DG_TEST(wire_writer_failure_is_sticky_and_writes_no_part)
{
    uint8_t bytes[4] = {0xee, 0xee, 0xee, 0xee};
    struct dg_writer writer = dg_writer_of(bytes, 3);
    dg_write_u8(&writer, 1);
    dg_write_u24(&writer, 2);
    CHECK(writer.failed);
    dg_write_u8(&writer, 3); // would fit
    dg_write_zeros(&writer, 1);
    dg_write_bytes(&writer, "x", 1);
    size_t place = dg_write_open(&writer, 1);
    dg_write_close(&writer, place, 1);
    CHECK(writer.failed);
    CHECK_EQ(dg_writer_size(&writer), 1);
    static const uint8_t EXPECTED[4] = {1, 0xee, 0xee, 0xee};
    CHECK_MEM(bytes, EXPECTED, 4);
}

DG_TEST(wire_value_too_large_for_its_field_fails)
{
    uint8_t bytes[8] = {0};
    struct dg_writer writer = dg_writer_of(bytes, sizeof bytes);
    dg_write_u24(&writer, 0xffffff);
    CHECK(!writer.failed);
    dg_write_u24(&writer, 0x1000000);
    CHECK(writer.failed);
    CHECK_EQ(dg_writer_size(&writer), 3);
    writer = dg_writer_of(bytes, sizeof bytes);
    dg_write_u48(&writer, UINT64_C(0xffffffffffff));
    CHECK(!writer.failed);
    writer = dg_writer_of(bytes, sizeof bytes);
    dg_write_u48(&writer, UINT64_C(0x1000000000000));
    CHECK(writer.failed);
}

DG_TEST(wire_length_fields_are_closed_from_inside_out)
{
    uint8_t bytes[16];
    struct dg_writer writer = dg_writer_of(bytes, sizeof bytes);
    size_t outer = dg_write_open(&writer, 3);
    dg_write_u8(&writer, 7);
    size_t inner = dg_write_open(&writer, 2);
    dg_write_bytes(&writer, "xyz", 3);
    dg_write_close(&writer, inner, 2);
    size_t empty = dg_write_open(&writer, 1);
    dg_write_close(&writer, empty, 1);
    dg_write_close(&writer, outer, 3);
    static const uint8_t EXPECTED[] = {0, 0, 7, 7, 0, 3, 'x', 'y', 'z', 0};
    CHECK(!writer.failed);
    REQUIRE(dg_writer_size(&writer) == sizeof EXPECTED);
    CHECK_MEM(bytes, EXPECTED, sizeof EXPECTED);
}

DG_TEST(wire_length_that_does_not_fit_its_field_fails)
{
    static uint8_t bytes[0x10000 + 8];
    for (size_t size = 254; size <= 257; size++) {
        struct dg_writer writer = dg_writer_of(bytes, sizeof bytes);
        size_t place = dg_write_open(&writer, 1);
        dg_write_zeros(&writer, size);
        dg_write_close(&writer, place, 1);
        CHECK_EQ(writer.failed, size > 255);
    }
    for (size_t size = 0xfffe; size <= 0x10001; size++) {
        struct dg_writer writer = dg_writer_of(bytes, sizeof bytes);
        size_t place = dg_write_open(&writer, 2);
        dg_write_zeros(&writer, size);
        dg_write_close(&writer, place, 2);
        CHECK_EQ(writer.failed, size > 0xffff);
    }
}

DG_TEST(wire_written_bytes_may_overlap_their_source)
{
    char text[] = "..abcdef";
    struct dg_writer writer = dg_writer_of(text, sizeof text);
    dg_write_bytes(&writer, text + 2, 6);
    CHECK_MEM(text, "abcdef", 6);
}

enum { FIELDS = 40, FIELD_LARGEST = 300 };

struct field {
    unsigned kind; // 0..5 numbers, 6 bytes, 7..9 blocks with a length of 1..3 bytes
    uint64_t value;
    size_t size;
    uint8_t bytes[FIELD_LARGEST];
};

static const unsigned NUMBER_WIDTHS[] = {1, 2, 3, 4, 6, 8};

// The oracle's own way to write: byte by byte to the end of a plain array.
static size_t append_number(uint8_t *array, size_t at, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) {
        array[at + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
    return at + width;
}

static void draw_field(struct test_random *random, struct field *field)
{
    field->kind = (unsigned)test_random_below(random, 10);
    field->value = test_random_next(random);
    if (field->kind < 6) {
        field->value >>= 64 - 8 * NUMBER_WIDTHS[field->kind];
    }
    field->size = (size_t)test_random_below(random, field->kind == 7 ? 256 : FIELD_LARGEST);
    test_random_fill(random, field->bytes, field->size);
}

static void write_field(struct dg_writer *writer, const struct field *field)
{
    switch (field->kind) {
    case 0: dg_write_u8(writer, (uint8_t)field->value); break;
    case 1: dg_write_u16(writer, (uint16_t)field->value); break;
    case 2: dg_write_u24(writer, (uint32_t)field->value); break;
    case 3: dg_write_u32(writer, (uint32_t)field->value); break;
    case 4: dg_write_u48(writer, field->value); break;
    case 5: dg_write_u64(writer, field->value); break;
    case 6: dg_write_bytes(writer, field->bytes, field->size); break;
    default: {
        size_t place = dg_write_open(writer, field->kind - 6);
        dg_write_bytes(writer, field->bytes, field->size);
        dg_write_close(writer, place, field->kind - 6);
    }
    }
}

static bool read_field_matches(struct dg_reader *reader, const struct field *field)
{
    struct dg_bytes block;
    switch (field->kind) {
    case 0: return dg_read_u8(reader) == field->value;
    case 1: return dg_read_u16(reader) == field->value;
    case 2: return dg_read_u24(reader) == field->value;
    case 3: return dg_read_u32(reader) == field->value;
    case 4: return dg_read_u48(reader) == field->value;
    case 5: return dg_read_u64(reader) == field->value;
    case 6: block = dg_read_bytes(reader, field->size); break;
    case 7: block = dg_read_block8(reader); break;
    case 8: block = dg_read_block16(reader); break;
    default: block = dg_read_block24(reader); break;
    }
    return block.size == field->size && memcmp(block.data, field->bytes, block.size) == 0;
}

DG_TEST(wire_round_trip_of_random_fields)
{
    struct test_random random = {dg_test_seed()};
    static struct field fields[FIELDS];
    static uint8_t expected[FIELDS * (FIELD_LARGEST + 3)];
    for (int round = 0; round < 300; round++) {
        size_t count = 1 + (size_t)test_random_below(&random, FIELDS);
        size_t size = 0;
        for (size_t i = 0; i < count; i++) {
            draw_field(&random, &fields[i]);
            if (fields[i].kind < 6) {
                size = append_number(expected, size, fields[i].value, NUMBER_WIDTHS[fields[i].kind]);
            } else {
                size = append_number(expected, size, fields[i].size, fields[i].kind - 6);
                memcpy(expected + size, fields[i].bytes, fields[i].size);
                size += fields[i].size;
            }
        }
        // Whole, and with a number of bytes missing at the end.
        for (int cut = 0; cut < 4; cut++) {
            size_t room = cut == 0 ? size : (size_t)test_random_below(&random, size + 1);
            uint8_t *bytes = malloc(room > 0 ? room : 1);
            REQUIRE(bytes != NULL);
            struct dg_writer writer = dg_writer_of(bytes, room);
            for (size_t i = 0; i < count; i++) {
                write_field(&writer, &fields[i]);
            }
            CHECK_EQ(writer.failed, room < size);
            if (!writer.failed) {
                CHECK_EQ(dg_writer_size(&writer), size);
                CHECK_MEM(bytes, expected, size);
            }
            memcpy(bytes, expected, room);
            struct dg_reader reader = dg_reader_of(bytes, room);
            for (size_t i = 0; i < count; i++) {
                bool matches = read_field_matches(&reader, &fields[i]);
                CHECK(matches || reader.failed);
            }
            CHECK_EQ(dg_reader_done(&reader), room == size);
            free(bytes);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(wire_numbers_are_big_endian),
        DG_CASE(wire_reader_failure_is_sticky),
        DG_CASE(wire_every_read_fails_one_byte_short),
        DG_CASE(wire_blocks_end_with_their_length),
        DG_CASE(wire_block_longer_than_what_is_left_fails_empty),
        DG_CASE(wire_nothing_at_all_is_an_empty_block),
        DG_CASE(wire_writer_failure_is_sticky_and_writes_no_part),
        DG_CASE(wire_value_too_large_for_its_field_fails),
        DG_CASE(wire_length_fields_are_closed_from_inside_out),
        DG_CASE(wire_length_that_does_not_fit_its_field_fails),
        DG_CASE(wire_written_bytes_may_overlap_their_source),
        DG_CASE(wire_round_trip_of_random_fields),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
