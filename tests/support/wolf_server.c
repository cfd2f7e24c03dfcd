// SPDX-License-Identifier: GPL-3.0-or-later
// The in-memory server: owns one WOLFSSL_CTX and one WOLFSSL. Never opens a socket, never keeps a clock.
#include "support/wolf_server.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wolf_server {
    WOLFSSL_CTX *context;
    WOLFSSL *ssl;
    struct wolf_client_wire wire;
    enum wolf_client_step step;
};

static int on_send(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    struct wolf_server *server = context;
    server->wire.send(server->wire.context, (const uint8_t *)bytes, (size_t)size);
    return size;
}

static int on_receive(WOLFSSL *ssl, char *buffer, int capacity, void *context)
{
    (void)ssl;
    struct wolf_server *server = context;
    size_t size = server->wire.receive(server->wire.context, (uint8_t *)buffer, (size_t)capacity);
    return size > 0 ? (int)size : WOLFSSL_CBIO_ERR_WANT_READ;
}

static bool set_identity(WOLFSSL_CTX *context, const struct wolf_server_config *config)
{
    static const char types[] = {WOLFSSL_CERT_TYPE_RPK};
    const unsigned char *key = (const unsigned char *)config->key;
    if (config->public_key != NULL) {
        uint8_t der[2048];
        int size =
            wc_PubKeyPemToDer((const unsigned char *)config->public_key, (int)strlen(config->public_key), der, sizeof der);
        if (size <= 0 ||
            wolfSSL_CTX_use_certificate_buffer(context, der, size, WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS ||
            wolfSSL_CTX_set_server_cert_type(context, types, 1) != WOLFSSL_SUCCESS)
            return false;
    } else if (wolfSSL_CTX_use_certificate_chain_buffer(context, (const unsigned char *)config->certificate,
                                                        (long)strlen(config->certificate)) != WOLFSSL_SUCCESS) {
        return false;
    }
    return wolfSSL_CTX_use_PrivateKey_buffer(context, key, (long)strlen(config->key), WOLFSSL_FILETYPE_PEM) ==
           WOLFSSL_SUCCESS;
}

static bool set_up(struct wolf_server *server, const struct wolf_server_config *config)
{
    server->context = wolfSSL_CTX_new(config->version == 12 ? wolfDTLSv1_2_server_method() : wolfDTLSv1_3_server_method());
    if (server->context == NULL || !set_identity(server->context, config))
        return false;
    wolfSSL_CTX_SetIOSend(server->context, on_send);
    wolfSSL_CTX_SetIORecv(server->context, on_receive);
    WOLFSSL *ssl = server->ssl = wolfSSL_new(server->context);
    if (ssl == NULL)
        return false;
    wolfSSL_SetIOReadCtx(ssl, server);
    wolfSSL_SetIOWriteCtx(ssl, server);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(0x7f000001)};
    static const unsigned char secret[32] = {1};
    if (wolfSSL_dtls_set_peer(ssl, &peer, sizeof peer) != WOLFSSL_SUCCESS ||
        (config->version == 13 && wolfSSL_send_hrr_cookie(ssl, secret, sizeof secret) != WOLFSSL_SUCCESS))
        return false;
    int groups[6], count = 0;
    for (; count < 6 && config->groups[count] != 0; count++)
        groups[count] = config->groups[count];
    return count == 0 || wolfSSL_set_groups(ssl, groups, count) == WOLFSSL_SUCCESS;
}

struct wolf_server *wolf_server_new(const struct wolf_server_config *config)
{
    struct wolf_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->wire = config->wire;
    server->step = WOLF_CLIENT_GOES_ON;
    wolfSSL_Init();
    if (set_up(server, config))
        return server;
    fprintf(stderr, "wolf_server: the configuration was refused\n");
    wolf_server_free(server);
    return NULL;
}

void wolf_server_free(struct wolf_server *server)
{
    if (server == NULL)
        return;
    wolfSSL_free(server->ssl);
    wolfSSL_CTX_free(server->context);
    wolfSSL_Cleanup();
    free(server);
}

static bool is_waiting(int error) { return error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE; }

enum wolf_client_step wolf_server_accept(struct wolf_server *server)
{
    if (server->step != WOLF_CLIENT_GOES_ON)
        return server->step;
    int result = wolfSSL_accept(server->ssl);
    if (result == WOLFSSL_SUCCESS)
        server->step = WOLF_CLIENT_DONE;
    else if (!is_waiting(wolfSSL_get_error(server->ssl, result)))
        server->step = WOLF_CLIENT_FAILED;
    return server->step;
}

bool wolf_server_write(struct wolf_server *server, const void *data, size_t size)
{
    return wolfSSL_write(server->ssl, data, (int)size) == (int)size;
}

int wolf_server_read(struct wolf_server *server, void *data, size_t capacity)
{
    int result = wolfSSL_read(server->ssl, data, (int)capacity);
    if (result > 0)
        return result;
    return is_waiting(wolfSSL_get_error(server->ssl, result)) ? 0 : -1;
}
