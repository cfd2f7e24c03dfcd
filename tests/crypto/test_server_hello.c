// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the server answers to hellos made by hand, byte by byte: every cipher suite offered alone, extensions that
// must be answered and that must not be, key shares that never come twice, the numbers of the first flight.

#include "check.h"
#include "core/record.h"
#include "core/wire_constants.h"
#include "support/gate_rig.h"
#include "support/read_hello.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/random.h>

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW 1
#endif
#endif

// RFC 9325 3.3 and 4.6, RFC 8446 4.2.10, RFC 6066 4: what the library could do were it built so.
#if defined(HAVE_LIBZ) || defined(HAVE_TRUNCATED_HMAC) || defined(WOLFSSL_EARLY_DATA) || defined(HAVE_MAX_FRAGMENT) || \
    defined(HAVE_SECURE_RENEGOTIATION) || defined(HAVE_NULL_CIPHER) || defined(WOLFSSL_STATIC_RSA) || \
    defined(WOLFSSL_STATIC_DH) || defined(WOLFSSL_POST_HANDSHAKE_AUTH)
#error "wolfSSL is built with a feature that this server must not have"
#endif

static struct rig rig;

static const struct rig_options everything = {.with_psk = true,
                                              .with_certificate = true,
                                              .with_client_ca = true,
                                              .with_raw_keys = true,
                                              .profile = DG_PROFILE_IOT};

// --- hellos made by hand ------------------------------------------------------

struct hand_hello {
    bool is_13;
    uint16_t suite;
    uint64_t record_sequence;
    uint8_t cookie[255];
    size_t cookie_size;
    uint16_t share_group;        // 1.3: the group that the key share says it is of
    const uint8_t *extra;        // whole extensions, behind the others
    size_t extra_size;
    bool offers_compression;     // DEFLATE before "none"
};

static const uint8_t *public_value(void)
{
    static uint8_t value[32];
    static bool made;
    WC_RNG rng;
    curve25519_key key;
    word32 size = sizeof value;
    if (made)
        return value;
    made = wc_InitRng(&rng) == 0 && wc_curve25519_init(&key) == 0 && wc_curve25519_make_key(&rng, 32, &key) == 0 &&
           wc_curve25519_export_public_ex(&key, value, &size, EC25519_LITTLE_ENDIAN) == 0;
    CHECK(made);
    wc_curve25519_free(&key);
    wc_FreeRng(&rng);
    return value;
}

static size_t open_extension(struct dg_writer *writer, uint16_t type)
{
    dg_write_u16(writer, type);
    return dg_write_open(writer, 2);
}

static void write_extensions(struct dg_writer *writer, const struct hand_hello *hello)
{
    size_t all = dg_write_open(writer, 2);
    size_t at = open_extension(writer, 10); // supported_groups
    size_t list = dg_write_open(writer, 2);
    dg_write_u16(writer, WOLF_GROUP_X25519);
    if (!hello->is_13)
        dg_write_u16(writer, WOLF_GROUP_P256);
    dg_write_close(writer, list, 2);
    dg_write_close(writer, at, 2);
    at = open_extension(writer, 13); // signature_algorithms: ecdsa_secp256r1_sha256
    list = dg_write_open(writer, 2);
    dg_write_u16(writer, 0x0403);
    dg_write_close(writer, list, 2);
    dg_write_close(writer, at, 2);
    if (!hello->is_13) {
        at = open_extension(writer, 11); // ec_point_formats: uncompressed
        dg_write_u16(writer, 0x0100);
        dg_write_close(writer, at, 2);
    } else {
        at = open_extension(writer, DG_EXT_SUPPORTED_VERSIONS);
        dg_write_u8(writer, 2);
        dg_write_u16(writer, DG_VERSION_DTLS13);
        dg_write_close(writer, at, 2);
        at = open_extension(writer, DG_EXT_KEY_SHARE);
        list = dg_write_open(writer, 2);
        dg_write_u16(writer, hello->share_group != 0 ? hello->share_group : WOLF_GROUP_X25519);
        size_t share = dg_write_open(writer, 2);
        dg_write_bytes(writer, public_value(), 32);
        dg_write_close(writer, share, 2);
        dg_write_close(writer, list, 2);
        dg_write_close(writer, at, 2);
        if (hello->cookie_size > 0) {
            at = open_extension(writer, DG_EXT_COOKIE);
            list = dg_write_open(writer, 2);
            dg_write_bytes(writer, hello->cookie, hello->cookie_size);
            dg_write_close(writer, list, 2);
            dg_write_close(writer, at, 2);
        }
    }
    dg_write_bytes(writer, hello->extra, hello->extra_size);
    dg_write_close(writer, all, 2);
}

