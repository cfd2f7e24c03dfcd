// SPDX-License-Identifier: GPL-3.0-or-later
// Protection of DTLS 1.2 records: what a client may send opens, what was touched anywhere does not, numbers
// do not wrap. Under wolfCrypt and under the null AEAD.
#include "check.h"
#include "core/record12.h"
#include "crypto/wolf_aead.h"
#include "support/peer_records.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define CID_SIZE 8

static uint8_t buffer[PEER_RECORD_MAX], copy[PEER_RECORD_MAX], data[16384 + 2];
static const uint8_t cid[CID_SIZE] = {9, 8, 7, 6, 5, 4, 3, 2};

static const struct {
    const struct dg_aead_ops *ops;
    enum dg_aead_id aead;
} SUITES[] = {
    {&dg_wolf_aead, DG_AEAD_AES_128_GCM},       {&dg_wolf_aead, DG_AEAD_AES_256_GCM},
    {&dg_wolf_aead, DG_AEAD_AES_128_CCM},       {&dg_wolf_aead, DG_AEAD_AES_128_CCM_8},
    {&dg_wolf_aead, DG_AEAD_CHACHA20_POLY1305}, {&dg_null_aead, DG_AEAD_AES_128_GCM},
    {&dg_null_aead, DG_AEAD_AES_128_CCM_8},     {&dg_null_aead, DG_AEAD_CHACHA20_POLY1305},
};

static struct peer_keys keys_of(size_t suite)
{
    return peer_keys_any(SUITES[suite].ops, SUITES[suite].aead, DG_HASH_SHA256, false, 1);
}

struct opened {
    struct dg_result result;
    uint8_t type;
    struct dg_bytes plaintext;
};

// Parses and opens what lies in buffer, as the engine would.
static struct opened open_record(const struct peer_keys *keys, size_t size, const uint8_t *want_cid,
                                 size_t want_cid_size)
{
    struct dg_key_view view = peer_keys_view(keys, false);
    struct opened ret = {0};
    struct dg_record record;

    ret.result = dg_record_parse(buffer, size, CID_SIZE, &record);
    if (ret.result.outcome == DG_OK)
        ret.result = dg_record12_open(keys->ops, &view, &record, want_cid, want_cid_size, &ret.type, &ret.plaintext);
    return ret;
}

static bool dropped(const struct opened *opened, enum dg_counter reason)
{
    return opened->result.outcome == DG_DROP && opened->result.reason == reason;
}

static bool holds(const struct opened *opened, uint8_t type, const void *expected, size_t size)
{
    return opened->result.outcome == DG_OK && opened->type == type && opened->plaintext.size == size &&
           memcmp(opened->plaintext.data, expected, size) == 0;
}

// P2.1 to P2.5, P2.7: what a client seals we open, and what we seal opens again
DG_TEST(record12_round_trip_every_aead)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys keys = keys_of(suite);
        struct dg_key_view view = peer_keys_view(&keys, false);

        for (size_t size = 0; size < 300; size += 7) {
            for (size_t cid_size = 0; cid_size <= CID_SIZE; cid_size += CID_SIZE) {
                struct peer_record record = {.epoch = 1, .sequence = size, .type = 23, .data = data, .size = size,
                                             .cid = cid, .cid_size = cid_size};
                size_t made = peer_seal12(&keys, &record, buffer, sizeof buffer);
                struct opened opened = open_record(&keys, made, cid, cid_size);

                CHECK_MSG(holds(&opened, 23, data, size), "suite %zu size %zu", suite, size);
                made = dg_record12_seal(keys.ops, &view, 1, size, 21, cid, cid_size, data, size, buffer,
                                        sizeof buffer);
                CHECK_EQ(made, size + dg_record12_expansion(keys.aead, cid_size));
                opened = open_record(&keys, made, cid, cid_size);
                CHECK(holds(&opened, 21, data, size));
            }
        }
    }
}

