// SPDX-License-Identifier: GPL-3.0-or-later
// The reading of ClientHellos beside a second, plain parser: every truncation, every byte, and many
// mutations. Blocks are copied to the heap in their exact size, so that a sanitizer sees who reads on.
#include "check.h"
#include "core/hello.h"
#include "support/fake_handshake.h"
#include "support/naive_hello.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

#define HEADERS (DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER)

// --- hellos to start from ------------------------------------------------------------------------------

static void put16(struct dg_writer *writer, uint16_t a, uint16_t b)
{
    dg_write_u16(writer, a);
    dg_write_u16(writer, b);
}

// One that has everything: 1.3 with cookie, CID, rrc, key shares and two PSKs.
static size_t rich_body(uint8_t *out, size_t capacity)
{
    struct dg_writer w = dg_writer_of(out, capacity);
    dg_write_u16(&w, 0xfefd);
    dg_write_zeros(&w, 32);
    dg_write_u16(&w, 0); // no session, no cookie
    dg_write_u16(&w, 4);
    put16(&w, 0x1301, 0xc02b);
    dg_write_u16(&w, 0x0100);
    size_t all = dg_write_open(&w, 2);
    put16(&w, 43, 5);
    dg_write_u8(&w, 4);
    put16(&w, 0xfefc, 0xfefd);
    put16(&w, 44, 6);
    put16(&w, 4, 0x1234);
    dg_write_u16(&w, 0x5678);
    put16(&w, 54, 3);
    dg_write_u8(&w, 2);
    dg_write_u16(&w, 0xabcd);
    put16(&w, 61, 0);
    put16(&w, 51, 2 + 4 + 3);
    put16(&w, 4 + 3, 23);
    dg_write_u16(&w, 3);
    dg_write_u24(&w, 0x040506);
    dg_write_u16(&w, 41);
    size_t psk = dg_write_open(&w, 2);
    size_t list = dg_write_open(&w, 2);
    for (int i = 0; i < 2; i++) {
        dg_write_u16(&w, 3);
        dg_write_u24(&w, 0x616263);
        dg_write_u32(&w, 0);
    }
    dg_write_close(&w, list, 2);
    list = dg_write_open(&w, 2);
    for (int i = 0; i < 2; i++) {
        dg_write_u8(&w, 32);
        dg_write_zeros(&w, 32);
    }
    dg_write_close(&w, list, 2);
    dg_write_close(&w, psk, 2);
    dg_write_close(&w, all, 2);
    return w.failed ? 0 : dg_writer_size(&w);
}

#define BODIES 5
static size_t some_body(unsigned which, uint8_t *out, size_t capacity)
{
    if (which == 0) {
        return rich_body(out, capacity);
    }
    uint8_t record[4096];
    struct toy_client client = toy_client_new("192.0.2.1:4000", "192.0.2.9:5684", which % 2 == 1, which);
    client.offers_cid = which > 2;
    client.cid_size = which;
    client.cookie_size = which;
    client.hello_bytes = which == 4 ? 300 : 0;
    size_t size = toy_hello(&client, record, sizeof record);
    memcpy(out, record + HEADERS, size - HEADERS);
    return size - HEADERS;
}

static bool inside(struct dg_bytes part, const uint8_t *data, size_t size)
{
    return part.size == 0 || (part.data >= data && part.data + part.size <= data + size);
}

static struct dg_result parse(const uint8_t *body, size_t size, struct dg_hello *ret)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, body, size);
    struct dg_hello hello = {0};
    struct dg_result result = dg_hello_parse((struct dg_bytes){copy, size}, &hello);
    if (result.outcome == DG_OK) {
        CHECK(inside(hello.random, copy, size) && hello.random.size == 32);
        CHECK(inside(hello.session_id, copy, size) && inside(hello.cookie, copy, size));
        CHECK(inside(hello.suites, copy, size) && inside(hello.compression, copy, size));
        CHECK(inside(hello.cookie_extension, copy, size) && inside(hello.cid, copy, size));
        CHECK(hello.cid.size <= DG_CID_PEER_MAX);
    } else {
        CHECK(hello.random.data == NULL); // ret is untouched
    }
    free(copy);
    if (ret != NULL) {
        *ret = hello; // blocks dangle: sizes and flags only
    }
    return result;
}

