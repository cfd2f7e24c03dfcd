// SPDX-License-Identifier: GPL-3.0-or-later
// Judges cookies (RFC 6347 4.2.1, RFC 9147 5.1), and makes those of DTLS 1.2. The layouts are those of wolfSSL 5.9.2: the
// server makes and checks its own cookies, so that no standard says what is in them; test_cookie notices when they change.
#include "crypto/cookie.h"

#include "base/secret.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/hmac.h>

#include <string.h>

#define COOKIE_SIZE 32 // HMAC-SHA256
#define QUESTION_SIZE (2 + 1 + COOKIE_SIZE)
#define QUESTION_RECORD (DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER + QUESTION_SIZE)

socklen_t dg_cookie_address(const struct dg_address *peer, union dg_canonical_address *ret)
{
    memset(ret, 0, sizeof *ret);
    if (dg_address_is_ipv4(peer)) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(peer->port);
        memcpy(&ret->v4.sin_addr, peer->ip + 12, 4);
        return sizeof ret->v4;
    }
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(peer->port);
    memcpy(&ret->v6.sin6_addr, peer->ip, 16);
    ret->v6.sin6_scope_id = peer->scope;
    return sizeof ret->v6;
}

static bool derive(const uint8_t secret[DG_COOKIE_SECRET], const char *label, uint8_t out[32])
{
    Hmac hmac;
    bool done = wc_HmacInit(&hmac, NULL, INVALID_DEVID) == 0 &&
                wc_HmacSetKey(&hmac, WC_SHA256, secret, DG_COOKIE_SECRET) == 0 &&
                wc_HmacUpdate(&hmac, (const byte *)label, (word32)strlen(label)) == 0 &&
                wc_HmacFinal(&hmac, out) == 0;
    wc_HmacFree(&hmac);
    return done;
}

void dg_cookie_refresh(struct dg_gate *gate)
{
    const struct dg_memory_secrets *secrets = gate->config.secrets;
    uint32_t generation = atomic_load_explicit(&secrets->cookie_generation, memory_order_acquire);
    if (generation == gate->cookie_generation)
        return;
    for (int i = 0; i < 2; i++)
        DG_BUG_UNLESS(derive(secrets->cookie[i], "dtlsgate cookie 1.2", gate->cookie_keys[i][0]) &&
                      derive(secrets->cookie[i], "dtlsgate cookie 1.3", gate->cookie_keys[i][1]));
    gate->cookie_generation = generation;
    gate->judged.is_set = false;
}

// Everything that a 1.2 cookie covers, in the library's order.
static bool mac12(const uint8_t key[32], const struct dg_path *path, const struct dg_hello *hello,
                  uint8_t out[COOKIE_SIZE])
{
    union dg_canonical_address address;
    socklen_t size = dg_cookie_address(&path->peer, &address);
    uint8_t version[2] = {(uint8_t)(hello->legacy_version >> 8), (uint8_t)hello->legacy_version};
    Hmac hmac;
    bool done = wc_HmacInit(&hmac, NULL, INVALID_DEVID) == 0 && wc_HmacSetKey(&hmac, WC_SHA256, key, 32) == 0 &&
                wc_HmacUpdate(&hmac, (const byte *)&address, (word32)size) == 0 &&
                wc_HmacUpdate(&hmac, version, sizeof version) == 0 &&
                wc_HmacUpdate(&hmac, hello->random.data, (word32)hello->random.size) == 0 &&
                wc_HmacUpdate(&hmac, hello->session_id.data, (word32)hello->session_id.size) == 0 &&
                wc_HmacUpdate(&hmac, hello->suites.data, (word32)hello->suites.size) == 0 &&
                wc_HmacUpdate(&hmac, hello->compression.data, (word32)hello->compression.size) == 0 &&
                wc_HmacFinal(&hmac, out) == 0;
    wc_HmacFree(&hmac);
    return done;
}

static bool mac13(const uint8_t key[32], const struct dg_path *path, struct dg_bytes covered, uint8_t out[COOKIE_SIZE])
{
    union dg_canonical_address address;
    socklen_t size = dg_cookie_address(&path->peer, &address);
    Hmac hmac;
    bool done = wc_HmacInit(&hmac, NULL, INVALID_DEVID) == 0 && wc_HmacSetKey(&hmac, WC_SHA256, key, 32) == 0 &&
                wc_HmacUpdate(&hmac, covered.data, (word32)covered.size) == 0 &&
                wc_HmacUpdate(&hmac, (const byte *)&address, (word32)size) == 0 && wc_HmacFinal(&hmac, out) == 0;
    wc_HmacFree(&hmac);
    return done;
}

