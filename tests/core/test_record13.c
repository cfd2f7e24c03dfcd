// SPDX-License-Identifier: GPL-3.0-or-later
// Protection of DTLS 1.3 records: every form that a client may send opens, what was touched anywhere does
// not, record numbers come back from their low bits. Under wolfCrypt and under the null AEAD.
#include "check.h"
#include "core/record13.h"
#include "core/replay.h"
#include "crypto/wolf_aead.h"
#include "support/peer_records.h"
#include "support/random.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define CID_SIZE 8

static uint8_t buffer[PEER_RECORD_MAX], copy[PEER_RECORD_MAX], data[16384 + 2];
static const uint8_t cid[CID_SIZE] = {9, 8, 7, 6, 5, 4, 3, 2};

static const struct {
    const struct dg_aead_ops *ops;
    enum dg_aead_id aead;
    enum dg_hash_id hash;
} SUITES[] = {
    {&dg_wolf_aead, DG_AEAD_AES_128_GCM, DG_HASH_SHA256},       {&dg_wolf_aead, DG_AEAD_AES_256_GCM, DG_HASH_SHA384},
    {&dg_wolf_aead, DG_AEAD_AES_128_CCM, DG_HASH_SHA256},       {&dg_wolf_aead, DG_AEAD_AES_128_CCM_8, DG_HASH_SHA256},
    {&dg_wolf_aead, DG_AEAD_CHACHA20_POLY1305, DG_HASH_SHA256}, {&dg_null_aead, DG_AEAD_AES_128_GCM, DG_HASH_SHA256},
    {&dg_null_aead, DG_AEAD_AES_128_CCM_8, DG_HASH_SHA256},     {&dg_null_aead, DG_AEAD_CHACHA20_POLY1305, DG_HASH_SHA256},
};

static struct peer_keys keys_of(size_t suite)
{
    return peer_keys_any(SUITES[suite].ops, SUITES[suite].aead, SUITES[suite].hash, true, 1);
}

struct opened {
    struct dg_result result;
    uint64_t sequence;
    uint8_t type;
    struct dg_bytes plaintext;
};

// Parses and opens what lies in buffer, as the engine would.
static struct opened open_record(const struct peer_keys *keys, size_t size, const uint8_t *want_cid,
                                 size_t want_cid_size, uint64_t next)
{
    struct dg_key_view view = peer_keys_view(keys, true);
    struct opened ret = {0};
    struct dg_record record;

    ret.result = dg_record_parse(buffer, size, CID_SIZE, &record);
    if (ret.result.outcome == DG_OK)
        ret.result = dg_record13_open(keys->ops, &view, &record, want_cid, want_cid_size, next, &ret.sequence,
                                      &ret.type, &ret.plaintext);
    return ret;
}

static bool dropped(const struct opened *opened, enum dg_counter reason)
{
    return opened->result.outcome == DG_DROP && opened->result.reason == reason;
}

static bool holds(const struct opened *opened, uint64_t sequence, uint8_t type, const void *expected, size_t size)
{
    return opened->result.outcome == DG_OK && opened->sequence == sequence && opened->type == type &&
           opened->plaintext.size == size && (size == 0 || memcmp(opened->plaintext.data, expected, size) == 0);
}

static struct peer_record record_of_form(unsigned form, uint64_t epoch, uint64_t sequence, size_t size)
{
    return (struct peer_record){.epoch = epoch, .sequence = sequence, .type = 23, .data = data, .size = size,
                                .cid = cid, .cid_size = form & 4 ? CID_SIZE : 0, .short_number = (form & 2) == 0,
                                .no_length = (form & 1) == 0};
}

// P3.1: all eight header forms, every epoch's bits, every AEAD, mixed freely
DG_TEST(record13_all_header_forms_open)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys keys = keys_of(suite);
        uint64_t next = 0;

        for (unsigned round = 0; round < 400; round++) {
            unsigned form = round * 5 % 8;
            struct peer_record record = record_of_form(form, 2 + round % 9, next, round % 60);
            size_t size = peer_seal13(&keys, &record, buffer, sizeof buffer);
            struct opened opened = open_record(&keys, size, cid, record.cid_size, next);

            CHECK_EQ(buffer[0], 0x20 | (form & 4 ? 0x10 : 0) | (form & 2 ? 8 : 0) | (form & 1 ? 4 : 0) | (record.epoch & 3));
            CHECK_MSG(holds(&opened, next, 23, data, record.size), "suite %zu round %u", suite, round);
            next++;
        }
    }
}