// P2.8, attack 28: every bit of a record is protected
DG_TEST(record12_every_bit_flip_is_dropped)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        for (size_t cid_size = 0; cid_size <= CID_SIZE; cid_size += CID_SIZE) {
            struct peer_keys keys = keys_of(suite);
            struct peer_record record = {.epoch = 1, .sequence = 77, .type = 23, .data = "attack at dawn",
                                         .size = 14, .cid = cid, .cid_size = cid_size};
            size_t size = peer_seal12(&keys, &record, copy, sizeof copy);

            for (size_t bit = 0; bit < 8 * size; bit++) {
                struct opened opened;

                memcpy(buffer, copy, size);
                buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
                opened = open_record(&keys, size, cid, cid_size);
                CHECK_MSG(opened.result.outcome == DG_DROP, "suite %zu bit %zu opened", suite, bit);
            }
            memcpy(buffer, copy, size); // the record itself is still good
            CHECK_EQ(open_record(&keys, size, cid, cid_size).result.outcome, DG_OK);
        }
    }
}

// Attack 28: every truncation, with the length field made to fit, so that the AEAD must notice
DG_TEST(record12_every_truncation_is_dropped)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        for (size_t cid_size = 0; cid_size <= CID_SIZE; cid_size += CID_SIZE) {
            struct peer_keys keys = keys_of(suite);
            struct peer_record record = {.epoch = 1, .sequence = 3, .type = 23, .data = "0123456789", .size = 10,
                                         .cid = cid, .cid_size = cid_size};
            size_t size = peer_seal12(&keys, &record, copy, sizeof copy);
            size_t header = 13 + cid_size;

            for (size_t body = 0; body < size - header; body++) {
                struct opened opened;

                memcpy(buffer, copy, size);
                buffer[header - 2] = 0;
                buffer[header - 1] = (uint8_t)body;
                opened = open_record(&keys, header + body, cid, cid_size);
                CHECK_MSG(opened.result.outcome == DG_DROP, "suite %zu body %zu", suite, body);
            }
        }
    }
}

// P2.3, R2, attack 29: the two forms never pass for each other, nor does another's ID
DG_TEST(record12_cid_stripped_added_or_foreign)
{
    static const uint8_t other[CID_SIZE] = {9, 8, 7, 6, 5, 4, 3, 1};
    struct peer_keys keys = keys_of(0);
    struct peer_record record = {.epoch = 1, .sequence = 5, .type = 23, .data = "data", .size = 4, .cid = cid,
                                 .cid_size = CID_SIZE};
    size_t size = peer_seal12(&keys, &record, copy, sizeof copy);
    struct opened opened;

    // type 25 rewritten to 23 and the ID cut out: whether an ID is expected or not
    memcpy(buffer, copy, 11);
    memcpy(buffer + 11, copy + 11 + CID_SIZE, size - 11 - CID_SIZE);
    buffer[0] = 23;
    opened = open_record(&keys, size - CID_SIZE, cid, CID_SIZE);
    CHECK(dropped(&opened, DG_COUNT_DROP_CID_MISMATCH));
    opened = open_record(&keys, size - CID_SIZE, NULL, 0);
    CHECK(dropped(&opened, DG_COUNT_DROP_FORGED));

    // with an ID for somebody who has none, or another's
    memcpy(buffer, copy, size);
    opened = open_record(&keys, size, NULL, 0);
    CHECK(dropped(&opened, DG_COUNT_DROP_CID_MISMATCH));
    opened = open_record(&keys, size, other, CID_SIZE);
    CHECK(dropped(&opened, DG_COUNT_DROP_CID_MISMATCH));
    opened = open_record(&keys, size, cid, CID_SIZE);
    CHECK_EQ(opened.result.outcome, DG_OK);

    // the wire's ID replaced by the one that is expected: the AAD still knows
    memcpy(buffer, copy, size);
    memcpy(buffer + 11, other, CID_SIZE);
    opened = open_record(&keys, size, other, CID_SIZE);
    CHECK(dropped(&opened, DG_COUNT_DROP_FORGED));

    // a good record without an ID where one is expected
    record.cid_size = 0;
    size = peer_seal12(&keys, &record, buffer, sizeof buffer);
    opened = open_record(&keys, size, cid, CID_SIZE);
    CHECK(dropped(&opened, DG_COUNT_DROP_CID_MISMATCH));
}

// P2.4, RFC 9146 4
DG_TEST(record12_padding_0_to_1000_is_removed)
{
    struct peer_keys keys = keys_of(0);

    for (size_t padding = 0; padding <= 1000; padding++) {
        struct peer_record record = {.epoch = 1, .sequence = padding, .type = 23, .data = "ab\0", .size = 3,
                                     .cid = cid, .cid_size = CID_SIZE, .padding = padding};
        size_t size = peer_seal12(&keys, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, size, cid, CID_SIZE);

        CHECK_MSG(holds(&opened, 23, "ab\0", 3), "padding %zu", padding);
    }
}