static size_t write_hello(const struct hand_hello *hello, uint8_t *out, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);
    bool is_second = hello->cookie_size > 0;
    dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, hello->record_sequence);
    size_t record = dg_write_open(&writer, 2);
    dg_write_u8(&writer, DG_HS_CLIENT_HELLO);
    struct dg_writer length = writer;
    dg_write_u24(&writer, 0);
    dg_write_u16(&writer, is_second);
    dg_write_u24(&writer, 0);
    size_t body = dg_write_open(&writer, 3);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    for (uint8_t i = 0; i < 32; i++)
        dg_write_u8(&writer, i);
    dg_write_u8(&writer, 0); // session
    dg_write_u8(&writer, hello->is_13 ? 0 : (uint8_t)hello->cookie_size);
    if (!hello->is_13)
        dg_write_bytes(&writer, hello->cookie, hello->cookie_size);
    dg_write_u16(&writer, 2);
    dg_write_u16(&writer, hello->suite);
    dg_write_u8(&writer, hello->offers_compression ? 2 : 1);
    if (hello->offers_compression)
        dg_write_u8(&writer, 1);
    dg_write_u8(&writer, 0);
    write_extensions(&writer, hello);
    dg_write_close(&writer, body, 3);
    dg_write_close(&writer, record, 2);
    dg_write_u24(&length, (uint32_t)(dg_writer_size(&writer) - DG_RECORD12_HEADER - DG_HANDSHAKE_HEADER));
    CHECK(!writer.failed);
    return dg_writer_size(&writer);
}

// --- what came back -----------------------------------------------------------

#define MESSAGES 8
struct flight {
    struct {
        uint8_t type;
        uint64_t record_sequence; // of its first part
        size_t size, have;
        uint8_t body[2048];
    } messages[MESSAGES]; // by message_seq; plaintext ones only
    unsigned records;     // of every kind
    int alert;
    size_t extensions_size;
    const uint8_t *random, *extensions;
    uint16_t suite;
    uint8_t compression;
};

static const uint8_t retry_random[32] = {0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C,
                                         0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB,
                                         0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};

static void read_record(struct flight *flight, const struct dg_record *record)
{
    struct dg_bytes body = {record->start + record->header_size, record->size - record->header_size};
    flight->records++;
    if (record->is_unified || record->epoch != 0)
        return;
    if (record->type == DG_CONTENT_ALERT && body.size == 2)
        flight->alert = body.data[1];
    if (record->type != DG_CONTENT_HANDSHAKE)
        return;
    struct dg_reader reader = dg_reader_in(body);
    uint8_t type = dg_read_u8(&reader);
    size_t length = dg_read_u24(&reader);
    uint16_t message_seq = dg_read_u16(&reader);
    size_t offset = dg_read_u24(&reader);
    struct dg_bytes part = dg_read_block24(&reader);
    REQUIRE(dg_reader_done(&reader) && message_seq < MESSAGES && offset + part.size <= length &&
            length <= sizeof flight->messages[0].body);
    if (flight->messages[message_seq].have == 0)
        flight->messages[message_seq].record_sequence = record->sequence;
    flight->messages[message_seq].type = type;
    flight->messages[message_seq].size = length;
    flight->messages[message_seq].have += part.size;
    memcpy(flight->messages[message_seq].body + offset, part.data, part.size);
}

static void read_server_hello(struct flight *flight)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        if (flight->messages[i].have == 0 || flight->messages[i].type != DG_HS_SERVER_HELLO)
            continue;
        struct dg_reader reader = dg_reader_of(flight->messages[i].body, flight->messages[i].size);
        (void)dg_read_u16(&reader);
        flight->random = dg_read_bytes(&reader, 32).data;
        (void)dg_read_block8(&reader);
        flight->suite = dg_read_u16(&reader);
        flight->compression = dg_read_u8(&reader);
        struct dg_bytes extensions = dg_reader_left(&reader) > 0 ? dg_read_block16(&reader) : (struct dg_bytes){0};
        REQUIRE(dg_reader_done(&reader));
        flight->extensions = extensions.data;
        flight->extensions_size = extensions.size;
    }
}

