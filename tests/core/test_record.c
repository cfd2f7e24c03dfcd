// SPDX-License-Identifier: GPL-3.0-or-later
// Finding records in datagrams: the table of first bytes, lengths that lie, several records, every
// truncation. No cryptography.
#include "check.h"
#include "core/aead.h"
#include "core/record.h"
#include "support/peer_records.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define CID_SIZE 8

static uint8_t datagram[2 * PEER_RECORD_MAX];
static const uint8_t cid[CID_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};

static struct dg_result parse(size_t size, struct dg_record *record)
{
    return dg_record_parse(datagram, size, CID_SIZE, record);
}

static void expect_drop(size_t size, enum dg_counter reason)
{
    struct dg_record record;
    struct dg_result result = parse(size, &record);

    CHECK_EQ(result.outcome, DG_DROP);
    CHECK_STR(dg_counter_name(result.reason), dg_counter_name(reason));
}

DG_TEST(record_empty_datagram)
{
    expect_drop(0, DG_COUNT_DROP_EMPTY);
}

// RFC 9147 4.1, figure 5; RFC 9146 3; RFC 9853 4
DG_TEST(record_first_byte_table)
{
    for (unsigned first = 0; first < 256; first++) {
        struct dg_record record;
        struct dg_result result;
        bool is_12 = (first >= 20 && first <= 23) || first == 26 || first == 27;
        bool is_unified = first >= 32 && first <= 63;

        memset(datagram, 0, 64);
        datagram[0] = (uint8_t)first;
        if (!is_unified) {
            datagram[1] = 0xfe;
            datagram[2] = 0xfd;
            datagram[4] = 1; // the epoch
        }
        result = parse(64, &record);
        if (is_12 || first == 25 || is_unified) {
            CHECK_MSG(result.outcome == DG_OK, "first byte %u", first);
            CHECK_EQ(record.type, first);
            CHECK_EQ(record.is_unified, is_unified);
            CHECK_EQ(record.cid != NULL, first == 25 || (is_unified && (first & 0x10) != 0));
        } else {
            CHECK_MSG(result.outcome == DG_DROP && result.reason == DG_COUNT_DROP_UNKNOWN_TYPE, "first byte %u",
                      first);
        }
    }
    // RFC 9853 4: never in clear.
    memset(datagram, 0, 64);
    memcpy(datagram, "\x1b\xfe\xfd", 3);
    expect_drop(64, DG_COUNT_DROP_UNKNOWN_TYPE);
}

// RFC 6347 4.1
DG_TEST(record_12_header_fields)
{
    struct dg_record record;
    size_t size = peer_plain(23, 0xfefd, 0xabcd, UINT64_C(0x123456789abc), "xyz", 3, datagram, sizeof datagram);

    REQUIRE(parse(size, &record).outcome == DG_OK);
    CHECK_EQ(record.epoch, 0xabcd);
    CHECK_EQ(record.sequence, UINT64_C(0x123456789abc));
    CHECK_EQ(record.header_size, 13);
    CHECK_EQ(record.size, 16);
    CHECK(record.start == datagram);
    CHECK(record.cid == NULL);
    CHECK_EQ(record.cid_size, 0);
}

// RFC 9147 5.3: the version of an unprotected record is ignored; noise and protected records of another are not
DG_TEST(record_12_version_rules)
{
    static const struct {
        uint16_t version, epoch;
        bool ok;
    } cases[] = {{0xfefd, 0, true},  {0xfeff, 0, true},  {0xfefc, 0, true},  {0x0303, 0, false}, {0xfdfd, 0, false},
                 {0xfefd, 1, true},  {0xfeff, 1, false}, {0xfefc, 1, false}, {0x0303, 1, false}, {0xfefd, 65535, true}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dg_record record;
        size_t size = peer_plain(22, cases[i].version, cases[i].epoch, 0, "abc", 3, datagram, sizeof datagram);

        CHECK_MSG((parse(size, &record).outcome == DG_OK) == cases[i].ok, "case %zu", i);
    }
}

// RFC 9146 3: plaintext never has a connection ID; and who issues none cannot be sent one
DG_TEST(record_cid_where_none_can_be)
{
    struct dg_record record;
    struct dg_result result;

    (void)peer_plain(25, 0xfefd, 0, 5, NULL, 0, datagram, sizeof datagram);
    memset(datagram + 11, 0, 40);
    expect_drop(51, DG_COUNT_DROP_RECORD_MALFORMED);

    datagram[4] = 1;
    result = dg_record_parse(datagram, 51, 0, &record);
    CHECK(result.outcome == DG_DROP && result.reason == DG_COUNT_DROP_CID_MISMATCH);
    datagram[0] = 0x3f;
    result = dg_record_parse(datagram, 51, 0, &record);
    CHECK(result.outcome == DG_DROP && result.reason == DG_COUNT_DROP_CID_MISMATCH);
}