// P3.1 to P3.4: what we seal opens again; one byte is padded where the tag is short
DG_TEST(record13_round_trip_every_aead)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys keys = keys_of(suite);
        struct dg_key_view view = peer_keys_view(&keys, true);

        for (size_t size = 0; size < 300; size++) {
            size_t cid_size = size & 1 ? CID_SIZE : 0;
            size_t made = dg_record13_seal(keys.ops, &view, 3, size, 23, cid, cid_size, data, size, buffer,
                                           sizeof buffer);
            struct opened opened = open_record(&keys, made, cid, cid_size, size);

            CHECK_MSG(holds(&opened, size, 23, data, size), "suite %zu size %zu", suite, size);
            CHECK(made >= 5 + cid_size + 16); // RFC 9147 4.2.3
            CHECK(made == size + dg_record13_expansion(keys.aead, cid_size) || made == 5 + cid_size + 16);
        }
    }
}

// Attack 28: every bit of a record is protected, in each header form
DG_TEST(record13_every_bit_flip_is_dropped)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        for (unsigned form = 0; form < 8; form++) {
            struct peer_keys keys = keys_of(suite);
            struct peer_record record = record_of_form(form, 3, 1000, 14);
            size_t size = peer_seal13(&keys, &record, copy, sizeof copy);

            for (size_t bit = 0; bit < 8 * size; bit++) {
                struct opened opened;

                memcpy(buffer, copy, size);
                buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
                if (bit < 2)
                    continue; // the epoch's bits choose the keys: record13_epoch_bits_are_protected
                opened = open_record(&keys, size, cid, record.cid_size, 1000);
                CHECK_MSG(opened.result.outcome == DG_DROP, "suite %zu form %u bit %zu opened", suite, form, bit);
            }
            memcpy(buffer, copy, size);
            CHECK_EQ(open_record(&keys, size, cid, record.cid_size, 1000).result.outcome, DG_OK);
        }
    }
}

// P3.2: the first byte is additional data, even where the keys are the same
DG_TEST(record13_epoch_bits_are_protected)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        for (unsigned flip = 1; flip < 4; flip++) {
            struct peer_keys keys = keys_of(suite);
            struct peer_record record = record_of_form(7, 3, 1000, 14);
            size_t size = peer_seal13(&keys, &record, buffer, sizeof buffer);
            struct opened opened;

            buffer[0] ^= (uint8_t)flip;
            opened = open_record(&keys, size, cid, CID_SIZE, 1000);
            CHECK(dropped(&opened, DG_COUNT_DROP_FORGED));
        }
    }
}

// Attack 28: every truncation, with the length field made to fit
DG_TEST(record13_every_truncation_is_dropped)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        for (unsigned form = 0; form < 8; form++) {
            struct peer_keys keys = keys_of(suite);
            struct peer_record record = record_of_form(form, 3, 6, 20);
            size_t size = peer_seal13(&keys, &record, copy, sizeof copy);
            size_t header = 1 + record.cid_size + (form & 2 ? 2u : 1u) + (form & 1 ? 2u : 0u);

            for (size_t body = 0; body < size - header; body++) {
                struct opened opened;

                memcpy(buffer, copy, size);
                if (form & 1) {
                    buffer[header - 2] = 0;
                    buffer[header - 1] = (uint8_t)body;
                }
                opened = open_record(&keys, header + body, cid, record.cid_size, 6);
                CHECK_MSG(opened.result.outcome == DG_DROP, "suite %zu form %u body %zu", suite, form, body);
                if (body < 16)
                    CHECK(dropped(&opened, DG_COUNT_DROP_RECORD_MALFORMED));
            }
        }
    }
}

// P3.4, RFC 9147 4.2.3: an authentic record with less than 16 bytes of ciphertext is refused all the same
DG_TEST(record13_ciphertext_under_16_bytes_is_dropped)
{
    struct peer_keys keys = keys_of(3); // CCM_8

    for (size_t content = 0; content < 12; content++) {
        struct peer_record record = record_of_form(3, 3, content, content);
        size_t size = peer_seal13_unpadded(&keys, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, size, NULL, 0, content);

        if (content + 1 + 8 < 16)
            CHECK(dropped(&opened, DG_COUNT_DROP_RECORD_MALFORMED));
        else
            CHECK(holds(&opened, content, 23, data, content));
    }
}

