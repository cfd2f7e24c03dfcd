// SPDX-License-Identifier: GPL-3.0-or-later
//
// What patches/wolfssl/ promises, against wolfSSL alone: a client and a server
// in one process, datagrams through memory, hellos edited on the way. Nothing of
// dtlsgate takes part, so that a patch that got lost turns this red even where
// the front would have caught the datagram first.

#include "check.h"

#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>

enum {
    ext_connection_id = 54, // RFC 9146 3
    ext_rrc = 61,           // RFC 9853 3
    type_handshake = 22,
    type_cid = 25,
    queue_max = 32,
    datagram_max = 2048,
    cid_size = 8,
};

struct datagram {
    size_t size;
    uint8_t bytes[datagram_max];
};

struct queue {
    size_t count;
    struct datagram datagrams[queue_max];
};

// Whether edited hellos get another type or another length for one extension.
struct edit {
    bool rename_cid;
    size_t cid_length; // 0: leave it
};

static struct {
    struct queue to_server, to_client;
    struct edit edit;
    WOLFSSL_CTX *server_context, *client_context;
    WOLFSSL *server, *client;
    bool server_offered_rrc; // an empty extension 61 in a ServerHello
} pair;

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static size_t get16(const uint8_t *at)
{
    return (size_t)at[0] << 8 | at[1];
}

static size_t skip_vector8(const uint8_t *bytes, size_t at)
{
    return at + 1 + bytes[at];
}

// The offset of the extensions' length in a hello that is one whole record.
static size_t hello_extensions(const struct datagram *d)
{
    size_t at = 13 + 12 + 2 + 32; // record, handshake, version, random

    at = skip_vector8(d->bytes, at);           // session ID
    if (d->bytes[13] == 1) {                   // ClientHello
        at = skip_vector8(d->bytes, at);       // cookie
        at += 2 + get16(d->bytes + at);        // cipher suites
        at = skip_vector8(d->bytes, at);       // compression
    } else {
        at += 3;
    }
    return at;
}

// The offset of an extension's type, or 0.
static size_t find_extension(const struct datagram *d, size_t type)
{
    size_t at = hello_extensions(d);

    if (at + 2 > d->size)
        return 0;
    for (at += 2; at + 4 <= d->size; at += 4 + get16(d->bytes + at + 2)) {
        if (get16(d->bytes + at) == type)
            return at;
    }
    return 0;
}

static void edit_hello(struct datagram *d)
{
    size_t at = find_extension(d, ext_connection_id);
    size_t extensions = hello_extensions(d);

    if (at == 0)
        return;
    if (pair.edit.rename_cid)
        put16(d->bytes + at, 0xfafa);
    if (pair.edit.cid_length > 0) {
        size_t more = pair.edit.cid_length - d->bytes[at + 4];

        memmove(d->bytes + at + 5 + more, d->bytes + at + 5, d->size - at - 5);
        memset(d->bytes + at + 5, 0xc1, more);
        d->bytes[at + 4] = (uint8_t)pair.edit.cid_length;
        d->size += more;
        put16(d->bytes + at + 2, get16(d->bytes + at + 2) + more);
        put16(d->bytes + extensions, get16(d->bytes + extensions) + more);
        put16(d->bytes + 11, get16(d->bytes + 11) + more); // record
        put16(d->bytes + 15, get16(d->bytes + 15) + more); // message
        put16(d->bytes + 23, get16(d->bytes + 23) + more); // its only fragment
    }
}

static int send_to(struct queue *q, const char *bytes, int size)
{
    if (q->count == queue_max || size > datagram_max - 300)
        abort();
    q->datagrams[q->count].size = (size_t)size;
    memcpy(q->datagrams[q->count].bytes, bytes, (size_t)size);
    q->count++;
    return size;
}