// RFC 9147 4, figure 3: where each of the eight forms puts its fields
DG_TEST(record_unified_header_forms)
{
    for (unsigned form = 0; form < 8; form++) {
        for (unsigned epoch = 0; epoch < 4; epoch++) {
            bool with_cid = (form & 4) != 0, wide = (form & 2) != 0, with_length = (form & 1) != 0;
            size_t header = 1 + (with_cid ? CID_SIZE : 0u) + (wide ? 2u : 1u) + (with_length ? 2u : 0u);
            struct dg_record record;

            memset(datagram, 0, 200);
            datagram[0] = (uint8_t)(0x20 | form << 2 | epoch);
            memcpy(datagram + 1, cid, with_cid ? CID_SIZE : 0);
            if (with_length)
                datagram[header - 1] = 40;
            REQUIRE(parse(100, &record).outcome == DG_OK);
            CHECK_EQ(record.header_size, header);
            CHECK_EQ(record.size, with_length ? header + 40 : 100); // L=0 takes the rest
            CHECK_EQ(record.epoch, epoch);
            CHECK_EQ(record.sequence, 0);
            CHECK_EQ(record.cid_size, with_cid ? CID_SIZE : 0);
            CHECK_EQ(record.cid != NULL, with_cid);
            if (with_cid)
                CHECK_MEM(record.cid, cid, CID_SIZE);
        }
    }
}

// Every shape of record, cut at every place: never a crash, never a record that passes its datagram.
DG_TEST(record_every_truncation_is_dropped)
{
    for (unsigned shape = 0; shape < 10; shape++) {
        struct peer_keys keys = peer_keys_any(&dg_null_aead, DG_AEAD_AES_128_GCM, DG_HASH_SHA256, shape < 8, 0);
        struct peer_record record = {.epoch = 1, .sequence = 9, .type = 23, .data = "hello", .size = 5,
                                     .cid = cid, .cid_size = shape & 1 ? CID_SIZE : 0,
                                     .short_number = (shape & 2) != 0, .no_length = (shape & 4) != 0};
        size_t size = shape < 8 ? peer_seal13(&keys, &record, datagram, sizeof datagram)
                                : peer_seal12(&keys, &record, datagram, sizeof datagram);
        struct dg_record parsed;

        REQUIRE(parse(size, &parsed).outcome == DG_OK);
        CHECK_EQ(parsed.size, size);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *exact = malloc(cut + (cut == 0)); // so that the sanitizer sees a byte too many
            struct dg_result result;

            REQUIRE(exact != NULL);
            memcpy(exact, datagram, cut);
            result = dg_record_parse(exact, cut, CID_SIZE, &parsed);
            if (shape < 8 && (shape & 4) != 0 && result.outcome == DG_OK)
                CHECK_EQ(parsed.size, cut); // L=0: whatever is left is the record
            else
                CHECK_MSG(result.outcome == DG_DROP, "shape %u cut at %zu", shape, cut);
            free(exact);
        }
    }
}

// R6: a length that is too long by one, zero, exact
DG_TEST(record_length_against_datagram)
{
    struct dg_record record;

    for (unsigned length = 0; length < 50; length++) {
        memset(datagram, 0, 64);
        datagram[0] = 23;
        datagram[1] = 0xfe;
        datagram[2] = 0xfd;
        datagram[4] = 1;
        datagram[12] = (uint8_t)length;
        if (length <= 30) {
            REQUIRE(parse(13 + 30, &record).outcome == DG_OK);
            CHECK_EQ(record.size, 13 + length);
        } else {
            expect_drop(13 + 30, DG_COUNT_DROP_RECORD_MALFORMED);
        }
        memset(datagram, 0, 64);
        datagram[0] = 0x2c; // S=1, L=1
        datagram[4] = (uint8_t)length;
        if (length <= 30) {
            REQUIRE(parse(5 + 30, &record).outcome == DG_OK);
            CHECK_EQ(record.size, 5 + length);
        } else {
            expect_drop(5 + 30, DG_COUNT_DROP_RECORD_MALFORMED);
        }
    }
}

