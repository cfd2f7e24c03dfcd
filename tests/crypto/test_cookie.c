// SPDX-License-Identifier: GPL-3.0-or-later
//
// The stateless accept: cookies bind the address, rotate and are judged without the library; hellos of
// strangers leave nothing behind (RFC 6347 4.2.1, RFC 9147 5.1 and 11).

#include "check.h"
#include "core/wire_constants.h"
#include "crypto/cookie.h"
#include "crypto/inner.h"
#include "crypto/rotation.h"
#include "support/gate_rig.h"
#include "support/read_hello.h"

#include <wolfssl/wolfcrypt/memory.h>

#include <stdlib.h>
#include <string.h>

static struct rig rig;

static const struct rig_options everything = {.with_psk = true, .with_certificate = true, .with_client_ca = true};

static struct wolf_client_config client_of(int version)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = rig_pki()->client.certificate,
                                       .key = rig_pki()->client.key,
                                       .groups = {WOLF_GROUP_X25519}};
}

struct hello {
    uint8_t record[RIG_DATAGRAM_MAX];
    size_t size;
    struct dg_hello parsed;
};

static bool read_hello(struct hello *hello)
{
    return read_hello_record(hello->record, hello->size, &hello->parsed);
}

// The client's first hello, or its second one with a cookie of now.
static bool make_hello(struct rig *r, int version, bool with_cookie, struct hello *ret)
{
    struct wolf_client_config config = client_of(version);
    rig_hang_up(r); // answers to hellos before
    if (!rig_client(r, &config))
        return false;
    (void)wolf_client_connect(r->client);
    if (with_cookie) {
        rig_give_all(r);
        (void)wolf_client_connect(r->client);
    }
    ret->size = rig_queue_get(&r->to_server, ret->record, sizeof ret->record);
    rig_hang_up(r);
    return read_hello(ret);
}

static enum dg_cookie_verdict check(struct rig *r, const struct hello *hello)
{
    return dg_wolf_handshake.check_cookie(r->gate, r->now, &r->path, &hello->parsed);
}

static enum dg_hello_verdict give(struct rig *r, const struct hello *hello)
{
    struct dg_hello parsed;
    if (!read_hello_record(hello->record, hello->size, &parsed))
        return DG_HELLO_IGNORED; // by the front
    struct dg_output output = rig_output(r);
    return dg_wolf_handshake.hello(r->gate, r->now, &r->path, &parsed, rig_cid(r), &output, &r->handshake);
}

DG_TEST(cookie_is_judged_as_the_library_judges_it)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct hello first, second;
        REQUIRE(make_hello(&rig, version, false, &first));
        CHECK_EQ(check(&rig, &first), DG_COOKIE_NONE);
        CHECK_EQ(give(&rig, &first), DG_HELLO_ANSWERED);
        REQUIRE(make_hello(&rig, version, true, &second));
        CHECK_EQ(check(&rig, &second), DG_COOKIE_VALID);
        CHECK_EQ(give(&rig, &second), DG_HELLO_STARTED);
        CHECK(rig.handshake != NULL);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// RFC 9147 11, RFC 6347 4.2.1: another address, another port, another family's form of it.
DG_TEST(cookie_of_another_address_is_refused)
{
    static const char *others[] = {"192.0.2.1:40001", "192.0.2.2:40000", "[2001:db8::1]:40000"};
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct hello second;
        REQUIRE(make_hello(&rig, version, true, &second));
        struct dg_path right = rig.path;
        for (size_t i = 0; i < 3; i++) {
            REQUIRE(dg_address_parse(others[i], &rig.path.peer));
            CHECK_EQ(check(&rig, &second), DG_COOKIE_INVALID);
            // Not even were the front to pass it on.
            CHECK(give(&rig, &second) != DG_HELLO_STARTED);
            CHECK(rig.handshake == NULL);
        }
        rig.path = right;
        CHECK_EQ(check(&rig, &second), DG_COOKIE_VALID);
    }
    rig_free(&rig);
}