static struct flight flight;

// Gives the hello to the gate and reads all that is answered.
static enum dg_hello_verdict give(const struct hand_hello *hello)
{
    uint8_t record[2048], datagram[2048];
    size_t size = write_hello(hello, record, sizeof record);
    struct dg_output output = rig_output(&rig);
    rig.to_client.count = 0;
    struct dg_hello parsed;
    enum dg_hello_verdict verdict = DG_HELLO_IGNORED;
    if (read_hello_record(record, size, &parsed))
        verdict =
            dg_wolf_handshake.hello(rig.gate, rig.now, &rig.path, &parsed, rig_cid(&rig), &output, &rig.handshake);
    memset(&flight, 0, sizeof flight);
    flight.alert = -1;
    while ((size = rig_queue_get(&rig.to_client, datagram, sizeof datagram)) > 0)
        for (size_t at = 0; at < size;) {
            struct dg_record part;
            bool parses = dg_record_parse(datagram + at, size - at, DG_CID_SIZE_DEFAULT, &part).outcome == DG_OK;
            CHECK(parses);
            if (!parses)
                break;
            read_record(&flight, &part);
            at += part.size;
        }
    read_server_hello(&flight);
    return verdict;
}

static void forget(void)
{
    if (rig.handshake != NULL)
        dg_wolf_handshake.free(rig.handshake);
    rig.handshake = NULL;
}

// False: absent. The body may be empty.
static bool find_extension(uint16_t type, struct dg_bytes *ret)
{
    struct dg_reader reader = dg_reader_of(flight.extensions, flight.extensions_size);
    while (dg_reader_left(&reader) > 0) {
        uint16_t found = dg_read_u16(&reader);
        struct dg_bytes body = dg_read_block16(&reader);
        if (reader.failed)
            return false;
        if (found == type) {
            *ret = body;
            return true;
        }
    }
    return false;
}

static bool has_extension(uint16_t type)
{
    struct dg_bytes body;
    return find_extension(type, &body);
}

// The first hello, whose answer's cookie goes into *hello. False: no cookie came.
static bool get_cookie(struct hand_hello *hello)
{
    struct dg_bytes cookie = {0};
    hello->cookie_size = 0;
    if (give(hello) != DG_HELLO_ANSWERED)
        return false;
    if (hello->is_13) {
        if (flight.random == NULL || memcmp(flight.random, retry_random, 32) != 0 ||
            !find_extension(DG_EXT_COOKIE, &cookie) || cookie.size <= 2)
            return false;
        cookie.data += 2;
        cookie.size -= 2;
    } else {
        if (flight.messages[0].type != DG_HS_HELLO_VERIFY_REQUEST)
            return false;
        struct dg_reader reader = dg_reader_of(flight.messages[0].body, flight.messages[0].size);
        (void)dg_read_u16(&reader);
        cookie = dg_read_block8(&reader);
    }
    if (cookie.size == 0 || cookie.size > sizeof hello->cookie)
        return false;
    memcpy(hello->cookie, cookie.data, cookie.size);
    hello->cookie_size = cookie.size;
    return true;
}

// --- suites -------------------------------------------------------------------

static bool is_in(const uint16_t *list, size_t count, uint16_t suite)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == suite)
            return true;
    return false;
}

static bool is_tried(unsigned suite)
{
#ifdef SLOW
    unsigned high = suite >> 8; // every block in which numbers are assigned
    return high == 0x00 || high == 0x13 || high == 0x56 || high == 0xc0 || high == 0xc1 || high == 0xcc ||
           high == 0xd0 || high == 0xfe || high == 0xff;
#else
    return suite <= 0xffff;
#endif
}