DG_TEST(hello_reads_both_versions)
{
    uint8_t body[4096];
    struct dg_hello hello;
    size_t size = rich_body(body, sizeof body);
    REQUIRE(size > 0);
    CHECK_EQ(parse(body, size, &hello).outcome, DG_OK);
    CHECK(hello.offers_13 && hello.offers_12 && hello.has_cookie_extension && hello.has_cid && hello.has_rrc);
    CHECK_EQ(hello.cookie_extension.size, 4);
    CHECK_EQ(hello.cid.size, 2);
    CHECK_EQ(hello.suites.size, 4);
    size = some_body(2, body, sizeof body);
    CHECK_EQ(parse(body, size, &hello).outcome, DG_OK);
    CHECK(!hello.offers_13 && hello.offers_12 && !hello.has_cookie_extension && !hello.has_cid);
    CHECK_EQ(hello.cookie.size, 2);
}

// Attack 8: every length that passes its parent's end.
DG_TEST(hello_truncated_anywhere_is_malformed)
{
    for (unsigned which = 0; which < BODIES; which++) {
        uint8_t body[4096];
        size_t size = some_body(which, body, sizeof body);
        for (size_t cut = 0; cut < size; cut++) {
            struct dg_result result = parse(body, cut, NULL);
            // One cut leaves a whole hello: where the extensions, which may be absent, begin.
            bool is_whole = naive_hello_accepts(body, cut);
            CHECK_EQ(result.outcome, is_whole ? DG_OK : DG_DROP);
        }
        body[size] = 0;
        CHECK_EQ(parse(body, size + 1, NULL).outcome, DG_DROP);
    }
}

DG_TEST(hello_every_byte_changed_agrees_with_the_second_parser)
{
    for (unsigned which = 0; which < BODIES; which++) {
        uint8_t body[4096];
        size_t size = some_body(which, body, sizeof body);
        CHECK(naive_hello_accepts(body, size));
        for (size_t at = 0; at < size; at++) {
            uint8_t old = body[at];
            for (unsigned value = 0; value < 256; value++) {
                body[at] = (uint8_t)value;
                bool ours = parse(body, size, NULL).outcome == DG_OK;
                CHECK_MSG(ours == naive_hello_accepts(body, size), "hello %u, byte %zu, value %u", which, at, value);
            }
            body[at] = old;
        }
    }
}

DG_TEST(hello_mutations_agree_with_the_second_parser)
{
    struct test_random random = {.state = dg_test_seed()};
    unsigned accepted = 0;
    for (unsigned round = 0; round < 100000; round++) {
        uint8_t body[4096];
        size_t size = some_body((unsigned)test_random_below(&random, BODIES), body, sizeof body);
        unsigned changes = 1 + (unsigned)test_random_below(&random, 4);
        for (unsigned i = 0; i < changes; i++) {
            size_t at = test_random_below(&random, size);
            switch (test_random_below(&random, 4)) {
            case 0:
                body[at] = (uint8_t)test_random_next(&random);
                break;
            case 1:
                body[at] = (uint8_t)(body[at] + 1);
                break;
            case 2: // a piece is doubled, and lengths are no longer what they were
                if (size < 2000) {
                    memmove(body + at + 4, body + at, size - at);
                    size += 4;
                }
                break;
            default: // a piece is missing
                if (size > at + 4) {
                    memmove(body + at, body + at + 2, size - at - 2);
                    size -= 2;
                }
                break;
            }
        }
        bool ours = parse(body, size, NULL).outcome == DG_OK;
        accepted += ours;
        CHECK_MSG(ours == naive_hello_accepts(body, size), "round %u", round);
    }
    CHECK_MSG(accepted > 1000, "only %u were accepted: the mutations prove little", accepted);
}

// Attack 9 and F11: no connection ID above the limit reaches the TLS library.
DG_TEST(hello_connection_id_above_the_limit_is_refused)
{
    for (size_t cid_size = 0; cid_size <= 255; cid_size++) {
        for (int is_13 = 0; is_13 < 2; is_13++) {
            uint8_t record[1024];
            struct toy_client client = toy_client_new("192.0.2.1:4000", "192.0.2.9:5684", is_13 != 0, 1);
            client.offers_cid = true;
            client.cid_size = cid_size;
            size_t size = toy_hello(&client, record, sizeof record);
            REQUIRE(size > 0);
            struct dg_result result = parse(record + HEADERS, size - HEADERS, NULL);
            CHECK_EQ(result.outcome, cid_size <= DG_CID_PEER_MAX ? DG_OK : DG_DROP);
            CHECK_EQ(result.reason, cid_size <= DG_CID_PEER_MAX ? DG_COUNT_NONE : DG_COUNT_DROP_HELLO_CID_LENGTH);
        }
    }
}

