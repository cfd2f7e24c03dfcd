// SPDX-License-Identifier: GPL-3.0-or-later
// wolfSSL's own DTLS client over a real socket, driven by lines: what a test writes to its standard input
// goes out as one datagram a line, what comes back is printed. Says "connected key=value ..." after the
// handshake, "closed" at the server's close_notify. It knows nothing of the server's code.
//
//   wolf_echo --connect 127.0.0.1:5684 --version 1.3 --psk-file FILE | --ca FILE --cert FILE --key FILE
//             [--cid HEX] [--group X25519MLKEM768] [--cipher LIST]
//
// The line "!key-update" sends a KeyUpdate (1.3); "!bytes N" sends N bytes. The end of the input sends
// close_notify.
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HANDSHAKE_SECONDS 40
#define LINE_MAX_BYTES 4096

struct arguments {
    const char *connect, *version, *psk_file, *ca, *cert, *key, *cid, *group, *cipher;
};

static char psk_identity[256];
static unsigned char psk_key[64];
static unsigned psk_key_size;

static _Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("failed ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t unhex(const char *text, unsigned char *bytes, size_t capacity)
{
    size_t size = 0;
    unsigned value;
    for (; size < capacity && sscanf(text, "%2x", &value) == 1; text += 2)
        bytes[size++] = (unsigned char)value;
    return size;
}

static void read_psk(const char *path)
{
    char line[512];
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file))
        fail("cannot read %s", path);
    fclose(file);
    char *colon = strchr(line, ':');
    if (!colon)
        fail("no identity:key in %s", path);
    *colon = '\0';
    snprintf(psk_identity, sizeof psk_identity, "%.255s", line);
    psk_key_size = (unsigned)unhex(colon + 1, psk_key, sizeof psk_key);
}

static unsigned on_psk(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
                       unsigned key_max)
{
    (void)ssl;
    (void)hint;
    if (key_max < psk_key_size)
        return 0;
    snprintf(identity, identity_max, "%s", psk_identity);
    memcpy(key, psk_key, psk_key_size);
    return psk_key_size;
}

static unsigned on_psk13(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
                         unsigned key_max, const char **ciphersuite)
{
    *ciphersuite = "TLS13-AES128-GCM-SHA256";
    return on_psk(ssl, hint, identity, identity_max, key, key_max);
}

static WOLFSSL_CTX *make_context(const struct arguments *a)
{
    int is_13 = strcmp(a->version, "1.3") == 0;
    WOLFSSL_CTX *context = wolfSSL_CTX_new(is_13 ? wolfDTLSv1_3_client_method() : wolfDTLSv1_2_client_method());
    if (!context)
        fail("no context");
    if (a->cipher && wolfSSL_CTX_set_cipher_list(context, a->cipher) != WOLFSSL_SUCCESS)
        fail("cipher list %s", a->cipher);
    if (a->psk_file) {
        read_psk(a->psk_file);
        wolfSSL_CTX_set_psk_client_callback(context, on_psk);
        if (is_13)
            wolfSSL_CTX_set_psk_client_tls13_callback(context, on_psk13);
    }
    if (a->ca && wolfSSL_CTX_load_verify_locations(context, a->ca, NULL) != WOLFSSL_SUCCESS)
        fail("CA file %s", a->ca);
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER, NULL);
    if (a->cert && wolfSSL_CTX_use_certificate_chain_file(context, a->cert) != WOLFSSL_SUCCESS)
        fail("certificate %s", a->cert);
    if (a->key && wolfSSL_CTX_use_PrivateKey_file(context, a->key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        fail("key %s", a->key);
    return context;
}

static int group_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } groups[] = {{"X25519MLKEM768", WOLFSSL_X25519MLKEM768}, {"X25519", WOLFSSL_ECC_X25519},
                  {"P-256", WOLFSSL_ECC_SECP256R1}, {"P-384", WOLFSSL_ECC_SECP384R1}};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (strcmp(groups[i].name, name) == 0)
            return groups[i].number;
    fail("unknown group %s", name);
}