// RFC 9325 4.1 and 4.2, RFC 9147 4.5.3, RFC 7925 4: every number there is, offered alone, beside a list by hand.
DG_TEST(every_suite_number_offered_alone)
{
    static const uint16_t modern12[] = {0xc02b, 0xc02c, 0xcca9, 0xc0ac, 0xd001, 0xccac};
    static const uint16_t iot12[] = {0xc0ae, 0x00a8, 0x00a9, 0xccab, 0xc0a4, 0xc0a8};
    static const uint16_t both13[] = {0x1301, 0x1302, 0x1303, 0x1304};
    for (int profile = 0; profile < 2; profile++) {
        struct rig_options options = everything;
        options.profile = profile == 0 ? DG_PROFILE_MODERN : DG_PROFILE_IOT;
        REQUIRE(rig_new(&rig, &options));
        for (unsigned suite = 0; suite <= 0xffff; suite++) {
            if (!is_tried(suite))
                continue;
            struct hand_hello hello = {.is_13 = true, .suite = (uint16_t)suite};
            bool taken = get_cookie(&hello);
            CHECK_MSG(taken == is_in(both13, 4, (uint16_t)suite), "1.3, suite %04x, profile %d", suite, profile);
            CHECK(!taken || flight.suite == suite);
            hello = (struct hand_hello){.suite = (uint16_t)suite};
            taken = get_cookie(&hello) && give(&hello) == DG_HELLO_STARTED && flight.random != NULL;
            bool expected = is_in(modern12, 6, (uint16_t)suite) || (profile == 1 && is_in(iot12, 6, (uint16_t)suite));
            CHECK_MSG(taken == expected, "1.2, suite %04x, profile %d", suite, profile);
            CHECK(!taken || flight.suite == suite);
            forget();
        }
        rig_free(&rig);
    }
}

// --- extensions ---------------------------------------------------------------

// RFC 5746, RFC 7627, RFC 9146 3 are answered; RFC 6066 4 and 7, RFC 8449 are not, nor is compression. RFC 9853 3
// is with a connection ID.
DG_TEST(extensions_that_are_answered_and_that_are_not)
{
    static const uint8_t offers[] = {0xff, 0x01, 0, 1, 0,       // renegotiation_info
                                     0,    23,   0, 0,          // extended_master_secret
                                     0,    54,   0, 3, 2, 7, 7, // connection_id
                                     0,    61,   0, 0,          // rrc
                                     0,    1,    0, 1, 1,       // max_fragment_length: 512
                                     0,    4,    0, 0,          // truncated_hmac
                                     0,    28,   0, 2, 2, 0};   // record_size_limit: 512
    REQUIRE(rig_new(&rig, &everything));
    struct hand_hello hello = {.suite = 0xc02b, .extra = offers, .extra_size = sizeof offers,
                               .offers_compression = true};
    REQUIRE(get_cookie(&hello) && give(&hello) == DG_HELLO_STARTED && flight.random != NULL);
    struct dg_bytes body;
    CHECK(find_extension(0xff01, &body) && body.size == 1 && body.data[0] == 0); // RFC 5746 3.6: nothing renegotiated
    CHECK(find_extension(23, &body) && body.size == 0);
    CHECK(find_extension(DG_EXT_CONNECTION_ID, &body) && body.size == 1 + DG_CID_SIZE_DEFAULT);
    CHECK(find_extension(DG_EXT_RRC, &body) && body.size == 0);
    CHECK(!has_extension(1));
    CHECK(!has_extension(4));
    CHECK(!has_extension(28));
    CHECK_EQ(flight.compression, 0);
    forget();
    // RFC 5246 7.4.1.4: nothing is answered that was not asked for.
    hello = (struct hand_hello){.suite = 0xc02b};
    REQUIRE(get_cookie(&hello) && give(&hello) == DG_HELLO_STARTED && flight.random != NULL);
    CHECK(!has_extension(23));
    CHECK(!has_extension(DG_EXT_CONNECTION_ID));
    CHECK(!has_extension(DG_EXT_RRC));
    forget();
    // RFC 9853 3: never without a connection ID.
    static const uint8_t rrc_alone[] = {0, 61, 0, 0};
    hello = (struct hand_hello){.suite = 0xc02b, .extra = rrc_alone, .extra_size = sizeof rrc_alone};
    REQUIRE(get_cookie(&hello) && give(&hello) == DG_HELLO_STARTED && flight.random != NULL);
    CHECK(!has_extension(DG_EXT_RRC));
    forget();
    rig_free(&rig);
}

// RFC 8446 4.1.3: whoever was talked down from DTLS 1.3 can see it.
DG_TEST(version_12_carries_the_downgrade_sentinel)
{
    static const uint8_t sentinel[8] = {'D', 'O', 'W', 'N', 'G', 'R', 'D', 1};
    REQUIRE(rig_new(&rig, &everything));
    struct hand_hello hello = {.suite = 0xc02b};
    REQUIRE(get_cookie(&hello) && give(&hello) == DG_HELLO_STARTED && flight.random != NULL);
    CHECK_MEM(flight.random + 24, sentinel, sizeof sentinel);
    forget();
    rig_free(&rig);
}

