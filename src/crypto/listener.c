// SPDX-License-Identifier: GPL-3.0-or-later
// The stateless accept: one library object answers all strangers of a gate and becomes a handshake's own
// when a cookie is good. Whoever has none and speaks DTLS 1.2 alone is asked for one without the library (cookie.h).
// Keeps nothing for a peer before that (RFC 9147 5.1).
#include "base/random.h"
#include "base/secret.h"
#include "core/wire_constants.h"
#include "crypto/choice.h"
#include "crypto/cookie.h"
#include "crypto/inner.h"

#include <wolfssl/error-ssl.h>

#include <stdlib.h>
#include <string.h>

#define GENERATOR_SEED 32 // bytes: as strong as the library's generator can be (NIST SP 800-90A 10.1)

// RFC 6066 3: who has used the name says so, but not where a session of DTLS 1.2 is resumed.
static bool answer_name(WOLFSSL *ssl, const char *name)
{
    if (wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, name, (word16)strlen(name)) != WOLFSSL_SUCCESS)
        return false;
    // The client may write it in other letters than we do; that it is the one is decided.
    wolfSSL_SNI_SetOptions(ssl, WOLFSSL_SNI_HOST_NAME, WOLFSSL_SNI_ANSWER_ON_MISMATCH);
    return true;
}