// A non-blocking socket that is connected to the server.
static int open_socket(const char *text, struct sockaddr_storage *peer, socklen_t *peer_size)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        fail("--connect %s: expected HOST:PORT", text);
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    memset(peer, 0, sizeof *peer);
    struct sockaddr_in *v4 = (struct sockaddr_in *)peer;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)peer;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)atoi(colon + 1));
        *peer_size = sizeof *v4;
    } else {
        host[strcspn(host, "]")] = '\0';
        if (inet_pton(AF_INET6, host[0] == '[' ? host + 1 : host, &v6->sin6_addr) != 1)
            fail("--connect %s: expected an address", text);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)atoi(colon + 1));
        *peer_size = sizeof *v6;
    }
    int fd = socket(peer->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)peer, *peer_size) != 0)
        fail("socket: %s", strerror(errno));
    return fd;
}

static void handshake(WOLFSSL *ssl, int fd)
{
    double end = now_s() + HANDSHAKE_SECONDS;
    for (;;) {
        if (wolfSSL_connect(ssl) == WOLFSSL_SUCCESS)
            return;
        int error = wolfSSL_get_error(ssl, 0);
        if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
            fail("handshake error=%d %s", error, wolfSSL_ERR_reason_error_string((unsigned long)error));
        if (now_s() > end)
            fail("handshake timed out");
        int wait_ms = wolfSSL_dtls_get_current_timeout(ssl) * 1000;
        if (wolfSSL_dtls13_use_quick_timeout(ssl))
            wait_ms /= 4;
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        if (poll(&readable, 1, wait_ms) == 0 && wolfSSL_dtls_got_timeout(ssl) != WOLFSSL_SUCCESS &&
            wolfSSL_get_error(ssl, 0) != WOLFSSL_ERROR_WANT_READ)
            fail("handshake gave up");
    }
}

static void print_hex(const char *key, const unsigned char *bytes, unsigned size)
{
    printf(" %s=", key);
    if (size == 0)
        printf("none");
    for (unsigned i = 0; i < size; i++)
        printf("%02x", bytes[i]);
}

static void say_connected(WOLFSSL *ssl)
{
    const char *group = wolfSSL_get_curve_name(ssl);
    unsigned char cid[64];
    unsigned rx = 0, tx = 0;
    printf("connected version=%s suite=%s group=%s resumed=%d",
           strstr(wolfSSL_get_version(ssl), "1.3") ? "1.3" : "1.2", wolfSSL_get_cipher_name(ssl),
           group ? group : "none", wolfSSL_session_reused(ssl));
    if (wolfSSL_dtls_cid_get_rx_size(ssl, &rx) == WOLFSSL_SUCCESS && rx <= sizeof cid)
        (void)wolfSSL_dtls_cid_get_rx(ssl, cid, rx);
    print_hex("cid_in", cid, rx);
    if (wolfSSL_dtls_cid_get_tx_size(ssl, &tx) == WOLFSSL_SUCCESS && tx <= sizeof cid)
        (void)wolfSSL_dtls_cid_get_tx(ssl, cid, tx);
    print_hex("cid_out", cid, tx);
    printf("\n");
}

// Prints what has come. False: the server closed.
static int print_received(WOLFSSL *ssl)
{
    char data[17000];
    int size;
    while ((size = wolfSSL_read(ssl, data, sizeof data)) > 0)
        fwrite(data, 1, (size_t)size, stdout);
    int error = wolfSSL_get_error(ssl, size);
    if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE)
        return 1;
    if (error == WOLFSSL_ERROR_ZERO_RETURN) {
        printf("closed\n");
        return 0;
    }
    fail("read error=%d %s", error, wolfSSL_ERR_reason_error_string((unsigned long)error));
}

static void write_all(WOLFSSL *ssl, const void *data, size_t size)
{
    if (wolfSSL_write(ssl, data, (int)size) != (int)size)
        fail("write error=%d", wolfSSL_get_error(ssl, 0));
}

static void obey(WOLFSSL *ssl, const char *line, size_t size)
{
    char block[LINE_MAX_BYTES];
    if (strncmp(line, "!key-update", 11) == 0) {
        if (wolfSSL_update_keys(ssl) != WOLFSSL_SUCCESS)
            fail("key update");
    } else if (strncmp(line, "!bytes ", 7) == 0) {
        size_t count = (size_t)atoi(line + 7);
        if (count < 1 || count > sizeof block)
            fail("!bytes: 1 to %d", LINE_MAX_BYTES);
        memset(block, 'x', count);
        block[count - 1] = '\n';
        write_all(ssl, block, count);
    } else {
        write_all(ssl, line, size);
    }
}