static int match12(const struct dg_gate *gate, const struct dg_path *path, const struct dg_hello *hello)
{
    if (hello->cookie.size == 0)
        return -2;
    if (hello->cookie.size != COOKIE_SIZE)
        return -1;
    for (int i = 0; i < 2; i++) {
        uint8_t mac[COOKIE_SIZE];
        if (mac12(gate->cookie_keys[i][0], path, hello, mac) && dg_secret_equal(mac, hello->cookie.data, COOKIE_SIZE))
            return i;
    }
    return -1;
}

static int match13(const struct dg_gate *gate, const struct dg_path *path, const struct dg_hello *hello)
{
    if (!hello->has_cookie_extension)
        return -2;
    struct dg_bytes cookie = hello->cookie_extension;
    if (cookie.size <= COOKIE_SIZE)
        return -1;
    struct dg_bytes covered = {cookie.data, cookie.size - COOKIE_SIZE};
    for (int i = 0; i < 2; i++) {
        uint8_t mac[COOKIE_SIZE];
        if (mac13(gate->cookie_keys[i][1], path, covered, mac) &&
            dg_secret_equal(mac, cookie.data + covered.size, COOKIE_SIZE))
            return i;
    }
    return -1;
}

int dg_cookie_match(struct dg_gate *gate, const struct dg_path *path, const struct dg_hello *hello)
{
    dg_cookie_refresh(gate);
    return hello->offers_13 ? match13(gate, path, hello) : match12(gate, path, hello);
}

int dg_cookie_judged(struct dg_gate *gate, const struct dg_path *path, const struct dg_hello *hello)
{
    dg_cookie_refresh(gate);
    // A first hello has the random of the one that its client answered the question with (RFC 8446 4.1.2): where that
    // one went no further, a late copy of the first would pass for it.
    bool has_cookie = hello->offers_13 ? hello->has_cookie_extension : hello->cookie.size > 0;
    bool is_set = gate->judged.is_set && has_cookie;
    gate->judged.is_set = false;
    if (is_set && hello->random.size == sizeof gate->judged.random &&
        dg_secret_equal(gate->judged.random, hello->random.data, sizeof gate->judged.random) &&
        dg_address_equal(&gate->judged.peer, &path->peer))
        return gate->judged.match;
    return dg_cookie_match(gate, path, hello);
}

// RFC 6347 4.2.1: no more than the client has proven, so nothing of the hello's but its numbers is in it. The version is
// that of DTLS 1.0, whatever will be negotiated.
static void write_question(uint8_t *room, const struct dg_hello *hello, const uint8_t cookie[COOKIE_SIZE])
{
    struct dg_writer writer = dg_writer_of(room, QUESTION_RECORD);
    dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0); // epoch
    dg_write_u48(&writer, hello->record_sequence);
    dg_write_u16(&writer, DG_HANDSHAKE_HEADER + QUESTION_SIZE);
    dg_write_u8(&writer, DG_HS_HELLO_VERIFY_REQUEST);
    dg_write_u24(&writer, QUESTION_SIZE);
    dg_write_u16(&writer, hello->message_seq);
    dg_write_u24(&writer, 0); // one fragment
    dg_write_u24(&writer, QUESTION_SIZE);
    dg_write_u16(&writer, DG_VERSION_DTLS10);
    dg_write_u8(&writer, COOKIE_SIZE);
    dg_write_bytes(&writer, cookie, COOKIE_SIZE);
    DG_BUG_UNLESS(!writer.failed && dg_writer_size(&writer) == QUESTION_RECORD);
}

bool dg_cookie_ask12(struct dg_gate *gate, const struct dg_path *path, const struct dg_hello *hello,
                     const struct dg_output *output)
{
    uint8_t cookie[COOKIE_SIZE];
    dg_cookie_refresh(gate);
    if (!mac12(gate->cookie_keys[0][0], path, hello, cookie))
        return false;
    uint8_t *room = output->reserve(output->context, QUESTION_RECORD);
    if (room == NULL)
        return false;
    write_question(room, hello, cookie);
    output->commit(output->context, path, QUESTION_RECORD);
    return true;
}

enum dg_cookie_verdict dg_cookie_check(void *gate, dg_time now, const struct dg_path *path,
                                       const struct dg_hello *hello)
{
    (void)now; // a cookie carries no time: its secret does
    struct dg_gate *of = gate;
    int match = dg_cookie_match(of, path, hello);
    of->judged.is_set = hello->random.size == sizeof of->judged.random;
    if (of->judged.is_set) {
        memcpy(of->judged.random, hello->random.data, sizeof of->judged.random);
        of->judged.peer = path->peer;
        of->judged.match = match;
    }
    return match >= 0 ? DG_COOKIE_VALID : match == -2 ? DG_COOKIE_NONE : DG_COOKIE_INVALID;
}