// Runs when the cookie is good, before the extensions are read: what is set here is negotiated.
static int on_good_hello(WOLFSSL *ssl, void *context)
{
    struct dg_handshake *handshake = context;
    bool has_cid = handshake->cid_size > 0 && handshake->peek.has_cid;
    if (has_cid && (wolfSSL_dtls_cid_use(ssl) != WOLFSSL_SUCCESS ||
                    wolfSSL_dtls_cid_set(ssl, handshake->cid, handshake->cid_size) != WOLFSSL_SUCCESS))
        return -1;
    // RFC 9853 3: only to who asks for it, and only with connection IDs.
    if (has_cid && handshake->peek.has_rrc && handshake->gate->config.offer_rrc &&
        wolfSSL_dtls_rrc_use(ssl) != WOLFSSL_SUCCESS)
        return -1;
    // The library knows "a certificate unless there is a PSK" for DTLS 1.2 only. A 1.3 client without a PSK is
    // told here; one with a PSK that shows nothing in the end is refused when the handshake is done.
    const struct dg_peek *peek = &handshake->peek;
    bool has_psk = peek->has_psk && peek->psk_suite != NULL;
    if (peek->offers_13 && !has_psk && handshake->gate->config.authenticate_clients)
        wolfSSL_set_verify(ssl, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, dg_verify_peer);
    const struct dg_own *own = &handshake->gate->own[handshake->side];
    if (!peek->has_ticket12 && dg_certificate_answers(own, peek->server_name) && !answer_name(ssl, peek->server_name))
        return -1;
    if (handshake->peek.wants_raw_server_key && own->raw_key != NULL) {
        static const char types[] = {WOLFSSL_CERT_TYPE_RPK};
        if (wolfSSL_use_certificate_buffer(ssl, own->raw_key, (long)own->raw_key_size,
                                           WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS ||
            wolfSSL_set_server_cert_type(ssl, types, 1) != WOLFSSL_SUCCESS)
            return -1;
    }
    return 0;
}

// The library keeps the name where somebody wants to hear it, and then ties tickets to it, answered or not.
static int on_name(WOLFSSL *ssl, int *alert, void *context)
{
    (void)ssl, (void)alert, (void)context;
    return 0;
}

void dg_listener_install(WOLFSSL_CTX *context) { wolfSSL_CTX_set_servername_callback(context, on_name); }

struct dg_handshake *dg_listener_new(struct dg_gate *gate)
{
    struct dg_handshake *handshake = calloc(1, sizeof *handshake);
    if (handshake == NULL)
        return NULL;
    handshake->gate = gate;
    handshake->side = gate->side;
    handshake->io.datagram_max = gate->config.datagram_max;
    handshake->ssl = wolfSSL_new(gate->sides[gate->side].context);
    if (handshake->ssl == NULL) {
        free(handshake);
        return NULL;
    }
    WOLFSSL *ssl = handshake->ssl;
    wolfSSL_SetCertCbCtx(ssl, handshake);
    bool done = dg_library_io_begin(&handshake->io, handshake, ssl, false) &&
                wolfSSL_dtls_set_mtu(ssl, gate->config.datagram_max) == WOLFSSL_SUCCESS &&
                wolfDTLS_SetChGoodCb(ssl, on_good_hello, handshake) == WOLFSSL_SUCCESS &&
                wolfSSL_SetHsDoneCb(ssl, dg_handshake_on_done, handshake) == WOLFSSL_SUCCESS &&
                wolfSSL_dtls_set_timeout_init(ssl, (int)gate->config.retransmit_seconds) == WOLFSSL_SUCCESS;
    if (done)
        return handshake;
    dg_handshake_free(handshake);
    return NULL;
}

// Everything that the hello before left behind.
static void reset(struct dg_handshake *handshake)
{
    handshake->io.queued = 0;
    handshake->ticket_seen = false;
    dg_wipe(&handshake->ticket, sizeof handshake->ticket);
    memset(&handshake->certificate, 0, sizeof handshake->certificate);
    memset(&handshake->claim, 0, sizeof handshake->claim);
    memset(&handshake->proof, 0, sizeof handshake->proof);
    memset(&handshake->failure, 0, sizeof handshake->failure);
    handshake->claim_is_known = handshake->doubts_told = false;
    handshake->psk_count = handshake->psk_number = handshake->psk_try = 0;
    handshake->plain_alert = -1;
    dg_tap_begin(&handshake->io.tap, handshake->ssl, false);
}

// The library forgets a peer's address never, and takes none as "any": it is set before every call.
static bool set_peer(struct dg_handshake *handshake, const struct dg_path *path, int secret)
{
    struct dg_gate *gate = handshake->gate;
    union dg_canonical_address address;
    socklen_t size = dg_cookie_address(&path->peer, &address);
    return wolfSSL_dtls_set_peer(handshake->ssl, &address, (unsigned)size) == WOLFSSL_SUCCESS &&
           wolfSSL_DTLS_SetCookieSecret(handshake->ssl, gate->cookie_keys[secret][0], 32) == 0 &&
           wolfSSL_send_hrr_cookie(handshake->ssl, gate->cookie_keys[secret][1], 32) == WOLFSSL_SUCCESS;
}

// A fresh object in the place of one that is in use or broken.
static bool replace(struct dg_gate *gate)
{
    gate->sides[gate->side].listener = dg_listener_new(gate);
    return gate->sides[gate->side].listener != NULL;
}

static struct dg_handshake *start(struct dg_gate *gate)
{
    struct dg_handshake *handshake = gate->sides[gate->side].listener;
    handshake->started = true;
    (void)dg_gate_get(gate);
    (void)replace(gate); // without memory the next hello tries again
    return handshake;
}

static enum dg_hello_verdict answered(const struct dg_handshake *handshake)
{
    return handshake->io.queued > 0 ? DG_HELLO_ANSWERED : DG_HELLO_IGNORED;
}

static bool seed_again(WC_RNG *generator)
{
    uint8_t seed[GENERATOR_SEED];
    dg_random_bytes(seed, sizeof seed);
    bool done = wc_RNG_DRBG_Reseed(generator, seed, sizeof seed) == 0;
    dg_wipe(seed, sizeof seed);
    return done;
}

// All objects of a context share one generator for as long as the gate lives. By itself it is seeded again after a million
// draws: who has seen its state would know all secrets until then, and so it is here, in each period of the cookies. And
// where the library could not seed it (no memory for its test, or a seed that fails it), it never tries once more: no
// handshake would succeed until a reload.
static bool refresh_generator(struct dg_gate *gate)
{
    struct dg_side *side = &gate->sides[gate->side];
    WC_RNG *generator = wolfSSL_GetRNG(side->listener->ssl);
    bool is_good = generator->status == WC_DRBG_OK;
    if (is_good && side->seeded_in == gate->cookie_generation)
        return true;
    if (!is_good || !seed_again(generator)) {
        (void)wc_FreeRng(generator);
        if (wc_InitRng(generator) != 0)
            return false;
    }
    side->seeded_in = gate->cookie_generation;
    return true;
}

// A hello and what was found out about it before the library sees it.
struct stranger {
    const struct dg_path *path;
    uint16_t message_seq;
    struct dg_bytes record;
    struct dg_bytes cid; // to offer
    const struct dg_peek *peek;
    int match; // of its cookie: the number of the secret, below 0 none
};

// The listener as if nobody had said hello to it before. False: memory is short, or random bytes are.
static bool prepare(struct dg_gate *gate, const struct stranger *stranger, uint8_t psk_try)
{
    if (gate->sides[gate->side].listener == NULL && !replace(gate))
        return false;
    struct dg_handshake *handshake = gate->sides[gate->side].listener;
    if (!refresh_generator(gate))
        return false;
    reset(handshake);
    handshake->peek = *stranger->peek;
    handshake->hello_seq = stranger->message_seq;
    handshake->psk_try = psk_try;
    handshake->io.path = *stranger->path;
    DG_BUG_UNLESS(stranger->cid.size <= sizeof handshake->cid);
    handshake->cid_size = (uint8_t)stranger->cid.size;
    if (stranger->cid.size > 0)
        memcpy(handshake->cid, stranger->cid.data, stranger->cid.size);
    return set_peer(handshake, stranger->path, stranger->match > 0 ? stranger->match : 0);
}

static int give(struct dg_handshake *handshake, const struct stranger *stranger, const struct dg_output *output)
{
    dg_library_io_make_room(&handshake->io, stranger->record.size);
    dg_library_io_open(&handshake->io, stranger->record.data, stranger->record.size, output);
    return wolfDTLS_accept_stateless(handshake->ssl);
}

static void discard(struct dg_gate *gate)
{
    dg_library_io_close(&gate->sides[gate->side].listener->io);
    dg_handshake_free(gate->sides[gate->side].listener);
    gate->sides[gate->side].listener = NULL;
    (void)replace(gate); // without memory the next hello tries again
}

enum first_key { FIRST_KEY_DECIDES, FIRST_KEY_SAYS_NOTHING, FIRST_KEY_NO_MEMORY };

// The binder of a DTLS 1.3 hello proves one of the identity's keys (RFC 8446 4.2.11.2), and the library knows one at a
// time: where it does not fit the first, the hello goes to a fresh object with the other one. So does one whose identity
// has a single key or none, with a key that nobody knows: all three take the same time. Nothing is sent by the first try,
// whose alert would end a handshake that can still succeed; a hello that is taken is answered later.
static enum first_key try_first_key(struct dg_gate *gate, const struct stranger *stranger, int *ret_result)
{
    const struct dg_peek *peek = &gate->sides[gate->side].listener->peek;
    if (stranger->match < 0 || !peek->has_psk || peek->psk_suite == NULL)
        return FIRST_KEY_SAYS_NOTHING;
    struct dg_handshake *handshake = gate->sides[gate->side].listener;
    *ret_result = give(handshake, stranger, NULL);
    if (*ret_result == WOLFSSL_SUCCESS || *ret_result == WOLFSSL_FAILURE)
        return FIRST_KEY_DECIDES;
    bool is_bad_binder = wolfSSL_get_error(handshake->ssl, *ret_result) == BAD_BINDER;
    discard(gate);
    return prepare(gate, stranger, is_bad_binder ? 1 : 0) ? FIRST_KEY_SAYS_NOTHING : FIRST_KEY_NO_MEMORY;
}

static bool is_want_of_memory(int error) { return error == MEMORY_E || error == MEMORY_ERROR; }

enum dg_hello_verdict dg_listener_hello(void *context, dg_time now, const struct dg_path *path,
                                        const struct dg_hello *hello, struct dg_bytes cid,
                                        const struct dg_output *output, struct dg_handshake **ret)
{
    struct dg_gate *gate = context;
    struct stranger stranger = {.path = path, .message_seq = hello->message_seq, .record = hello->record, .cid = cid};
    if (hello->record.size > DG_HELLO_RECORD_MAX)
        return DG_HELLO_IGNORED;
    stranger.match = dg_cookie_judged(gate, path, hello);
    if (stranger.match < 0 && !hello->offers_13)
        return dg_cookie_ask12(gate, path, hello, output) ? DG_HELLO_ANSWERED : DG_HELLO_IGNORED;
    struct dg_peek peek;
    dg_peek_hello(hello, gate->credentials, &peek);
    stranger.peek = &peek;
    gate->side = dg_choose_certificate(gate->own, gate->side_count, &peek);
    if (!prepare(gate, &stranger, 0))
        return DG_HELLO_NO_MEMORY;
    int result = WOLFSSL_FAILURE;
    enum first_key first_key = try_first_key(gate, &stranger, &result);
    if (first_key == FIRST_KEY_NO_MEMORY)
        return DG_HELLO_NO_MEMORY;
    struct dg_handshake *handshake = gate->sides[gate->side].listener;
    if (first_key == FIRST_KEY_SAYS_NOTHING)
        result = give(handshake, &stranger, output);
    enum dg_hello_verdict verdict = DG_HELLO_STARTED;
    bool is_given_up = result != WOLFSSL_SUCCESS && result != WOLFSSL_FAILURE;
    bool is_short = is_given_up && is_want_of_memory(wolfSSL_get_error(handshake->ssl, result));
    if (result == WOLFSSL_FAILURE) {
        verdict = answered(handshake);
    } else if (is_given_up && (stranger.match < 0 || is_short)) {
        // A stranger's hello that the library gave up on, or one that it would have begun with.
        verdict = is_short ? DG_HELLO_NO_MEMORY : answered(handshake);
        discard(gate);
        return verdict;
    } else if (result != WOLFSSL_SUCCESS) {
        int error = wolfSSL_get_error(handshake->ssl, result);
        *ret = start(gate);
        handshake->failed = true;
        dg_failure_from_library(handshake, error);
    } else {
        *ret = start(gate);
        dg_library_io_open(&handshake->io, NULL, 0, output);
        (void)dg_handshake_run(handshake, now);
    }
    dg_library_io_close(&handshake->io);
    return verdict;
}