// P2.4: a plaintext of zeros only has no type
DG_TEST(record12_inner_zeros_only_is_dropped)
{
    struct peer_keys keys = keys_of(0);

    for (size_t padding = 0; padding <= 100; padding++) {
        struct peer_record record = {.epoch = 1, .sequence = padding, .cid = cid, .cid_size = CID_SIZE,
                                     .padding = padding, .zeros_only = true};
        size_t size = peer_seal12(&keys, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, size, cid, CID_SIZE);

        CHECK(dropped(&opened, padding == 0 ? DG_COUNT_DROP_RECORD_MALFORMED : DG_COUNT_DROP_INNER_TYPE));
    }
}

// P2.4, P2.10: which types may stand inside
DG_TEST(record12_inner_type_table)
{
    struct peer_keys keys = keys_of(0);

    for (unsigned type = 1; type < 256; type++) {
        bool allowed = type == 21 || type == 22 || type == 23 || type == 27;
        struct peer_record record = {.epoch = 1, .type = (uint8_t)type, .data = "x", .size = 1, .cid = cid,
                                     .cid_size = CID_SIZE};
        size_t size = peer_seal12(&keys, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, size, cid, CID_SIZE);

        if (allowed)
            CHECK(holds(&opened, (uint8_t)type, "x", 1));
        else
            CHECK_MSG(dropped(&opened, DG_COUNT_DROP_INNER_TYPE), "type %u", type);
    }
}

// An authentic ChangeCipherSpec or ACK without ID has no place either.
DG_TEST(record12_outer_type_table)
{
    static const uint8_t types[] = {20, 21, 22, 23, 26};
    struct peer_keys keys = keys_of(0);

    for (size_t i = 0; i < COUNT(types); i++) {
        bool allowed = types[i] >= 21 && types[i] <= 23;
        struct peer_record record = {.epoch = 1, .type = types[i], .data = "x", .size = 1};
        size_t size = peer_seal12(&keys, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, size, NULL, 0);

        CHECK(allowed ? holds(&opened, types[i], "x", 1) : dropped(&opened, DG_COUNT_DROP_INNER_TYPE));
    }
}

// P2.4: 2^14 bytes of plaintext, of which an ID record spends one on the type (RFC 9146 5)
DG_TEST(record12_largest_plaintext)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys keys = keys_of(suite);
        struct dg_key_view view = peer_keys_view(&keys, false);

        for (size_t cid_size = 0; cid_size <= CID_SIZE; cid_size += CID_SIZE) {
            size_t most = cid_size > 0 ? 16383 : 16384;

            for (size_t size = most - 1; size <= most + 1; size++) {
                struct peer_record record = {.epoch = 1, .sequence = size, .type = 23, .data = data, .size = size,
                                             .cid = cid, .cid_size = cid_size};
                size_t made = peer_seal12(&keys, &record, buffer, sizeof buffer);
                struct opened opened = open_record(&keys, made, cid, cid_size);

                CHECK(size <= most ? holds(&opened, 23, data, size) : dropped(&opened, DG_COUNT_DROP_RECORD_TOO_LONG));
                made = dg_record12_seal(keys.ops, &view, 1, 1, 23, cid, cid_size, data, size, buffer, sizeof buffer);
                CHECK_EQ(made != 0, size <= most);
            }
        }
    }
}

// P2.9, RFC 6347 4.1, attack 27: the last number is used, the one behind it never
DG_TEST(record12_number_never_wraps)
{
    const uint64_t last = (UINT64_C(1) << 48) - 1;

    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys keys = keys_of(suite);
        struct dg_key_view view = peer_keys_view(&keys, false);
        size_t made = dg_record12_seal(keys.ops, &view, 1, last, 23, NULL, 0, "x", 1, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, made, NULL, 0);

        CHECK(holds(&opened, 23, "x", 1));
        CHECK_EQ(dg_record12_seal(keys.ops, &view, 1, last + 1, 23, NULL, 0, "x", 1, buffer, sizeof buffer), 0);
        CHECK_EQ(dg_record12_seal(keys.ops, &view, 1, UINT64_MAX, 23, NULL, 0, "x", 1, buffer, sizeof buffer), 0);
    }
    CHECK_EQ(dg_record12_plain(last + 1, 20, "\1", 1, buffer, sizeof buffer), 0);
    CHECK_EQ(dg_record12_plain(last, 20, "\1", 1, buffer, sizeof buffer), 14);
}