DG_TEST(cookie_of_an_ipv6_peer_with_a_scope)
{
    REQUIRE(rig_new(&rig, &everything));
    REQUIRE(dg_address_parse("[fe80::1%3]:40000", &rig.path.peer));
    for (int version = 12; version <= 13; version++) {
        struct hello second;
        REQUIRE(make_hello(&rig, version, true, &second));
        CHECK_EQ(check(&rig, &second), DG_COOKIE_VALID);
        CHECK_EQ(give(&rig, &second), DG_HELLO_STARTED);
        rig_hang_up(&rig);
        struct dg_path right = rig.path;
        rig.path.peer.scope = 4;
        CHECK_EQ(check(&rig, &second), DG_COOKIE_INVALID);
        rig.path = right;
    }
    rig_free(&rig);
}

DG_TEST(cookie_changed_in_any_byte_is_refused)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct hello hello;
        REQUIRE(make_hello(&rig, version, true, &hello));
        struct dg_bytes cookie = version == 13 ? hello.parsed.cookie_extension : hello.parsed.cookie;
        size_t at = (size_t)(cookie.data - hello.record);
        for (size_t i = 0; i < cookie.size; i++) {
            hello.record[at + i] ^= 0x10;
            CHECK_EQ(check(&rig, &hello), DG_COOKIE_INVALID);
            hello.record[at + i] ^= 0x10;
        }
        CHECK_EQ(check(&rig, &hello), DG_COOKIE_VALID);
    }
    rig_free(&rig);
}

// A 1.2 cookie covers the hello (RFC 6347 4.2.1): random, suites.
// RFC 8446 4.1.2: both have one random. The first comes once more after the second was judged and went no further, for
// want of room: it is a stranger's, and is answered.
DG_TEST(late_first_hello_is_none_with_a_cookie)
{
    struct rig_options options = everything;
    options.profile = DG_PROFILE_IOT;
    REQUIRE(rig_new(&rig, &options));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = {
            .version = version, .psk_identity = RIG_IDENTITY, .psk_key = rig_psk, .psk_key_size = 32, .groups = {WOLF_GROUP_X25519}};
        struct hello first, second;
        REQUIRE(rig_client(&rig, &config));
        (void)wolf_client_connect(rig.client);
        first.size = rig_queue_get(&rig.to_server, first.record, sizeof first.record);
        rig_give(&rig, first.record, first.size);
        (void)wolf_client_connect(rig.client);
        second.size = rig_queue_get(&rig.to_server, second.record, sizeof second.record);
        REQUIRE(read_hello(&first) && read_hello(&second));
        CHECK_MEM(first.parsed.random.data, second.parsed.random.data, 32);
        CHECK_EQ(check(&rig, &second), DG_COOKIE_VALID);
        unsigned sent = rig.server_datagrams;
        CHECK_EQ(give(&rig, &first), DG_HELLO_ANSWERED);
        CHECK_EQ(rig.server_datagrams, sent + 1);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

DG_TEST(cookie_12_of_another_hello_is_refused)
{
    REQUIRE(rig_new(&rig, &everything));
    struct hello hello;
    REQUIRE(make_hello(&rig, 12, true, &hello));
    size_t random = (size_t)(hello.parsed.random.data - hello.record);
    hello.record[random] ^= 1;
    CHECK_EQ(check(&rig, &hello), DG_COOKIE_INVALID);
    CHECK_EQ(give(&rig, &hello), DG_HELLO_ANSWERED); // as if it had none
    CHECK(rig.handshake == NULL);
    rig_free(&rig);
}

// RFC 9147 5.1: good for one to two periods, not longer.
DG_TEST(cookie_secrets_rotate)
{
    REQUIRE(rig_new(&rig, &everything));
    struct hello old[2];
    REQUIRE(make_hello(&rig, 12, true, &old[0]));
    REQUIRE(make_hello(&rig, 13, true, &old[1]));
    CHECK_EQ(dg_wolf_handshake.gate_deadline(rig.gate), rig.now + 30 * DG_SECOND);
    dg_wolf_handshake.gate_advance(rig.gate, rig.now + 30 * DG_SECOND - 1); // not yet
    uint32_t generation = rig.secrets->cookie_generation;
    rig.now += 30 * DG_SECOND;
    dg_wolf_handshake.gate_advance(rig.gate, rig.now);
    CHECK(rig.secrets->cookie_generation == generation + 2);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(check(&rig, &old[i]), DG_COOKIE_VALID);
        CHECK_EQ(give(&rig, &old[i]), DG_HELLO_STARTED); // the library too, under the previous secret
        rig_hang_up(&rig);
    }
    rig.now += 30 * DG_SECOND;
    dg_wolf_handshake.gate_advance(rig.gate, rig.now);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(check(&rig, &old[i]), DG_COOKIE_INVALID);
        CHECK(give(&rig, &old[i]) != DG_HELLO_STARTED);
    }
    rig_free(&rig);
}