// Attack 11 and B1: RFC 9325 3.1.2, nothing below DTLS 1.2, and no version that nobody knows.
DG_TEST(hello_of_other_versions_is_refused)
{
    uint8_t body[4096];
    size_t size = some_body(2, body, sizeof body);
    for (unsigned version = 0; version <= 0xffff; version++) {
        body[0] = (uint8_t)(version >> 8);
        body[1] = (uint8_t)version;
        struct dg_result result = parse(body, size, NULL);
        CHECK_EQ(result.outcome, version == DG_VERSION_DTLS12 ? DG_OK : DG_DROP);
        CHECK_EQ(result.reason, version == DG_VERSION_DTLS12 ? DG_COUNT_NONE : DG_COUNT_DROP_HELLO_VERSION);
    }
    size = rich_body(body, sizeof body);
    REQUIRE(body[47] == 43 && body[50] == 4 && body[51] == 0xfe); // supported_versions
    body[52] = 0xff; // DTLS 1.0 in place of 1.3: 1.2 is left
    CHECK_EQ(parse(body, size, NULL).outcome, DG_OK);
    body[54] = 0xff;
    CHECK_EQ(parse(body, size, NULL).reason, DG_COUNT_DROP_HELLO_VERSION);
}

// RFC 8446 4.2: each extension once; and a bound on how many there are.
DG_TEST(hello_extensions_come_once_and_not_without_end)
{
    uint8_t body[4096], head[64];
    struct toy_client client = toy_client_new("192.0.2.1:4000", "192.0.2.9:5684", false, 1);
    uint8_t record[256];
    size_t head_size = toy_hello(&client, record, sizeof record) - HEADERS;
    memcpy(head, record + HEADERS, head_size);
    for (size_t count = 0; count <= 80; count++) {
        for (int twice = 0; twice < 2; twice++) {
            struct dg_writer writer = dg_writer_of(body, sizeof body);
            dg_write_bytes(&writer, head, head_size);
            size_t all = dg_write_open(&writer, 2);
            for (size_t i = 0; i < count; i++) {
                dg_write_u16(&writer, (uint16_t)(1000 + (twice != 0 && i + 1 == count ? 0 : i)));
                dg_write_u16(&writer, 0);
            }
            dg_write_close(&writer, all, 2);
            bool fits = count <= DG_HELLO_EXTENSIONS_MAX && (twice == 0 || count < 2);
            CHECK_EQ(parse(body, dg_writer_size(&writer), NULL).outcome, fits ? DG_OK : DG_DROP);
        }
    }
}

// RFC 5246 7.4.1.2: a session ID has 32 bytes at most. RFC 8446 4.2.11: pre_shared_key is the last extension, for
// its binders cover what stands before it.
DG_TEST(hello_session_id_is_short_and_pre_shared_key_stands_last)
{
    uint8_t body[4096];
    for (size_t session = 0; session <= 255; session++) {
        struct dg_writer writer = dg_writer_of(body, sizeof body);
        dg_write_u16(&writer, DG_VERSION_DTLS12);
        dg_write_zeros(&writer, 32);
        dg_write_u8(&writer, (uint8_t)session);
        dg_write_zeros(&writer, session + 1); // and no cookie
        put16(&writer, 2, 0xc02b);
        dg_write_u16(&writer, 0x0100);
        CHECK_EQ(parse(body, dg_writer_size(&writer), NULL).outcome, session <= 32 ? DG_OK : DG_DROP);
    }
    size_t size = rich_body(body, sizeof body);
    CHECK_EQ(parse(body, size, NULL).outcome, DG_OK);
    size_t all = (size_t)body[44] << 8 | body[45];
    REQUIRE(46 + all == size);
    static const uint8_t behind[] = {0, 23, 0, 0}; // extended_master_secret
    memcpy(body + size, behind, sizeof behind);
    all += sizeof behind;
    body[44] = (uint8_t)(all >> 8);
    body[45] = (uint8_t)all;
    CHECK_EQ(parse(body, size + sizeof behind, NULL).outcome, DG_DROP);
}