// R3, RFC 9147 4 and 9.1
DG_TEST(record13_cid_missing_unexpected_or_foreign)
{
    static const uint8_t other[CID_SIZE] = {9, 8, 7, 6, 5, 4, 3, 1};
    struct peer_keys keys = keys_of(0);
    struct peer_record with = record_of_form(7, 3, 1, 4), without = record_of_form(3, 3, 2, 4);
    size_t size = peer_seal13(&keys, &without, buffer, sizeof buffer);
    struct opened opened = open_record(&keys, size, cid, CID_SIZE, 1);

    CHECK(dropped(&opened, DG_COUNT_DROP_CID_MISMATCH));
    size = peer_seal13(&keys, &with, buffer, sizeof buffer);
    opened = open_record(&keys, size, NULL, 0, 1);
    CHECK(dropped(&opened, DG_COUNT_DROP_CID_MISMATCH));
    opened = open_record(&keys, size, other, CID_SIZE, 1);
    CHECK(dropped(&opened, DG_COUNT_DROP_CID_MISMATCH));
    opened = open_record(&keys, size, cid, CID_SIZE, 1);
    CHECK_EQ(opened.result.outcome, DG_OK);
    size = peer_seal13(&keys, &with, buffer, sizeof buffer);
    memcpy(buffer + 1, other, CID_SIZE); // the ID is additional data
    opened = open_record(&keys, size, other, CID_SIZE, 1);
    CHECK(dropped(&opened, DG_COUNT_DROP_FORGED));
}

// P3.7, RFC 8446 5.4
DG_TEST(record13_padding_0_to_1000_is_removed)
{
    struct peer_keys keys = keys_of(0);

    for (size_t padding = 0; padding <= 1000; padding++) {
        struct peer_record record = {.epoch = 3, .sequence = padding, .type = 23, .data = "ab\0", .size = 3,
                                     .padding = padding};
        size_t size = peer_seal13(&keys, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, size, NULL, 0, padding);

        CHECK_MSG(holds(&opened, padding, 23, "ab\0", 3), "padding %zu", padding);
    }
}

DG_TEST(record13_inner_zeros_only_is_dropped)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys keys = keys_of(suite);

        for (size_t padding = 1; padding <= 100; padding++) {
            struct peer_record record = {.epoch = 3, .sequence = padding, .padding = padding, .zeros_only = true};
            size_t size = peer_seal13(&keys, &record, buffer, sizeof buffer);
            struct opened opened = open_record(&keys, size, NULL, 0, padding);

            CHECK(dropped(&opened, DG_COUNT_DROP_INNER_TYPE));
        }
    }
}

// P3.7, P3.9: which types may stand inside; ChangeCipherSpec, IDs and heartbeats among those that may not
DG_TEST(record13_inner_type_table)
{
    struct peer_keys keys = keys_of(0);

    for (unsigned type = 1; type < 256; type++) {
        bool allowed = (type >= 21 && type <= 23) || type == 26 || type == 27;
        struct peer_record record = {.epoch = 3, .sequence = type, .type = (uint8_t)type, .data = "x", .size = 1};
        size_t size = peer_seal13(&keys, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, size, NULL, 0, type);

        CHECK_MSG(allowed ? holds(&opened, type, (uint8_t)type, "x", 1) : dropped(&opened, DG_COUNT_DROP_INNER_TYPE),
                  "type %u", type);
    }
}