// The size of the first record: a DTLS 1.3 one is taken for the whole datagram.
static int record_size(const char *bytes, int size)
{
    const uint8_t *b = (const uint8_t *)bytes;
    size_t header = b[0] == type_cid ? 13 + cid_size : 13;

    if ((b[0] & 0xe0) == 0x20 || (size_t)size < header)
        return size;
    return (int)(header + get16(b + header - 2));
}

// One record a datagram, so that a test can pick one out.
static int client_sends(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    (void)context;
    for (int at = 0; at < size;) {
        at += send_to(&pair.to_server, bytes + at, record_size(bytes + at, size - at));
        struct datagram *d = &pair.to_server.datagrams[pair.to_server.count - 1];

        if (d->bytes[0] == type_handshake && get16(d->bytes + 3) == 0 && d->bytes[13] == 1)
            edit_hello(d);
    }
    return size;
}

static int server_sends(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    (void)context;
    int sent = send_to(&pair.to_client, bytes, size);
    const struct datagram *d = &pair.to_client.datagrams[pair.to_client.count - 1];

    if (d->bytes[0] == type_handshake && get16(d->bytes + 3) == 0 && d->bytes[13] == 2)
        pair.server_offered_rrc = pair.server_offered_rrc || find_extension(d, ext_rrc) != 0;
    return sent;
}