// Lines from the input, datagrams from the server, until one of them ends.
static void talk(WOLFSSL *ssl, int fd)
{
    char line[LINE_MAX_BYTES];
    size_t held = 0;
    struct pollfd both[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        int wait_ms = wolfSSL_dtls_get_current_timeout(ssl) * 1000;
        if (poll(both, 2, wait_ms) == 0 && wolfSSL_version(ssl) == DTLS1_3_VERSION)
            (void)wolfSSL_dtls_got_timeout(ssl); // an unacknowledged Finished or KeyUpdate goes out again
        if ((both[0].revents || wolfSSL_pending(ssl)) && !print_received(ssl))
            return;
        if (!both[1].revents)
            continue;
        ssize_t got = read(STDIN_FILENO, line + held, sizeof line - held);
        if (got <= 0) {
            (void)wolfSSL_shutdown(ssl);
            return;
        }
        held += (size_t)got;
        for (char *end; (end = memchr(line, '\n', held)) != NULL;) {
            size_t size = (size_t)(end - line) + 1;
            obey(ssl, line, size);
            memmove(line, line + size, held - size);
            held -= size;
        }
        if (held == sizeof line)
            fail("a line above %d bytes", LINE_MAX_BYTES);
    }
}

static void parse(int argc, char **argv, struct arguments *a)
{
    const struct {
        const char *name;
        const char **field;
    } options[] = {{"--connect", &a->connect}, {"--version", &a->version}, {"--psk-file", &a->psk_file},
                   {"--ca", &a->ca},           {"--cert", &a->cert},       {"--key", &a->key},
                   {"--cid", &a->cid},         {"--group", &a->group},     {"--cipher", &a->cipher}};
    for (int i = 1; i < argc; i += 2) {
        size_t o = 0;
        while (o < sizeof options / sizeof options[0] && strcmp(options[o].name, argv[i]) != 0)
            o++;
        if (o == sizeof options / sizeof options[0] || i + 1 == argc)
            fail("unknown option, or one without a value: %s", argv[i]);
        *options[o].field = argv[i + 1];
    }
    if (!a->connect || !a->version)
        fail("--connect and --version are needed");
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    struct sockaddr_storage peer;
    socklen_t peer_size;
    setvbuf(stdout, NULL, _IOLBF, 0);
    parse(argc, argv, &a);
    wolfSSL_Init();
    WOLFSSL_CTX *context = make_context(&a);
    WOLFSSL *ssl = wolfSSL_new(context);
    int fd = open_socket(a.connect, &peer, &peer_size);
    if (!ssl || wolfSSL_set_dtls_fd_connected(ssl, fd) != WOLFSSL_SUCCESS ||
        wolfSSL_dtls_set_peer(ssl, &peer, peer_size) != WOLFSSL_SUCCESS)
        fail("no session");
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    if (a.group) {
        int group = group_number(a.group);
        if (wolfSSL_set_groups(ssl, &group, 1) != WOLFSSL_SUCCESS)
            fail("group %s", a.group);
        if (strcmp(a.version, "1.3") == 0 && wolfSSL_UseKeyShare(ssl, (word16)group) != WOLFSSL_SUCCESS)
            fail("key share %s", a.group);
    }
    if (a.cid) {
        unsigned char cid[64];
        unsigned size = (unsigned)unhex(a.cid, cid, sizeof cid);
        if (wolfSSL_dtls_cid_use(ssl) != WOLFSSL_SUCCESS || wolfSSL_dtls_cid_set(ssl, cid, size) != WOLFSSL_SUCCESS)
            fail("connection ID");
    }
    handshake(ssl, fd);
    say_connected(ssl);
    talk(ssl, fd);
    wolfSSL_free(ssl);
    wolfSSL_CTX_free(context);
    wolfSSL_Cleanup();
    close(fd);
    return 0;
}