// P2.5, RFC 9325 7.2.1: what we send carries epoch || number, and so no nonce comes twice
DG_TEST(record12_explicit_nonce_is_epoch_and_number)
{
    struct peer_keys keys = keys_of(0);
    struct dg_key_view view = peer_keys_view(&keys, false);

    for (uint64_t sequence = 0; sequence < 300; sequence++) {
        static const uint8_t epoch[2] = {0, 1};

        (void)!dg_record12_seal(keys.ops, &view, 1, sequence, 23, cid, CID_SIZE, "x", 1, buffer, sizeof buffer);
        CHECK_MEM(buffer + 13 + CID_SIZE, epoch, 2);
        CHECK_MEM(buffer + 13 + CID_SIZE, buffer + 3, 8); // the record's own epoch and number
    }
}

// RFC 5288 3: a client may choose its explicit nonces; wolfSSL's counts from a random start
DG_TEST(record12_any_explicit_nonce_of_the_client_opens)
{
    static const uint8_t chosen[8] = {0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4};

    for (size_t suite = 0; suite < 4; suite++) {
        struct peer_keys keys = keys_of(suite);
        struct peer_record record = {.epoch = 1, .sequence = 4, .type = 23, .data = "x", .size = 1,
                                     .explicit_nonce = chosen};
        size_t size = peer_seal12(&keys, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&keys, size, NULL, 0);

        CHECK(holds(&opened, 23, "x", 1));
    }
}

// R4: the peer's ID may have any length; a buffer that is a byte too small gets nothing
DG_TEST(record12_seal_with_every_peer_cid_length_and_capacity)
{
    static const uint8_t long_cid[255] = {1, 2, 3};
    struct peer_keys keys = keys_of(0);
    struct dg_key_view view = peer_keys_view(&keys, false);

    for (size_t cid_size = 0; cid_size <= 255; cid_size++) {
        size_t exact = 5 + dg_record12_expansion(keys.aead, cid_size);
        struct dg_record record;
        struct dg_bytes plaintext;
        uint8_t type;

        CHECK_EQ(dg_record12_seal(keys.ops, &view, 1, 1, 23, long_cid, cid_size, "hello", 5, buffer, exact - 1), 0);
        REQUIRE(dg_record12_seal(keys.ops, &view, 1, 1, 23, long_cid, cid_size, "hello", 5, buffer, exact) == exact);
        REQUIRE(dg_record_parse(buffer, exact, cid_size, &record).outcome == DG_OK);
        REQUIRE(dg_record12_open(keys.ops, &view, &record, long_cid, cid_size, &type, &plaintext).outcome == DG_OK);
        CHECK_EQ(plaintext.size, 5);
    }
}

DG_TEST(record12_keys_of_another_association_do_not_open)
{
    for (size_t suite = 0; suite < COUNT(SUITES); suite++) {
        struct peer_keys ours = keys_of(suite);
        struct peer_keys theirs = peer_keys_any(SUITES[suite].ops, SUITES[suite].aead, DG_HASH_SHA256, false, 2);
        struct peer_record record = {.epoch = 1, .sequence = 4, .type = 23, .data = "x", .size = 1};
        size_t size = peer_seal12(&theirs, &record, buffer, sizeof buffer);
        struct opened opened = open_record(&ours, size, NULL, 0);

        CHECK(dropped(&opened, DG_COUNT_DROP_FORGED));
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(record12_round_trip_every_aead),
    DG_CASE(record12_every_bit_flip_is_dropped),
    DG_CASE(record12_every_truncation_is_dropped),
    DG_CASE(record12_cid_stripped_added_or_foreign),
    DG_CASE(record12_padding_0_to_1000_is_removed),
    DG_CASE(record12_inner_zeros_only_is_dropped),
    DG_CASE(record12_inner_type_table),
    DG_CASE(record12_outer_type_table),
    DG_CASE(record12_largest_plaintext),
    DG_CASE(record12_number_never_wraps),
    DG_CASE(record12_explicit_nonce_is_epoch_and_number),
    DG_CASE(record12_any_explicit_nonce_of_the_client_opens),
    DG_CASE(record12_seal_with_every_peer_cid_length_and_capacity),
    DG_CASE(record12_keys_of_another_association_do_not_open),
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