DG_TEST(cookie_secrets_that_stood_still_too_long_all_go)
{
    REQUIRE(rig_new(&rig, &everything));
    struct hello old;
    REQUIRE(make_hello(&rig, 12, true, &old));
    rig.now += 60 * DG_SECOND;
    dg_wolf_handshake.gate_advance(rig.gate, rig.now);
    CHECK_EQ(check(&rig, &old), DG_COOKIE_INVALID);
    rig_free(&rig);
}

// design.md: a restart, or a reload, does not break handshakes under way.
DG_TEST(cookie_outlives_its_gate)
{
    static struct rig second;
    REQUIRE(rig_new(&rig, &everything));
    struct hello hello;
    REQUIRE(make_hello(&rig, 13, true, &hello));
    struct rig_options options = everything;
    options.secrets = rig.secrets;
    REQUIRE(rig_new(&second, &options));
    CHECK_EQ(check(&second, &hello), DG_COOKIE_VALID);
    CHECK_EQ(give(&second, &hello), DG_HELLO_STARTED);
    // Another server's does not.
    rig_free(&second);
    REQUIRE(rig_new(&second, &everything));
    CHECK_EQ(check(&second, &hello), DG_COOKIE_INVALID);
    rig_free(&second);
    rig_free(&rig);
}

// A process that died over a rotation left an odd generation: all secrets are made new.
DG_TEST(cookie_secrets_half_rotated_are_made_new)
{
    REQUIRE(rig_new(&rig, &everything));
    struct dg_memory_secrets saved = *rig.secrets;
    rig.secrets->cookie_generation |= 1;
    rig.secrets->ticket_generation |= 1;
    dg_secrets_attach(rig.secrets);
    CHECK((rig.secrets->cookie_generation & 1) == 0 && (rig.secrets->ticket_generation & 1) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(memcmp(saved.cookie[i], rig.secrets->cookie[i], DG_COOKIE_SECRET) != 0);
        CHECK(memcmp(saved.ticket_key[i], rig.secrets->ticket_key[i], DG_TICKET_KEY) != 0);
    }
    struct dg_memory_secrets whole = *rig.secrets;
    dg_secrets_attach(rig.secrets); // and whole ones are kept
    CHECK_MEM(&whole, rig.secrets, sizeof whole);
    rig_free(&rig);
}

// A reload makes its gate on another thread while the front may be in the middle of a rotation, which looks as if
// somebody had died over it. The secrets stay the front's.
DG_TEST(new_gate_leaves_secrets_to_the_front)
{
    REQUIRE(rig_new(&rig, &everything));
    rig.secrets->cookie_generation |= 1;
    rig.secrets->ticket_generation |= 1;
    struct dg_memory_secrets before = *rig.secrets;
    const struct dg_gate_config config = {.credentials = rig.credentials,
                                          .authenticate_clients = true,
                                          .secrets = rig.secrets,
                                          .datagram_max = 1200,
                                          .cookie_period = 30 * DG_SECOND,
                                          .ticket_period = 24 * DG_HOUR,
                                          .retransmit_seconds = 1};
    struct dg_gate *gate = dg_gate_new(&config, rig.error, sizeof rig.error);
    REQUIRE(gate != NULL);
    CHECK_MEM(&before, rig.secrets, sizeof before);
    dg_gate_put(gate);
    rig_free(&rig);
}

// --- nothing is kept for strangers -----------------------------------------------

static size_t heap_bytes;

static void *counted_malloc(size_t size)
{
    size_t *block = malloc(size + 16);
    if (block == NULL)
        return NULL;
    *block = size;
    heap_bytes += size;
    return (char *)block + 16;
}

