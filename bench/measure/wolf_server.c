// SPDX-License-Identifier: GPL-3.0-or-later
// One WOLFSSL_CTX for all, one WOLFSSL for each handshake, both ends in one thread; the clock runs only while
// the server's end does.
#include "measure/wolf_server.h"

#include "measure/plain_echo.h"
#include "measure/process.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUEUE 32
#define MTU 1400
#define TURNS_MAX 64

struct queue {
    struct bench_datagram datagrams[QUEUE];
    unsigned first, count;
};

struct wolf_server {
    const struct bench_kind *kind;
    const struct bench_credentials *credentials;
    WOLFSSL_CTX *context;
    struct queue to_server, to_client;
    struct wolf_session *session; // of kinds that resume
    struct bench_traffic traffic;
    double seconds;
};

static void put(struct queue *queue, const void *bytes, size_t size)
{
    if (queue->count == QUEUE || size > BENCH_DATAGRAM_MAX)
        BENCH_FAIL("a queue in memory is too small");
    struct bench_datagram *datagram = &queue->datagrams[(queue->first + queue->count++) % QUEUE];
    memcpy(datagram->bytes, bytes, size);
    datagram->size = size;
}

static size_t get(struct queue *queue, void *buffer, size_t capacity)
{
    if (queue->count == 0)
        return 0;
    const struct bench_datagram *datagram = &queue->datagrams[queue->first];
    size_t size = datagram->size < capacity ? datagram->size : capacity;
    memcpy(buffer, datagram->bytes, size);
    queue->first = (queue->first + 1) % QUEUE;
    queue->count--;
    return size;
}

static void client_send(void *context, const uint8_t *bytes, size_t size)
{
    struct wolf_server *server = context;
    put(&server->to_server, bytes, size);
    server->traffic.sent++;
}

static size_t client_receive(void *context, uint8_t *buffer, size_t capacity)
{
    struct wolf_server *server = context;
    return get(&server->to_client, buffer, capacity);
}

static int on_send(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    struct wolf_server *server = context;
    put(&server->to_client, bytes, (size_t)size);
    server->traffic.received++;
    return size;
}

static int on_receive(WOLFSSL *ssl, char *buffer, int capacity, void *context)
{
    (void)ssl;
    struct wolf_server *server = context;
    size_t size = get(&server->to_server, buffer, (size_t)capacity);
    return size > 0 ? (int)size : WOLFSSL_CBIO_ERR_WANT_READ;
}

static unsigned on_psk(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned key_max)
{
    const struct wolf_server *server = wolfSSL_GetIOReadCtx(ssl);
    const struct bench_credentials *credentials = server->credentials;
    if (strcmp(identity, credentials->psk_identity) != 0 || credentials->psk_size > key_max)
        return 0;
    memcpy(key, credentials->psk, credentials->psk_size);
    return (unsigned)credentials->psk_size;
}

static unsigned on_psk13(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned key_max, const char **suite)
{
    const struct wolf_server *server = wolfSSL_GetIOReadCtx(ssl);
    *suite = server->kind->suites;
    return on_psk(ssl, identity, key, key_max);
}

// Tickets under AES-256-GCM, as the gate's.
static int on_ticket(WOLFSSL *ssl, unsigned char *name, unsigned char *iv, unsigned char *mac, int is_encrypt,
                     unsigned char *ticket, int size, int *ret_size, void *context)
{
    static const unsigned char key[32] = {2}; // the yardstick's own; protects nothing
    static uint64_t count;
    (void)ssl, (void)context;
    Aes aes;
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0 || wc_AesGcmSetKey(&aes, key, sizeof key) != 0)
        return WOLFSSL_TICKET_RET_FATAL;
    int result;
    if (is_encrypt) {
        memset(name, 3, WOLFSSL_TICKET_NAME_SZ);
        memset(iv, 0, WOLFSSL_TICKET_IV_SZ);
        count++; // the library takes nothing of zeros only
        memcpy(iv, &count, sizeof count);
        memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
        result = wc_AesGcmEncrypt(&aes, ticket, ticket, (word32)size, iv, 12, mac, 16, name, WOLFSSL_TICKET_NAME_SZ);
    } else {
        result = wc_AesGcmDecrypt(&aes, ticket, ticket, (word32)size, iv, 12, mac, 16, name, WOLFSSL_TICKET_NAME_SZ);
    }
    wc_AesFree(&aes);
    *ret_size = size;
    return result == 0 ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

static const unsigned char *bytes_of(const char *text) { return (const unsigned char *)text; }