// P3.8, RFC 8446 5.4: 2^14 bytes and the type; padding counts as well
DG_TEST(record13_largest_plaintext)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys keys = keys_of(suite);
        struct dg_key_view view = peer_keys_view(&keys, true);
        struct peer_record padded = {.epoch = 3, .type = 23, .data = data, .size = 16000, .padding = 384};
        struct opened opened;
        size_t made;

        for (size_t size = 16383; size <= 16385; size++) {
            struct peer_record record = {.epoch = 3, .sequence = size, .type = 23, .data = data, .size = size};

            made = peer_seal13(&keys, &record, buffer, sizeof buffer);
            opened = open_record(&keys, made, NULL, 0, size);
            CHECK(size <= 16384 ? holds(&opened, size, 23, data, size)
                                : dropped(&opened, DG_COUNT_DROP_RECORD_TOO_LONG));
            made = dg_record13_seal(keys.ops, &view, 3, 1, 23, cid, CID_SIZE, data, size, buffer, sizeof buffer);
            CHECK_EQ(made != 0, size <= 16384);
        }
        made = peer_seal13(&keys, &padded, buffer, sizeof buffer);
        opened = open_record(&keys, made, NULL, 0, 0);
        CHECK(holds(&opened, 0, 23, data, 16000));
        padded.padding++;
        made = peer_seal13(&keys, &padded, buffer, sizeof buffer);
        opened = open_record(&keys, made, NULL, 0, 0);
        CHECK(dropped(&opened, DG_COUNT_DROP_RECORD_TOO_LONG));
    }
}

// P3.8, RFC 9147 4.2.1: all 64 bits count, and they end
DG_TEST(record13_numbers_at_the_far_end)
{
    static const uint64_t numbers[] = {(UINT64_C(1) << 48) - 1, UINT64_C(1) << 48, (UINT64_C(1) << 63),
                                       UINT64_MAX - 2, UINT64_MAX - 1};

    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys keys = keys_of(suite);
        struct dg_key_view view = peer_keys_view(&keys, true);
        struct peer_record record = record_of_form(3, 3, UINT64_MAX, 4);
        struct dg_replay replay = {{0}};
        struct opened opened;
        size_t made;

        for (size_t i = 0; i < COUNT(numbers); i++) {
            made = dg_record13_seal(keys.ops, &view, 3, numbers[i], 23, NULL, 0, data, 20, buffer, sizeof buffer);
            opened = open_record(&keys, made, NULL, 0, numbers[i]);
            CHECK(holds(&opened, numbers[i], 23, data, 20));
            // the same bytes under a number that differs above the 16 bits of the header
            made = dg_record13_seal(keys.ops, &view, 3, numbers[i], 23, NULL, 0, data, 20, buffer, sizeof buffer);
            opened = open_record(&keys, made, NULL, 0, numbers[i] - (UINT64_C(1) << 20));
            CHECK(dropped(&opened, DG_COUNT_DROP_FORGED));
        }
        CHECK_EQ(dg_record13_seal(keys.ops, &view, 3, UINT64_MAX, 23, NULL, 0, data, 20, buffer, sizeof buffer), 0);
        made = peer_seal13(&keys, &record, buffer, sizeof buffer); // a client that goes on all the same
        opened = open_record(&keys, made, NULL, 0, UINT64_MAX);
        CHECK(opened.result.outcome != DG_OK || !dg_replay_is_fresh(&replay, UINT64_MAX, opened.sequence));
    }
}

// The oracle of reconstruction: every number with these low bits, the nearest wins.
static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

// P3.5, RFC 9147 4.2.2: the nearest number with the low bits, near 0, around each wrap and near 2^64
DG_TEST(record13_reconstruct_is_nearest)
{
    struct test_random random = {.state = dg_test_seed()};

    for (unsigned bits = 8; bits <= 16; bits += 8) {
        uint64_t window = UINT64_C(1) << bits;

        for (unsigned round = 0; round < 200000; round++) {
            uint64_t next = test_random_next(&random) >> test_random_below(&random, 64);
            uint64_t low = test_random_next(&random) & (window - 1);
            uint64_t got, base;

            if (round % 4 == 0)
                next = UINT64_MAX - test_random_below(&random, 2 * window);
            got = dg_record13_reconstruct(next, low, bits);
            CHECK_EQ(got & (window - 1), low);
            base = next - (next & (window - 1)) + low; // never overflows: the low bits only
            CHECK(distance(got, next) <= distance(base, next));
            if (base >= window)
                CHECK(distance(got, next) <= distance(base - window, next));
            if (base <= UINT64_MAX - window)
                CHECK(distance(got, next) <= distance(base + window, next));
        }
    }
}

