// SPDX-License-Identifier: GPL-3.0-or-later
// The in-memory client: owns one WOLFSSL_CTX and one WOLFSSL for each client. Never opens a socket; the
// library reads and writes through the caller's two functions.
#include "support/wolf_client.h"

#include "base/secret.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wolf_client {
    WOLFSSL_CTX *context;
    WOLFSSL *ssl;
    struct wolf_client_wire wire;
    char identity[300];
    uint8_t psk[64];
    size_t psk_size;
    char suite_name[64]; // 1.3: the suite that the PSK goes with
    int error;
    bool done;
    bool closed;
};

static int on_send(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    struct wolf_client *client = context;
    client->wire.send(client->wire.context, (const uint8_t *)bytes, (size_t)size);
    return size;
}

static int on_receive(WOLFSSL *ssl, char *buffer, int capacity, void *context)
{
    (void)ssl;
    struct wolf_client *client = context;
    size_t size = client->wire.receive(client->wire.context, (uint8_t *)buffer, (size_t)capacity);
    return size > 0 ? (int)size : WOLFSSL_CBIO_ERR_WANT_READ;
}

static unsigned give_psk(struct wolf_client *client, char *identity, unsigned identity_max, uint8_t *key,
                         unsigned key_max)
{
    if (strlen(client->identity) > identity_max || client->psk_size > key_max)
        return 0;
    memcpy(identity, client->identity, strlen(client->identity) + 1);
    memcpy(key, client->psk, client->psk_size);
    return (unsigned)client->psk_size;
}

static unsigned on_psk(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
                       unsigned key_max)
{
    (void)hint;
    return give_psk(wolfSSL_GetIOReadCtx(ssl), identity, identity_max, key, key_max);
}

static unsigned on_psk13(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
                         unsigned key_max, const char **suite)
{
    (void)hint;
    struct wolf_client *client = wolfSSL_GetIOReadCtx(ssl);
    *suite = client->suite_name;
    return give_psk(client, identity, identity_max, key, key_max);
}

static bool fail(const char *what)
{
    fprintf(stderr, "wolf_client: %s refused\n", what);
    return false;
}