// F7: what a hello without a cookie may make us look up is bounded.
DG_TEST(hello_with_many_psk_identities_is_refused)
{
    for (unsigned count = 0; count <= 40; count++) {
        uint8_t body[4096];
        size_t size = rich_body(body, sizeof body);
        size_t at = size - (2 + 2 * 9 + 2 + 2 * 33) - 4; // its last extension
        REQUIRE(body[at] == 0 && body[at + 1] == 41);
        struct dg_writer writer = dg_writer_of(body + at + 2, sizeof body - at - 2);
        size_t psk = dg_write_open(&writer, 2), list = dg_write_open(&writer, 2);
        for (unsigned i = 0; i < count; i++) {
            dg_write_u16(&writer, 1);
            dg_write_u8(&writer, (uint8_t)i);
            dg_write_u32(&writer, 0);
        }
        dg_write_close(&writer, list, 2);
        list = dg_write_open(&writer, 2);
        for (unsigned i = 0; i < count; i++) {
            dg_write_u8(&writer, 32);
            dg_write_zeros(&writer, 32);
        }
        dg_write_close(&writer, list, 2);
        dg_write_close(&writer, psk, 2);
        size = at + 2 + dg_writer_size(&writer);
        size_t extensions = 46; // their length: version 2, random 32, 1, 1, suites 6, compression 2, then +2
        REQUIRE(size > extensions);
        body[44] = (uint8_t)((size - extensions) >> 8);
        body[45] = (uint8_t)(size - extensions);
        CHECK_EQ(parse(body, size, NULL).outcome, count >= 1 && count <= DG_HELLO_PSK_MAX ? DG_OK : DG_DROP);
    }
}

// Attacks 4, 5 and 7: the header of a part, all small values of its three numbers.
DG_TEST(hello_fragment_headers_are_judged)
{
    for (uint32_t length = 0; length < 40; length++) {
        for (uint32_t offset = 0; offset < 45; offset++) {
            for (uint32_t part = 0; part < 45; part++) {
                uint8_t bytes[128];
                struct dg_writer writer = dg_writer_of(bytes, sizeof bytes);
                dg_write_u8(&writer, 1);
                dg_write_u24(&writer, length);
                dg_write_u16(&writer, 7);
                dg_write_u24(&writer, offset);
                dg_write_u24(&writer, part);
                dg_write_zeros(&writer, part);
                struct dg_handshake_fragment fragment;
                struct dg_bytes body = {bytes, dg_writer_size(&writer)};
                bool fits = part > 0 && offset + part <= length;
                CHECK_EQ(dg_handshake_fragment_parse(body, &fragment).outcome, fits ? DG_OK : DG_DROP);
                body.size++; // one byte too many in the record
                CHECK_EQ(dg_handshake_fragment_parse(body, &fragment).outcome, DG_DROP);
                body.size -= 2;
                CHECK_EQ(dg_handshake_fragment_parse(body, &fragment).outcome, DG_DROP);
            }
        }
    }
}

// Attack 5: the length is a stranger's word.
DG_TEST(hello_length_above_the_limit_is_refused)
{
    const uint32_t lengths[] = {DG_HELLO_BODY_MAX, DG_HELLO_BODY_MAX + 1, 0x10000, 0xffffff};
    for (size_t i = 0; i < 4; i++) {
        uint8_t bytes[20] = {0};
        struct dg_writer writer = dg_writer_of(bytes, sizeof bytes);
        dg_write_u8(&writer, 1);
        dg_write_u24(&writer, lengths[i]);
        dg_write_u16(&writer, 0);
        dg_write_u24(&writer, 0);
        dg_write_u24(&writer, 8);
        struct dg_handshake_fragment fragment;
        struct dg_result result = dg_handshake_fragment_parse((struct dg_bytes){bytes, sizeof bytes}, &fragment);
        CHECK_EQ(result.outcome, i == 0 ? DG_OK : DG_DROP);
        CHECK_EQ(result.reason, i == 0 ? DG_COUNT_NONE : DG_COUNT_DROP_RECORD_TOO_LONG);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(hello_reads_both_versions),
        DG_CASE(hello_truncated_anywhere_is_malformed),
        DG_CASE(hello_every_byte_changed_agrees_with_the_second_parser),
        DG_CASE(hello_mutations_agree_with_the_second_parser),
        DG_CASE(hello_connection_id_above_the_limit_is_refused),
        DG_CASE(hello_of_other_versions_is_refused),
        DG_CASE(hello_extensions_come_once_and_not_without_end),
        DG_CASE(hello_session_id_is_short_and_pre_shared_key_stands_last),
        DG_CASE(hello_with_many_psk_identities_is_refused),
        DG_CASE(hello_fragment_headers_are_judged),
        DG_CASE(hello_length_above_the_limit_is_refused),
    };
    return dg_test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