// RFC 8446 5.2: no ciphertext is longer than 2^14 + 256
DG_TEST(record_longer_than_any_ciphertext)
{
    struct dg_record record;
    const size_t most = 16384 + 256;

    memset(datagram, 0, sizeof datagram);
    for (size_t length = most - 1; length <= most + 2; length++) {
        enum dg_outcome expected = length <= most ? DG_OK : DG_DROP;
        struct dg_result result;

        datagram[0] = 23;
        datagram[1] = 0xfe;
        datagram[2] = 0xfd;
        datagram[4] = 1;
        datagram[11] = (uint8_t)(length >> 8);
        datagram[12] = (uint8_t)length;
        result = parse(13 + length, &record);
        CHECK_EQ(result.outcome, expected);
        CHECK(expected == DG_OK || result.reason == DG_COUNT_DROP_RECORD_TOO_LONG);
        datagram[0] = 0x2c;
        datagram[3] = (uint8_t)(length >> 8);
        datagram[4] = (uint8_t)length;
        CHECK_EQ(parse(5 + length, &record).outcome, expected);
        datagram[0] = 0x28; // L=0
        CHECK_EQ(parse(3 + length, &record).outcome, expected);
    }
}

// R6: records back to back, of both versions and with and without ID; L=0 ends the walk with what is left
DG_TEST(record_several_in_one_datagram)
{
    struct peer_keys keys12 = peer_keys_any(&dg_null_aead, DG_AEAD_AES_128_GCM, DG_HASH_SHA256, false, 0);
    struct peer_keys keys13 = peer_keys_any(&dg_null_aead, DG_AEAD_AES_128_GCM, DG_HASH_SHA256, true, 0);
    struct peer_record plain = {.epoch = 1, .sequence = 1, .type = 23, .data = "one", .size = 3};
    struct peer_record with_cid = {.epoch = 1, .sequence = 2, .type = 23, .data = "two", .size = 3, .cid = cid,
                                   .cid_size = CID_SIZE};
    struct peer_record last = {.epoch = 3, .sequence = 3, .type = 23, .data = "last", .size = 4, .no_length = true};
    size_t sizes[5], size = 0, at = 0;

    sizes[0] = peer_seal12(&keys12, &plain, datagram, sizeof datagram);
    size += sizes[0];
    sizes[1] = peer_seal12(&keys12, &with_cid, datagram + size, sizeof datagram - size);
    size += sizes[1];
    sizes[2] = peer_seal13(&keys13, &plain, datagram + size, sizeof datagram - size);
    size += sizes[2];
    sizes[3] = peer_seal13(&keys13, &with_cid, datagram + size, sizeof datagram - size);
    size += sizes[3];
    sizes[4] = peer_seal13(&keys13, &last, datagram + size, sizeof datagram - size);
    sizes[4] += 7; // bytes behind an L=0 record are its own
    memset(datagram + size + sizes[4] - 7, 0x5a, 7);
    size += sizes[4];
    for (unsigned i = 0; i < 5; i++) {
        struct dg_record record;

        REQUIRE(dg_record_parse(datagram + at, size - at, CID_SIZE, &record).outcome == DG_OK);
        CHECK_EQ(record.size, sizes[i]);
        at += record.size;
    }
    CHECK_EQ(at, size);
}

// Noise never makes a record that leaves its datagram, whatever it is.
DG_TEST(record_random_bytes_stay_inside)
{
    struct test_random random = {.state = dg_test_seed()};

    for (unsigned round = 0; round < 200000; round++) {
        size_t size = (size_t)test_random_below(&random, 64);
        struct dg_record record;
        uint8_t bytes[64];

        test_random_fill(&random, bytes, size);
        if (size > 3 && test_random_permille(&random, 700)) {
            static const uint8_t firsts[] = {20, 21, 22, 23, 25, 26, 0x2c, 0x3f, 0x28, 0x30};

            bytes[0] = firsts[test_random_below(&random, COUNT(firsts))];
            bytes[1] = 0xfe;
            bytes[2] = 0xfd;
        }
        if (dg_record_parse(bytes, size, CID_SIZE, &record).outcome != DG_OK)
            continue;
        REQUIRE(record.start == bytes && record.size <= size && record.header_size <= record.size);
        if (record.cid != NULL)
            REQUIRE(record.cid > bytes && record.cid + record.cid_size <= bytes + record.header_size);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(record_empty_datagram),
    DG_CASE(record_first_byte_table),
    DG_CASE(record_12_header_fields),
    DG_CASE(record_12_version_rules),
    DG_CASE(record_cid_where_none_can_be),
    DG_CASE(record_unified_header_forms),
    DG_CASE(record_every_truncation_is_dropped),
    DG_CASE(record_length_against_datagram),
    DG_CASE(record_longer_than_any_ciphertext),
    DG_CASE(record_several_in_one_datagram),
    DG_CASE(record_random_bytes_stay_inside),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