static int receive_from(struct queue *q, char *bytes, int size)
{
    if (q->count == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    int got = (int)q->datagrams[0].size;

    if (got > size)
        got = size;
    memcpy(bytes, q->datagrams[0].bytes, (size_t)got);
    q->count--;
    memmove(&q->datagrams[0], &q->datagrams[1], q->count * sizeof q->datagrams[0]);
    return got;
}

static int client_receives(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    (void)context;
    return receive_from(&pair.to_client, bytes, size);
}

static int server_receives(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    (void)context;
    return receive_from(&pair.to_server, bytes, size);
}

// A fresh key and a certificate that it signed itself, for this process only.
static bool give_certificate(WOLFSSL_CTX *context)
{
    static Cert certificate;
    static uint8_t der[4096];
    uint8_t key_der[256];
    ecc_key key;
    WC_RNG rng;
    bool good = false;

    if (wc_InitRng(&rng) != 0)
        return false;
    if (wc_ecc_init(&key) == 0 && wc_ecc_make_key_ex(&rng, 32, &key, ECC_SECP256R1) == 0 &&
        wc_InitCert(&certificate) == 0) {
        strcpy(certificate.subject.commonName, "patches");
        certificate.selfSigned = 1;
        certificate.sigType = CTC_SHA256wECDSA;
        int key_size = wc_EccKeyToDer(&key, key_der, sizeof key_der);
        int size = wc_MakeCert_ex(&certificate, der, sizeof der, ECC_TYPE, &key, &rng);

        if (size > 0) {
            size = wc_SignCert_ex(certificate.bodySz, certificate.sigType, der, sizeof der, ECC_TYPE,
                                  &key, &rng);
        }
        good = size > 0 && key_size > 0 &&
               wolfSSL_CTX_use_certificate_buffer(context, der, size, WOLFSSL_FILETYPE_ASN1) ==
                   WOLFSSL_SUCCESS &&
               wolfSSL_CTX_use_PrivateKey_buffer(context, key_der, key_size, WOLFSSL_FILETYPE_ASN1) ==
                   WOLFSSL_SUCCESS;
    }
    (void)wc_ecc_free(&key);
    (void)wc_FreeRng(&rng);
    return good;
}

static bool open_pair(bool version13)
{
    static const uint8_t secret[32] = "no secret, a cookie key of tests";
    static const uint8_t server_id[cid_size] = "serverid";
    static const uint8_t client_id[cid_size] = "clientid";

    memset(&pair, 0, sizeof pair);
    (void)wolfSSL_Init();
    pair.server_context =
        wolfSSL_CTX_new(version13 ? wolfDTLSv1_3_server_method() : wolfDTLSv1_2_server_method());
    pair.client_context =
        wolfSSL_CTX_new(version13 ? wolfDTLSv1_3_client_method() : wolfDTLSv1_2_client_method());
    if (pair.server_context == NULL || pair.client_context == NULL ||
        !give_certificate(pair.server_context))
        return false;
    wolfSSL_CTX_set_verify(pair.client_context, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_SetIOSend(pair.server_context, server_sends);
    wolfSSL_CTX_SetIORecv(pair.server_context, server_receives);
    wolfSSL_CTX_SetIOSend(pair.client_context, client_sends);
    wolfSSL_CTX_SetIORecv(pair.client_context, client_receives);
    pair.server = wolfSSL_new(pair.server_context);
    pair.client = wolfSSL_new(pair.client_context);
    if (pair.server == NULL || pair.client == NULL)
        return false;
    wolfSSL_dtls_set_using_nonblock(pair.server, 1);
    wolfSSL_dtls_set_using_nonblock(pair.client, 1);
    // One group, so that a hello stays one record.
    int group = WOLFSSL_ECC_SECP256R1;
    if (version13 && (wolfSSL_set_groups(pair.client, &group, 1) != WOLFSSL_SUCCESS ||
                      wolfSSL_send_hrr_cookie(pair.server, secret, sizeof secret) != WOLFSSL_SUCCESS))
        return false;
    if (!version13 && wolfSSL_DTLS_SetCookieSecret(pair.server, secret, sizeof secret) != 0)
        return false;
    uint8_t id[cid_size];
    memcpy(id, server_id, sizeof id);
    if (wolfSSL_dtls_cid_use(pair.server) != WOLFSSL_SUCCESS ||
        wolfSSL_dtls_cid_set(pair.server, id, sizeof id) != WOLFSSL_SUCCESS)
        return false;
    memcpy(id, client_id, sizeof id);
    return wolfSSL_dtls_cid_use(pair.client) == WOLFSSL_SUCCESS &&
           wolfSSL_dtls_cid_set(pair.client, id, sizeof id) == WOLFSSL_SUCCESS;
}

static void close_pair(void)
{
    wolfSSL_free(pair.client);
    wolfSSL_free(pair.server);
    wolfSSL_CTX_free(pair.client_context);
    wolfSSL_CTX_free(pair.server_context);
    (void)wolfSSL_Cleanup();
}

// Lets both work until the handshake is over or the server fails. Returns the
// server's error, 0 when both are done, WOLFSSL_ERROR_WANT_READ when stuck.
static int shake_hands(void)
{
    int server = 0, client = 0;

    for (int round = 0; round < 20 && (server != 1 || client != 1); round++) {
        if (client != 1)
            client = wolfSSL_connect(pair.client);
        if (server != 1)
            server = wolfSSL_accept(pair.server);
        if (server != 1) {
            int error = wolfSSL_get_error(pair.server, server);

            if (error != WOLFSSL_ERROR_WANT_READ)
                return error;
        }
    }
    return server == 1 && client == 1 ? 0 : WOLFSSL_ERROR_WANT_READ;
}

// --- 0001: the peer's connection ID fits ----------------------------------------

static void long_id(bool version13, size_t length, bool taken)
{
    REQUIRE(open_pair(version13));
    pair.edit.cid_length = length;
    int error = shake_hands();
    // In DTLS 1.3 the parser stops at the ID and then misses the key share.
    bool refused = error == DTLS_CID_ERROR || error == INCOMPLETE_DATA;
    CHECK_MSG(refused != taken, "error %d at %zu bytes", error, length);
    close_pair();
}

DG_TEST(wolfssl_refuses_connection_id_of_255_bytes)
{
    long_id(true, 255, false);
    long_id(false, 255, false);
}

DG_TEST(wolfssl_connection_id_limit_is_64_bytes)
{
    long_id(true, 64, true);
    long_id(true, 65, false);
    long_id(false, 65, false);
}

// --- 0002: rrc --------------------------------------------------------------------

static void rrc(bool version13, bool server, bool client)
{
    bool both = server && client;

    REQUIRE(open_pair(version13));
    if (server)
        CHECK_EQ(wolfSSL_dtls_rrc_use(pair.server), WOLFSSL_SUCCESS);
    if (client)
        CHECK_EQ(wolfSSL_dtls_rrc_use(pair.client), WOLFSSL_SUCCESS);
    CHECK_EQ(shake_hands(), 0);
    CHECK_EQ(wolfSSL_dtls_rrc_negotiated(pair.server), both);
    CHECK_EQ(wolfSSL_dtls_rrc_negotiated(pair.client), both);
    CHECK_EQ(pair.server_offered_rrc, both);
    close_pair();
}

DG_TEST(rrc_is_negotiated_when_both_want_it)
{
    rrc(true, true, true);
    rrc(false, true, true);
}

DG_TEST(rrc_is_not_negotiated_when_one_does_not)
{
    for (int version13 = 0; version13 <= 1; version13++) {
        rrc(version13, true, false);
        rrc(version13, false, true);
        rrc(version13, false, false);
    }
}

static void rrc_alone(bool version13)
{
    REQUIRE(open_pair(version13));
    pair.edit.rename_cid = true;
    CHECK_EQ(wolfSSL_dtls_rrc_use(pair.server), WOLFSSL_SUCCESS);
    CHECK_EQ(wolfSSL_dtls_rrc_use(pair.client), WOLFSSL_SUCCESS);
    (void)shake_hands(); // the edited hello ends it, later
    CHECK(!wolfSSL_dtls_rrc_negotiated(pair.server));
    CHECK(!pair.server_offered_rrc);
    close_pair();
}

DG_TEST(rrc_is_not_answered_without_connection_id)
{
    rrc_alone(true);
    rrc_alone(false);
}

DG_TEST(rrc_use_needs_cid_use)
{
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfDTLSv1_3_client_method());
    WOLFSSL *ssl = wolfSSL_new(context);

    CHECK_EQ(wolfSSL_dtls_rrc_use(ssl), WOLFSSL_FAILURE);
    CHECK(!wolfSSL_dtls_rrc_negotiated(ssl));
    CHECK_EQ(wolfSSL_dtls_rrc_use(NULL), WOLFSSL_FAILURE);
    wolfSSL_free(ssl);
    wolfSSL_CTX_free(context);
}

// --- 0004: with a connection ID, protected records carry it -------------------------

DG_TEST(wolfssl_drops_finished_stripped_of_connection_id)
{
    struct datagram genuine, *d = NULL;
    int client = 0, server = 0;

    REQUIRE(open_pair(false));
    // Up to the client's Finished, which is then in the queue.
    for (int round = 0; round < 20 && d == NULL; round++) {
        client = wolfSSL_connect(pair.client);
        for (size_t i = 0; i < pair.to_server.count; i++) {
            if (pair.to_server.datagrams[i].bytes[0] == type_cid)
                d = &pair.to_server.datagrams[i];
        }
        if (d == NULL)
            (void)wolfSSL_accept(pair.server);
    }
    if (d == NULL) {
        CHECK_MSG(false, "no record with a connection ID came");
        close_pair();
        return;
    }
    // The same record, retyped, its connection ID cut out, in place of the genuine one.
    genuine = *d;
    d->bytes[0] = type_handshake;
    memmove(d->bytes + 11, d->bytes + 11 + cid_size, d->size - 11 - cid_size);
    d->size -= cid_size;
    for (int round = 0; round < 4 && server != 1; round++)
        server = wolfSSL_accept(pair.server);
    CHECK_MSG(server != 1, "the handshake ended with the forged Finished");
    CHECK_EQ(wolfSSL_get_error(pair.server, server), WOLFSSL_ERROR_WANT_READ);

    pair.to_server.datagrams[pair.to_server.count++] = genuine;
    for (int round = 0; round < 20 && (client != 1 || server != 1); round++) {
        if (server != 1)
            server = wolfSSL_accept(pair.server);
        if (client != 1)
            client = wolfSSL_connect(pair.client);
    }
    CHECK_EQ(server, 1);
    CHECK_EQ(client, 1);
    close_pair();
}

// --- 0005: without a connection ID of the server's there is none at all ------------------

DG_TEST(wolfssl_client_goes_on_without_the_connection_id_that_was_declined)
{
    for (int version13 = 0; version13 <= 1; version13++) {
        REQUIRE(open_pair(version13));
        WOLFSSL *server = wolfSSL_new(pair.server_context); // one that has never heard of connection IDs
        static const uint8_t secret[32] = "no secret, a cookie key of tests";
        REQUIRE(server != NULL);
        wolfSSL_free(pair.server);
        pair.server = server;
        wolfSSL_dtls_set_using_nonblock(server, 1);
        if (version13)
            CHECK_EQ(wolfSSL_send_hrr_cookie(server, secret, sizeof secret), WOLFSSL_SUCCESS);
        else
            CHECK_EQ(wolfSSL_DTLS_SetCookieSecret(server, secret, sizeof secret), 0);
        CHECK_EQ(wolfSSL_dtls_rrc_use(pair.client), WOLFSSL_SUCCESS);
        CHECK_EQ(shake_hands(), 0);
        CHECK_EQ(wolfSSL_dtls_cid_is_enabled(pair.client), 0);
        CHECK(!wolfSSL_dtls_rrc_negotiated(pair.client));
        close_pair();
    }
}

// --- 0007: one random generator for the objects of a context ------------------------------

#ifdef WOLFSSL_CTX_RNG
DG_TEST(wolfssl_objects_share_the_random_generator_of_their_context)
{
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfDTLSv1_2_client_method());
    REQUIRE(context != NULL);
    WOLFSSL *alone = wolfSSL_new(context);
    CHECK_EQ(wolfSSL_CTX_new_rng(context), WOLFSSL_SUCCESS);
    WOLFSSL *one = wolfSSL_new(context), *other = wolfSSL_new(context);
    REQUIRE(alone != NULL && one != NULL && other != NULL);
    CHECK(wolfSSL_GetRNG(one) != NULL);
    CHECK(wolfSSL_GetRNG(one) == wolfSSL_GetRNG(other));
    CHECK(wolfSSL_GetRNG(alone) != wolfSSL_GetRNG(one));
    // The generator is the context's: it outlives an object, and gives what it has never given before.
    uint8_t first[32], second[32];
    CHECK_EQ(wc_RNG_GenerateBlock(wolfSSL_GetRNG(one), first, sizeof first), 0);
    wolfSSL_free(one);
    CHECK_EQ(wc_RNG_GenerateBlock(wolfSSL_GetRNG(other), second, sizeof second), 0);
    CHECK(memcmp(first, second, sizeof first) != 0);
    wolfSSL_CTX_free(context);
    CHECK_EQ(wc_RNG_GenerateBlock(wolfSSL_GetRNG(other), second, sizeof second), 0);
    wolfSSL_free(alone);
    wolfSSL_free(other);
}
#else
DG_TEST(wolfssl_objects_share_the_random_generator_of_their_context)
{
    CHECK_MSG(false, "the library was built without patch 0007: scripts/wolfssl builds it anew");
}
#endif

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(wolfssl_refuses_connection_id_of_255_bytes),
        DG_CASE(wolfssl_connection_id_limit_is_64_bytes),
        DG_CASE(rrc_is_negotiated_when_both_want_it),
        DG_CASE(rrc_is_not_negotiated_when_one_does_not),
        DG_CASE(rrc_is_not_answered_without_connection_id),
        DG_CASE(rrc_use_needs_cid_use),
        DG_CASE(wolfssl_drops_finished_stripped_of_connection_id),
        DG_CASE(wolfssl_client_goes_on_without_the_connection_id_that_was_declined),
        DG_CASE(wolfssl_objects_share_the_random_generator_of_their_context),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