// --- numbers of the first flight ----------------------------------------------

// RFC 6347 4.2.1 and 4.2.2, RFC 9147 5.2: the first ServerHello carries the number of the hello that it answers.
DG_TEST(server_hello_has_the_number_of_its_hello)
{
    // The library stays silent for a DTLS 1.3 hello with a cookie and a number beyond 32 bits, which no client has.
    static const uint64_t numbers[] = {0, 1, 7, UINT32_MAX - 1, (UINT64_C(1) << 32) + 1};
    REQUIRE(rig_new(&rig, &everything));
    for (int is_13 = 0; is_13 < 2; is_13++)
        for (size_t i = 0; i < (is_13 ? 4 : 5); i++) {
            struct hand_hello hello = {.is_13 = is_13, .suite = is_13 ? 0x1301 : 0xc02b};
            REQUIRE(get_cookie(&hello));
            CHECK_EQ(flight.messages[0].record_sequence, 0);
            hello.record_sequence = numbers[i];
            REQUIRE(give(&hello) == DG_HELLO_STARTED && flight.random != NULL);
            CHECK_EQ(flight.messages[1].type, DG_HS_SERVER_HELLO); // message_seq 1
            CHECK_MSG(flight.messages[1].record_sequence == numbers[i], "1.%d: %llu", 2 + is_13,
                      (unsigned long long)flight.messages[1].record_sequence);
            CHECK(memcmp(flight.random, retry_random, 32) != 0);
            forget();
        }
    rig_free(&rig);
}

// RFC 8446 4.1.4: a second hello that could only be answered with another HelloRetryRequest ends the handshake.
DG_TEST(no_second_hello_retry_request)
{
    REQUIRE(rig_new(&rig, &everything));
    struct hand_hello hello = {.is_13 = true, .suite = 0x1301};
    REQUIRE(get_cookie(&hello));
    hello.share_group = WOLF_GROUP_P384; // not the group that was agreed on
    (void)give(&hello);
    CHECK(flight.random == NULL); // neither kind of ServerHello
    struct dg_output output = rig_output(&rig);
    CHECK(rig.handshake == NULL ||
          dg_wolf_handshake.advance(rig.handshake, rig.now, &output) == DG_STEP_FAILED);
    forget();
    rig_free(&rig);
}

// --- key shares ---------------------------------------------------------------

static int compare_shares(const void *a, const void *b) { return memcmp(a, b, 32); }

// RFC 9325 7.4: no ephemeral key is used twice.
DG_TEST(key_shares_of_a_thousand_handshakes_differ)
{
    enum { COUNT = 1000 };
    static uint8_t shares[COUNT][32];
    REQUIRE(rig_new(&rig, &everything));
    for (int is_13 = 0; is_13 < 2; is_13++) {
        struct hand_hello hello = {.is_13 = is_13, .suite = is_13 ? 0x1301 : 0xc02b};
        REQUIRE(get_cookie(&hello));
        for (unsigned i = 0; i < COUNT; i++) {
            REQUIRE(give(&hello) == DG_HELLO_STARTED && flight.random != NULL);
            struct dg_bytes body = {0};
            if (is_13) {
                REQUIRE(find_extension(DG_EXT_KEY_SHARE, &body) && body.size == 4 + 32);
                memcpy(shares[i], body.data + 4, 32);
            } else { // ServerKeyExchange: named curve, group, point
                unsigned m = 1;
                while (m < MESSAGES && flight.messages[m].type != 12)
                    m++;
                REQUIRE(m < MESSAGES && flight.messages[m].body[0] == 3 && flight.messages[m].body[3] >= 32);
                memcpy(shares[i], flight.messages[m].body + 4, 32);
            }
            forget();
        }
        qsort(shares, COUNT, sizeof shares[0], compare_shares);
        for (unsigned i = 1; i < COUNT; i++)
            CHECK(memcmp(shares[i - 1], shares[i], 32) != 0);
    }
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(every_suite_number_offered_alone),
        DG_CASE(extensions_that_are_answered_and_that_are_not),
        DG_CASE(version_12_carries_the_downgrade_sentinel),
        DG_CASE(server_hello_has_the_number_of_its_hello),
        DG_CASE(no_second_hello_retry_request),
        DG_CASE(key_shares_of_a_thousand_handshakes_differ),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