static bool set_certificate(struct wolf_client *client, const struct wolf_client_config *config)
{
    if (config->ca == NULL) {
        wolfSSL_CTX_set_verify(client->context, WOLFSSL_VERIFY_NONE, NULL);
    } else if (wolfSSL_CTX_load_verify_buffer(client->context, (const unsigned char *)config->ca,
                                              (long)strlen(config->ca), WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) {
        return fail("CA");
    }
    if (config->certificate != NULL &&
        wolfSSL_CTX_use_certificate_chain_buffer(client->context, (const unsigned char *)config->certificate,
                                                 (long)strlen(config->certificate)) != WOLFSSL_SUCCESS)
        return fail("certificate");
    if (config->public_key != NULL) {
        uint8_t der[2048];
        int size = wc_PubKeyPemToDer((const unsigned char *)config->public_key, (int)strlen(config->public_key), der,
                                     sizeof der);
        if (size <= 0 || wolfSSL_CTX_use_certificate_buffer(client->context, der, size, WOLFSSL_FILETYPE_ASN1) !=
                             WOLFSSL_SUCCESS)
            return fail("public key");
        static const char types[] = {WOLFSSL_CERT_TYPE_RPK};
        if (wolfSSL_CTX_set_client_cert_type(client->context, types, 1) != WOLFSSL_SUCCESS)
            return fail("client_certificate_type");
    }
    if (config->accept_server_raw_key) {
        static const char types[] = {WOLFSSL_CERT_TYPE_RPK, WOLFSSL_CERT_TYPE_X509};
        if (wolfSSL_CTX_set_server_cert_type(client->context, types, 2) != WOLFSSL_SUCCESS)
            return fail("server_certificate_type");
    }
    if (config->key != NULL &&
        wolfSSL_CTX_use_PrivateKey_buffer(client->context, (const unsigned char *)config->key,
                                          (long)strlen(config->key), WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        return fail("private key");
    return true;
}

static bool set_up(struct wolf_client *client, const struct wolf_client_config *config)
{
    WOLFSSL_METHOD *method = config->version == 12   ? wolfDTLSv1_2_client_method()
                             : config->version == 13 ? wolfDTLSv1_3_client_method()
                                                     : wolfDTLS_client_method();
    client->context = wolfSSL_CTX_new(method);
    if (client->context == NULL)
        return fail("method");
    wolfSSL_CTX_SetIOSend(client->context, on_send);
    wolfSSL_CTX_SetIORecv(client->context, on_receive);
    if (config->suites != NULL && wolfSSL_CTX_set_cipher_list(client->context, config->suites) != WOLFSSL_SUCCESS)
        return fail(config->suites);
    if (!set_certificate(client, config))
        return false;
    if (config->psk_identity != NULL) {
        if (strlen(config->psk_identity) >= sizeof client->identity || config->psk_key_size > sizeof client->psk)
            return fail("PSK");
        memcpy(client->identity, config->psk_identity, strlen(config->psk_identity) + 1);
        memcpy(client->psk, config->psk_key, config->psk_key_size);
        client->psk_size = config->psk_key_size;
        const char *suite = config->suites != NULL && strncmp(config->suites, "TLS13-", 6) == 0
                                ? config->suites
                                : "TLS13-AES128-GCM-SHA256";
        snprintf(client->suite_name, sizeof client->suite_name, "%.*s", (int)strcspn(suite, ":"), suite);
        wolfSSL_CTX_set_psk_client_callback(client->context, on_psk);
        wolfSSL_CTX_set_psk_client_tls13_callback(client->context, on_psk13);
    }
    if (config->psk_without_dhe)
        wolfSSL_CTX_no_dhe_psk(client->context);
    if (config->tickets)
        wolfSSL_CTX_UseSessionTicket(client->context);
    if (config->without_ems)
        wolfSSL_CTX_DisableExtendedMasterSecret(client->context);
    return true;
}

static bool set_up_ssl(struct wolf_client *client, const struct wolf_client_config *config)
{
    client->ssl = wolfSSL_new(client->context);
    if (client->ssl == NULL)
        return fail("WOLFSSL object");
    WOLFSSL *ssl = client->ssl;
    wolfSSL_SetIOReadCtx(ssl, client);
    wolfSSL_SetIOWriteCtx(ssl, client);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    // The library wants a peer's address, although these functions have none.
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(0x7f000001)};
    wolfSSL_dtls_set_peer(ssl, &peer, sizeof peer);
    unsigned datagram_max = config->datagram_max > 0 ? (unsigned)config->datagram_max : 1200;
    if (wolfSSL_dtls_set_mtu(ssl, (unsigned short)datagram_max) != WOLFSSL_SUCCESS)
        return fail("datagram_max");
    int count = 0;
    int groups[6];
    while (count < 6 && config->groups[count] != 0) {
        groups[count] = config->groups[count];
        count++;
    }
    if (count > 0 && wolfSSL_set_groups(ssl, groups, count) != WOLFSSL_SUCCESS)
        return fail("groups");
    if (config->version != 12) {
        if (config->empty_key_share)
            wolfSSL_NoKeyShares(ssl);
        else if (count > 0 && wolfSSL_UseKeyShare(ssl, (word16)groups[0]) != WOLFSSL_SUCCESS)
            return fail("key share");
    }
    for (int i = 0; config->version == 12 && i < count; i++)
        if (groups[i] < 256 && wolfSSL_UseSupportedCurve(ssl, (word16)groups[i]) != WOLFSSL_SUCCESS)
            return fail("supported curve");
    if (config->server_name != NULL &&
        wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, config->server_name, (word16)strlen(config->server_name)) !=
            WOLFSSL_SUCCESS)
        return fail("server name");
    if (config->offer_cid) {
        uint8_t cid[255];
        memcpy(cid, config->cid, sizeof cid);
        if (wolfSSL_dtls_cid_use(ssl) != WOLFSSL_SUCCESS ||
            wolfSSL_dtls_cid_set(ssl, cid, (unsigned)config->cid_size) != WOLFSSL_SUCCESS)
            return fail("connection ID");
        if (config->offer_rrc && wolfSSL_dtls_rrc_use(ssl) != WOLFSSL_SUCCESS)
            return fail("return routability check");
    }
    return true;
}

struct wolf_client *wolf_client_new(const struct wolf_client_config *config)
{
    struct wolf_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->wire = config->wire;
    wolfSSL_Init();
    if (!set_up(client, config) || !set_up_ssl(client, config)) {
        wolf_client_free(client);
        return NULL;
    }
    return client;
}

void wolf_client_free(struct wolf_client *client)
{
    if (client == NULL)
        return;
    wolfSSL_free(client->ssl);
    wolfSSL_CTX_free(client->context);
    wolfSSL_Cleanup();
    dg_wipe(client, sizeof *client);
    free(client);
}

// A copy: the library writes the next ticket into the session that it works with.
bool wolf_client_resume(struct wolf_client *client, const struct wolf_session *session)
{
    WOLFSSL_SESSION *copy = wolfSSL_SESSION_dup((WOLFSSL_SESSION *)(uintptr_t)session);
    bool done = copy != NULL && wolfSSL_set_session(client->ssl, copy) == WOLFSSL_SUCCESS;
    wolfSSL_SESSION_free(copy);
    return done;
}

static bool is_waiting(int error) { return error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE; }

enum wolf_client_step wolf_client_connect(struct wolf_client *client)
{
    if (client->done)
        return WOLF_CLIENT_DONE;
    if (client->error != 0)
        return WOLF_CLIENT_FAILED;
    int result = wolfSSL_connect(client->ssl);
    if (result == WOLFSSL_SUCCESS) {
        client->done = true;
        return WOLF_CLIENT_DONE;
    }
    int error = wolfSSL_get_error(client->ssl, result);
    if (is_waiting(error))
        return WOLF_CLIENT_GOES_ON;
    client->error = error;
    return WOLF_CLIENT_FAILED;
}

bool wolf_client_timeout(struct wolf_client *client)
{
    return wolfSSL_dtls_got_timeout(client->ssl) == WOLFSSL_SUCCESS;
}

unsigned wolf_client_timer_ms(struct wolf_client *client)
{
    // A quarter after a gap, when only ACKs are due (wolfSSL's manual).
    unsigned milliseconds = 1000u * (unsigned)wolfSSL_dtls_get_current_timeout(client->ssl);
    return wolfSSL_dtls13_use_quick_timeout(client->ssl) ? milliseconds / 4 : milliseconds;
}

void wolf_client_reset_timer(struct wolf_client *client) { (void)wolfSSL_dtls_set_timeout_init(client->ssl, 1); }

bool wolf_client_write(struct wolf_client *client, const void *data, size_t size)
{
    return wolfSSL_write(client->ssl, data, (int)size) == (int)size;
}

int wolf_client_read(struct wolf_client *client, void *data, size_t capacity)
{
    int result = wolfSSL_read(client->ssl, data, (int)capacity);
    if (result > 0)
        return result;
    int error = wolfSSL_get_error(client->ssl, result);
    if (is_waiting(error))
        return 0;
    client->closed = client->closed || error == WOLFSSL_ERROR_ZERO_RETURN;
    client->error = error;
    return -1;
}

bool wolf_client_closed(const struct wolf_client *client) { return client->closed; }
void wolf_client_close(struct wolf_client *client) { wolfSSL_shutdown(client->ssl); }
bool wolf_client_update_keys(struct wolf_client *client) { return wolfSSL_update_keys(client->ssl) == WOLFSSL_SUCCESS; }
int wolf_client_error(const struct wolf_client *client) { return client->error; }

static WOLFSSL_ALERT_HISTORY alerts(struct wolf_client *client)
{
    WOLFSSL_ALERT_HISTORY history = {.last_rx = {-1, -1}, .last_tx = {-1, -1}};
    wolfSSL_get_alert_history(client->ssl, &history);
    return history;
}

int wolf_client_alert_received(struct wolf_client *client) { return alerts(client).last_rx.code; }
int wolf_client_alert_sent(struct wolf_client *client) { return alerts(client).last_tx.code; }
bool wolf_client_resumed(struct wolf_client *client) { return wolfSSL_session_reused(client->ssl) == 1; }

int wolf_client_version(struct wolf_client *client)
{
    return wolfSSL_version(client->ssl) == DTLS1_3_VERSION ? 13 : 12;
}

const char *wolf_client_suite(struct wolf_client *client) { return wolfSSL_get_cipher(client->ssl); }
const char *wolf_client_group(struct wolf_client *client) { return wolfSSL_get_curve_name(client->ssl); }

size_t wolf_client_server_certificate(struct wolf_client *client, uint8_t *der, size_t capacity)
{
    WOLFSSL_X509 *certificate = wolfSSL_get_peer_certificate(client->ssl);
    int size = 0;
    const unsigned char *bytes = certificate != NULL ? wolfSSL_X509_get_der(certificate, &size) : NULL;
    bool fits = bytes != NULL && size > 0 && (size_t)size <= capacity;
    if (fits)
        memcpy(der, bytes, (size_t)size);
    wolfSSL_X509_free(certificate);
    return fits ? (size_t)size : 0;
}

bool wolf_client_sni_answered(struct wolf_client *client)
{
    return wolfSSL_SNI_Status(client->ssl, WOLFSSL_SNI_HOST_NAME) == WOLFSSL_SNI_REAL_MATCH;
}

int wolf_client_server_cid(struct wolf_client *client, uint8_t cid[255])
{
    unsigned size = 0;
    if (wolfSSL_dtls_cid_get_tx_size(client->ssl, &size) != WOLFSSL_SUCCESS)
        return -1;
    if (size > 0 && wolfSSL_dtls_cid_get_tx(client->ssl, cid, size) != WOLFSSL_SUCCESS)
        return -1;
    return (int)size;
}

struct wolf_session *wolf_client_session(struct wolf_client *client)
{
    return (struct wolf_session *)wolfSSL_get1_session(client->ssl);
}

void wolf_session_free(struct wolf_session *session) { wolfSSL_SESSION_free((WOLFSSL_SESSION *)session); }