static void counted_free(void *data)
{
    if (data == NULL)
        return;
    size_t *block = (size_t *)(void *)((char *)data - 16);
    heap_bytes -= *block;
    free(block);
}

static void *counted_realloc(void *data, size_t size)
{
    void *grown = counted_malloc(size);
    if (grown != NULL && data != NULL) {
        size_t had = *(size_t *)(void *)((char *)data - 16);
        memcpy(grown, data, had < size ? had : size);
        counted_free(data);
    }
    return grown;
}

// RFC 9147 11: many peers, both versions, one object, no growth.
DG_TEST(hellos_of_a_thousand_strangers_leave_nothing)
{
    REQUIRE(rig_new(&rig, &everything));
    struct hello hellos[2];
    REQUIRE(make_hello(&rig, 12, false, &hellos[0]));
    REQUIRE(make_hello(&rig, 13, false, &hellos[1]));
    rig.lose_to_client = true;
    size_t after_warm_up = 0;
    for (unsigned i = 0; i < 1000; i++) {
        rig.path.peer.port = (uint16_t)(1024 + i);
        rig.path.peer.ip[15] = (uint8_t)i;
        CHECK_EQ(give(&rig, &hellos[i & 1]), DG_HELLO_ANSWERED);
        if (i == 9)
            after_warm_up = heap_bytes;
    }
    CHECK_EQ(heap_bytes, after_warm_up);
    CHECK_EQ(rig.server_datagrams, 1000);
    rig_free(&rig);
}

// RFC 9147 5.1, RFC 6347 4.2.1: answers are smaller than what they answer.
DG_TEST(hellos_are_answered_with_fewer_bytes)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct hello hello;
        REQUIRE(make_hello(&rig, version, false, &hello));
        size_t before = rig.server_bytes;
        CHECK_EQ(give(&rig, &hello), DG_HELLO_ANSWERED);
        CHECK(rig.server_bytes - before <= hello.size);
    }
    rig_free(&rig);
}

// RFC 6347 4.2.1, RFC 9147 5.2: the answer carries the hello's record number.
DG_TEST(hellos_are_answered_under_their_own_record_number)
{
    static const uint8_t numbers[][6] = {{0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 5}, {0, 1, 0, 0, 0, 1}};
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct hello hello;
        REQUIRE(make_hello(&rig, version, false, &hello));
        for (size_t i = 0; i < 3; i++) {
            memcpy(hello.record + 5, numbers[i], 6);
            CHECK_EQ(give(&rig, &hello), DG_HELLO_ANSWERED);
            uint8_t answer[2048];
            REQUIRE(rig_queue_get(&rig.to_client, answer, sizeof answer) > 25);
            CHECK_MEM(answer + 5, numbers[i], 6);
            CHECK_EQ(answer[13], version == 12 ? DG_HS_HELLO_VERIFY_REQUEST : DG_HS_SERVER_HELLO);
        }
    }
    rig_free(&rig);
}

// The library's own stateless answer to the same hello, from the same peer under the same secret.
struct library_wire {
    const struct hello *hello;
    bool is_read;
    uint8_t answer[256];
    size_t answer_size;
};

static int on_library_receive(WOLFSSL *ssl, char *buffer, int size, void *context)
{
    (void)ssl;
    struct library_wire *wire = context;
    if (wire->is_read || (size_t)size < wire->hello->size)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    wire->is_read = true;
    memcpy(buffer, wire->hello->record, wire->hello->size);
    return (int)wire->hello->size;
}

static int on_library_send(WOLFSSL *ssl, char *buffer, int size, void *context)
{
    (void)ssl;
    struct library_wire *wire = context;
    wire->answer_size = (size_t)size <= sizeof wire->answer ? (size_t)size : 0;
    memcpy(wire->answer, buffer, wire->answer_size);
    return size;
}