// P3.5: a number at most half a window away comes back whole, whatever was lost between
DG_TEST(record13_reconstruct_after_losses)
{
    static const uint64_t starts[] = {0, 1, 100, 255, 256, 65535, 65536, 65537, (UINT64_C(1) << 32) - 3,
                                      (UINT64_C(1) << 48) - 1};

    for (size_t i = 0; i < COUNT(starts); i++) {
        for (uint64_t away = 0; away < 32768; away += away < 300 ? 1 : 37) {
            CHECK_EQ(dg_record13_reconstruct(starts[i], (starts[i] + away) & 0xffff, 16), starts[i] + away);
            if (away < 128)
                CHECK_EQ(dg_record13_reconstruct(starts[i], (starts[i] + away) & 0xff, 8), starts[i] + away);
            if (away > starts[i])
                continue;
            CHECK_EQ(dg_record13_reconstruct(starts[i], (starts[i] - away) & 0xffff, 16), starts[i] - away);
            if (away < 128)
                CHECK_EQ(dg_record13_reconstruct(starts[i], (starts[i] - away) & 0xff, 8), starts[i] - away);
        }
    }
}

// R4: the peer's ID may have any length; a buffer that is a byte too small gets nothing
DG_TEST(record13_seal_with_every_peer_cid_length_and_capacity)
{
    static const uint8_t long_cid[255] = {1, 2, 3};
    struct peer_keys keys = keys_of(0);
    struct dg_key_view view = peer_keys_view(&keys, true);

    for (size_t cid_size = 0; cid_size <= 255; cid_size++) {
        size_t exact = 5 + dg_record13_expansion(keys.aead, cid_size);
        struct dg_record record;
        struct dg_bytes plaintext;
        uint64_t sequence;
        uint8_t type;

        CHECK_EQ(dg_record13_seal(keys.ops, &view, 3, 1, 23, long_cid, cid_size, "hello", 5, buffer, exact - 1), 0);
        REQUIRE(dg_record13_seal(keys.ops, &view, 3, 1, 23, long_cid, cid_size, "hello", 5, buffer, exact) == exact);
        REQUIRE(dg_record_parse(buffer, exact, cid_size, &record).outcome == DG_OK);
        REQUIRE(dg_record13_open(keys.ops, &view, &record, long_cid, cid_size, 0, &sequence, &type, &plaintext)
                    .outcome == DG_OK);
        CHECK_EQ(plaintext.size, 5);
    }
}

// K3: the next generation's keys do not open what the last one sealed, nor the other way round
DG_TEST(record13_generations_do_not_mix)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys first = keys_of(suite), second = peer_keys_next(&first);
        struct peer_record record = record_of_form(3, 3, 0, 30);
        size_t size = peer_seal13(&first, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&second, size, NULL, 0, 0);

        CHECK(dropped(&opened, DG_COUNT_DROP_FORGED));
        size = peer_seal13(&second, &record, buffer, sizeof buffer);
        opened = open_record(&first, size, NULL, 0, 0);
        CHECK(dropped(&opened, DG_COUNT_DROP_FORGED));
    }
}

// A 1.2 record never reaches the 1.3 keys, nor the other way round.
DG_TEST(record13_refuses_the_other_header)
{
    struct peer_keys keys = keys_of(0);
    size_t size = peer_plain(23, 0xfefd, 1, 0, data, 60, buffer, sizeof buffer);
    struct opened opened = open_record(&keys, size, NULL, 0, 0);

    CHECK(dropped(&opened, DG_COUNT_DROP_RECORD_MALFORMED));
}

static const struct dg_test_case CASES[] = {
    DG_CASE(record13_all_header_forms_open),
    DG_CASE(record13_round_trip_every_aead),
    DG_CASE(record13_every_bit_flip_is_dropped),
    DG_CASE(record13_epoch_bits_are_protected),
    DG_CASE(record13_every_truncation_is_dropped),
    DG_CASE(record13_ciphertext_under_16_bytes_is_dropped),
    DG_CASE(record13_cid_missing_unexpected_or_foreign),
    DG_CASE(record13_padding_0_to_1000_is_removed),
    DG_CASE(record13_inner_zeros_only_is_dropped),
    DG_CASE(record13_inner_type_table),
    DG_CASE(record13_largest_plaintext),
    DG_CASE(record13_numbers_at_the_far_end),
    DG_CASE(record13_reconstruct_is_nearest),
    DG_CASE(record13_reconstruct_after_losses),
    DG_CASE(record13_seal_with_every_peer_cid_length_and_capacity),
    DG_CASE(record13_generations_do_not_mix),
    DG_CASE(record13_refuses_the_other_header),
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