static bool set_up(struct wolf_server *server)
{
    static int groups[] = {WOLFSSL_X25519MLKEM768, WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1};
    const struct bench_credentials *credentials = server->credentials;
    WOLFSSL_CTX *context = server->context;
    wolfSSL_CTX_SetIOSend(context, on_send);
    wolfSSL_CTX_SetIORecv(context, on_receive);
    wolfSSL_CTX_set_TicketEncCb(context, on_ticket);
    wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF); // what a ticket makes needless
    if (wolfSSL_CTX_set_cipher_list(context, server->kind->suites) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_groups(context, groups, 3) != WOLFSSL_SUCCESS)
        return false;
    if (server->kind->with_psk) {
        wolfSSL_CTX_set_psk_server_callback(context, on_psk);
        wolfSSL_CTX_set_psk_server_tls13_callback(context, on_psk13);
        return true;
    }
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return wolfSSL_CTX_use_certificate_chain_buffer(context, bytes_of(credentials->server),
                                                    (long)strlen(credentials->server)) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_use_PrivateKey_buffer(context, bytes_of(credentials->server_key),
                                             (long)strlen(credentials->server_key),
                                             WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_load_verify_buffer(context, bytes_of(credentials->ca), (long)strlen(credentials->ca),
                                          WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS;
}

struct wolf_server *wolf_server_new(const struct bench_kind *kind, const struct bench_credentials *credentials)
{
    struct wolf_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        BENCH_FAIL("out of memory");
    (void)wolfSSL_Init();
    server->kind = kind;
    server->credentials = credentials;
    server->context = wolfSSL_CTX_new(wolfDTLS_server_method()); // for both versions on one port, as the gate
    if (server->context == NULL || !set_up(server))
        BENCH_FAIL("wolfSSL refuses the yardstick's configuration (%s)", kind->name);
    return server;
}

void wolf_server_free(struct wolf_server *server)
{
    wolf_session_free(server->session);
    wolfSSL_CTX_free(server->context);
    (void)wolfSSL_Cleanup();
    free(server);
}

static double thread_seconds(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// What a server calls stands in three functions that a profiler can name (bench/instructions).
static __attribute__((noinline)) WOLFSSL *server_new(struct wolf_server *server)
{
    static const unsigned char cookie_secret[32] = {1}; // the yardstick's own; protects nothing
    static unsigned char cid[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(0x7f000001)};
    WOLFSSL *ssl = wolfSSL_new(server->context);
    if (ssl == NULL)
        return NULL;
    wolfSSL_SetIOReadCtx(ssl, server);
    wolfSSL_SetIOWriteCtx(ssl, server);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    bool done = wolfSSL_dtls_set_peer(ssl, &peer, sizeof peer) == WOLFSSL_SUCCESS &&
                wolfSSL_dtls_set_mtu(ssl, MTU) == WOLFSSL_SUCCESS &&
                wolfSSL_DTLS_SetCookieSecret(ssl, cookie_secret, sizeof cookie_secret) == 0 &&
                wolfSSL_send_hrr_cookie(ssl, cookie_secret, sizeof cookie_secret) == WOLFSSL_SUCCESS &&
                wolfSSL_dtls_cid_use(ssl) == WOLFSSL_SUCCESS &&
                wolfSSL_dtls_cid_set(ssl, cid, sizeof cid) == WOLFSSL_SUCCESS;
    if (done)
        return ssl;
    wolfSSL_free(ssl);
    return NULL;
}

static __attribute__((noinline)) int server_accept(WOLFSSL *ssl) { return wolfSSL_accept(ssl); }
static __attribute__((noinline)) void server_free(WOLFSSL *ssl) { wolfSSL_free(ssl); }

// True: the handshake is complete on this side.
static bool server_turn(struct wolf_server *server, WOLFSSL *ssl)
{
    double before = thread_seconds();
    int result = server_accept(ssl);
    server->seconds += thread_seconds() - before;
    if (result == WOLFSSL_SUCCESS)
        return true;
    int error = wolfSSL_get_error(ssl, result);
    if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
        BENCH_FAIL("the yardstick's handshake (%s) failed: wolfSSL error %d", server->kind->name, error);
    return false;
}

// Without a session of a kind that resumes: a full handshake, which leaves one.
static double handshake(struct wolf_server *server)
{
    struct wolf_client_config config = bench_client_config(server->kind, server->credentials);
    config.wire = (struct wolf_client_wire){server, client_send, client_receive};
    struct wolf_client *client = wolf_client_new(&config);
    if (client == NULL)
        BENCH_FAIL("no client");
    if (server->session != NULL && !wolf_client_resume(client, server->session))
        BENCH_FAIL("%s: no session to resume", server->kind->name);
    server->to_server.count = server->to_client.count = 0;
    server->traffic = (struct bench_traffic){0};

    double before = thread_seconds();
    WOLFSSL *ssl = server_new(server);
    server->seconds = thread_seconds() - before;
    if (ssl == NULL)
        BENCH_FAIL("wolfSSL refuses the yardstick's object (%s)", server->kind->name);
    bool server_is_done = false, client_is_done = false;
    for (int turn = 0; !(server_is_done && client_is_done); turn++) {
        if (turn == TURNS_MAX || (!client_is_done && wolf_client_connect(client) == WOLF_CLIENT_FAILED))
            BENCH_FAIL("the yardstick's client (%s) failed: wolfSSL error %d", server->kind->name,
                       wolf_client_error(client));
        client_is_done = wolf_client_connect(client) == WOLF_CLIENT_DONE;
        if (!server_is_done)
            server_is_done = server_turn(server, ssl);
    }
    uint8_t ignored[64];
    (void)wolf_client_read(client, ignored, sizeof ignored); // DTLS 1.3: the ticket
    if (server->session != NULL && !wolf_client_resumed(client))
        BENCH_FAIL("the yardstick (%s) does not resume", server->kind->name);
    if (server->kind->resumes && server->session == NULL)
        server->session = wolf_client_session(client);
    before = thread_seconds();
    server_free(ssl);
    double seconds = server->seconds + thread_seconds() - before;
    wolf_client_free(client);
    return seconds;
}

double wolf_server_handshake(struct wolf_server *server)
{
    if (server->kind->resumes && server->session == NULL)
        (void)handshake(server);
    return handshake(server);
}

struct bench_traffic wolf_server_traffic(const struct wolf_server *server) { return server->traffic; }

double wolf_server_hello(struct wolf_server *server, const uint8_t *hello, size_t size, int count)
{
    WOLFSSL *ssl = server_new(server);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    if (ssl == NULL)
        BENCH_FAIL("wolfSSL refuses the yardstick's object (%s)", server->kind->name);
    double before = thread_seconds();
    for (int i = 0; i < count; i++) {
        peer.sin_port = htons((uint16_t)(1024 + i));
        (void)wolfSSL_dtls_set_peer(ssl, &peer, sizeof peer);
        server->to_server.count = server->to_client.count = 0;
        put(&server->to_server, hello, size);
        if (wolfDTLS_accept_stateless(ssl) != WOLFSSL_FAILURE || server->to_client.count != 1)
            BENCH_FAIL("%s: the yardstick does not answer a hello with one datagram", server->kind->name);
    }
    double seconds = thread_seconds() - before;
    wolfSSL_free(ssl);
    return seconds / count;
}

// --- over a socket -------------------------------------------------------------------------------------------

// All that wait go in, as they came. Returns how many; the last one's source.
static int take_from(int fd, struct wolf_server *server, struct sockaddr_in *ret_peer)
{
    static uint8_t buffers[QUEUE][BENCH_DATAGRAM_MAX];
    static struct iovec vectors[QUEUE];
    static struct mmsghdr messages[QUEUE];
    for (int i = 0; i < QUEUE; i++) {
        vectors[i] = (struct iovec){buffers[i], sizeof buffers[i]};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = ret_peer, .msg_namelen = sizeof *ret_peer, .msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(fd, messages, QUEUE, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        put(&server->to_server, buffers[i], messages[i].msg_len);
    return count;
}

static void give_to(int fd, struct wolf_server *server, struct sockaddr_in *peer)
{
    static struct iovec vectors[QUEUE];
    static struct mmsghdr messages[QUEUE];
    struct queue *queue = &server->to_client;
    for (unsigned i = 0; i < queue->count; i++) {
        struct bench_datagram *datagram = &queue->datagrams[(queue->first + i) % QUEUE];
        vectors[i] = (struct iovec){datagram->bytes, datagram->size};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = peer, .msg_namelen = sizeof *peer, .msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    if (queue->count > 0)
        (void)sendmmsg(fd, messages, queue->count, 0);
    queue->count = 0;
}

struct serving {
    struct wolf_server *server;
    int fd;
};

// One client after the other, one object for each, nothing besides.
static void serve(void *context)
{
    struct wolf_server *server = ((struct serving *)context)->server;
    int fd = ((struct serving *)context)->fd;
    WOLFSSL *ssl = NULL;
    struct sockaddr_in peer = {0};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    for (;;) {
        if (epoll_wait(epoll, &event, 1, -1) != 1 || take_from(fd, server, &peer) <= 0)
            continue;
        if (ssl == NULL)
            ssl = server_new(server);
        (void)wolfSSL_dtls_set_peer(ssl, &peer, sizeof peer);
        bool is_over = server_turn(server, ssl);
        give_to(fd, server, &peer);
        if (!is_over)
            continue;
        server_free(ssl);
        ssl = NULL;
        server->to_server.count = 0;
    }
}

struct bench_process wolf_server_start(struct wolf_server *server)
{
    uint16_t port;
    struct serving serving = {.server = server, .fd = plain_echo_open(&port)};
    if (serving.fd < 0)
        BENCH_FAIL("cannot open a socket for wolfSSL's server");
    struct bench_process process = bench_start_child(port, BENCH_SERVER_CPU, serve, &serving);
    close(serving.fd);
    return process;
}