static bool ask_library(struct rig *r, const struct hello *hello, struct library_wire *wire)
{
    *wire = (struct library_wire){.hello = hello};
    union dg_canonical_address address;
    socklen_t size = dg_cookie_address(&r->path.peer, &address);
    WOLFSSL *ssl = wolfSSL_new(r->gate->sides[0].context);
    if (ssl == NULL)
        return false;
    wolfSSL_SSLSetIORecv(ssl, on_library_receive);
    wolfSSL_SSLSetIOSend(ssl, on_library_send);
    wolfSSL_SetIOReadCtx(ssl, wire);
    wolfSSL_SetIOWriteCtx(ssl, wire);
    bool is_asked = wolfSSL_dtls_set_peer(ssl, &address, (unsigned)size) == WOLFSSL_SUCCESS &&
                    wolfSSL_DTLS_SetCookieSecret(ssl, r->gate->cookie_keys[0][0], 32) == 0 &&
                    wolfDTLS_accept_stateless(ssl) == WOLFSSL_FAILURE;
    wolfSSL_free(ssl);
    return is_asked && wire->answer_size > 0;
}

// RFC 6347 4.2.1 and 4.2.2: our question is the library's byte by byte, with the hello's numbers.
DG_TEST(cookie_question_12_is_the_librarys)
{
    static const uint8_t numbers[][6] = {{0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 5}, {0, 1, 0, 0, 0, 1}};
    REQUIRE(rig_new(&rig, &everything));
    struct hello hello;
    REQUIRE(make_hello(&rig, 12, false, &hello));
    for (size_t i = 0; i < 3; i++) {
        hello.record[2] = i == 1 ? 0xff : 0xfd; // RFC 6347 4.1: the first record may say DTLS 1.0
        memcpy(hello.record + 5, numbers[i], 6);
        hello.record[18] = (uint8_t)(7 * i); // message_seq
        uint8_t ours[256];
        CHECK_EQ(give(&rig, &hello), DG_HELLO_ANSWERED);
        size_t size = rig_queue_get(&rig.to_client, ours, sizeof ours);
        struct library_wire wire;
        REQUIRE(ask_library(&rig, &hello, &wire));
        REQUIRE(size == wire.answer_size);
        CHECK_MEM(ours, wire.answer, size);
    }
    rig_free(&rig);
}

// The cookie of DTLS 1.3 says nothing in a hello of 1.2 alone: one with a random that has been judged, but without the
// cookie of 1.2, is asked for it like a stranger's, and the library does not see it.
DG_TEST(hello_12_with_a_cookie_of_13_is_a_strangers)
{
    static const uint8_t word[] = {7};
    REQUIRE(rig_new(&rig, &everything));
    struct hello good, stranger;
    REQUIRE(make_hello(&rig, 12, true, &good));
    CHECK_EQ(check(&rig, &good), DG_COOKIE_VALID);
    stranger = good;
    REQUIRE(read_hello(&stranger));
    stranger.parsed.cookie.size = 0;
    stranger.parsed.has_cookie_extension = true;
    stranger.parsed.cookie_extension = (struct dg_bytes){word, sizeof word};
    CHECK_EQ(dg_cookie_judged(rig.gate, &rig.path, &stranger.parsed), -2);
    rig_free(&rig);
}

DG_TEST(handshakes_share_the_generator_of_the_gate)
{
    REQUIRE(rig_new(&rig, &everything));
    const WC_RNG *generator = wolfSSL_GetRNG(rig.gate->sides[0].listener->ssl);
    struct dg_handshake *another = dg_listener_new(rig.gate);
    REQUIRE(another != NULL);
    CHECK(generator != NULL && wolfSSL_GetRNG(another->ssl) == generator);
    dg_handshake_free(another);
    rig_free(&rig);
}

// What a failed reseeding leaves behind: the library marks its generator and never uses it again.
DG_TEST(hellos_are_served_again_after_the_generator_failed)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        wolfSSL_GetRNG(rig.gate->sides[0].listener->ssl)->status = WC_DRBG_FAILED;
        struct wolf_client_config config = client_of(version);
        REQUIRE(rig_client(&rig, &config));
        CHECK_EQ(rig_run(&rig), DG_STEP_DONE);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// What comes out of the generator's state of before, after a hello.
static bool draw_again(struct rig *r, const struct hello *hello, const void *state, size_t size, uint8_t out[32])
{
    WC_RNG *generator = wolfSSL_GetRNG(r->gate->sides[0].listener->ssl);
    memcpy(generator->drbgType == WC_DRBG_SHA512 ? (void *)generator->drbg512 : (void *)generator->drbg, state, size);
    return give(r, hello) == DG_HELLO_ANSWERED && wc_RNG_GenerateBlock(generator, out, 32) == 0;
}

// Who has seen the state of the generator that all share does not know what handshakes draw for ever after.
DG_TEST(generator_is_seeded_anew_with_each_period_of_the_cookies)
{
    REQUIRE(rig_new(&rig, &everything));
    struct hello hello;
    REQUIRE(make_hello(&rig, 13, false, &hello));
    CHECK_EQ(give(&rig, &hello), DG_HELLO_ANSWERED);
    const WC_RNG *generator = wolfSSL_GetRNG(rig.gate->sides[0].listener->ssl);
    uint8_t state[sizeof(struct DRBG_SHA512_internal)];
    bool is_wide = generator->drbgType == WC_DRBG_SHA512;
    size_t size = is_wide ? sizeof(struct DRBG_SHA512_internal) : sizeof(struct DRBG_internal);
    memcpy(state, is_wide ? (void *)generator->drbg512 : (void *)generator->drbg, size);
    uint8_t once[32], again[32], later[32];
    CHECK(draw_again(&rig, &hello, state, size, once));
    CHECK(draw_again(&rig, &hello, state, size, again));
    CHECK_MEM(once, again, sizeof once);
    rig.now += 30 * DG_SECOND;
    dg_wolf_handshake.gate_advance(rig.gate, rig.now);
    CHECK(draw_again(&rig, &hello, state, size, later));
    CHECK(memcmp(once, later, sizeof once) != 0);
    rig_free(&rig);
}

// Mutated hellos: whatever the library makes of them, no handshake without a cookie, and the gate works on.
DG_TEST(hellos_mutated_start_nothing_and_break_nothing)
{
    REQUIRE(rig_new(&rig, &everything));
    struct hello hellos[2];
    REQUIRE(make_hello(&rig, 12, false, &hellos[0]));
    REQUIRE(make_hello(&rig, 13, false, &hellos[1]));
    rig.lose_to_client = true;
    uint64_t state = dg_test_seed() | 1;
    for (unsigned i = 0; i < 4000; i++) {
        struct hello mutated = hellos[i & 1];
        for (unsigned k = 0; k <= i % 4; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            mutated.record[25 + (state >> 33) % (mutated.size - 25)] = (uint8_t)(state >> 24);
        }
        CHECK(give(&rig, &mutated) != DG_HELLO_STARTED);
    }
    rig.lose_to_client = false;
    struct dg_handover handover;
    struct wolf_client_config config = client_of(13);
    CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(cookie_is_judged_as_the_library_judges_it),
        DG_CASE(cookie_of_another_address_is_refused),
        DG_CASE(cookie_of_an_ipv6_peer_with_a_scope),
        DG_CASE(cookie_changed_in_any_byte_is_refused),
        DG_CASE(late_first_hello_is_none_with_a_cookie),
        DG_CASE(cookie_12_of_another_hello_is_refused),
        DG_CASE(cookie_secrets_rotate),
        DG_CASE(cookie_secrets_that_stood_still_too_long_all_go),
        DG_CASE(cookie_outlives_its_gate),
        DG_CASE(cookie_secrets_half_rotated_are_made_new),
        DG_CASE(new_gate_leaves_secrets_to_the_front),
        DG_CASE(hellos_of_a_thousand_strangers_leave_nothing),
        DG_CASE(hellos_are_answered_with_fewer_bytes),
        DG_CASE(hellos_are_answered_under_their_own_record_number),
        DG_CASE(cookie_question_12_is_the_librarys),
        DG_CASE(hello_12_with_a_cookie_of_13_is_a_strangers),
        DG_CASE(handshakes_share_the_generator_of_the_gate),
        DG_CASE(hellos_are_served_again_after_the_generator_failed),
        DG_CASE(generator_is_seeded_anew_with_each_period_of_the_cookies),
        DG_CASE(hellos_mutated_start_nothing_and_break_nothing),
    };
    // Before the library's first allocation.
    if (wolfSSL_SetAllocators(counted_malloc, counted_free, counted_realloc) != 0)
        return 1;
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
