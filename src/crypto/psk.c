// SPDX-License-Identifier: GPL-3.0-or-later
// The library's questions for pre-shared keys. Pure look-ups in memory: in DTLS 1.3 they come before the
// cookie, once for each suite and identity of a stranger's hello (RFC 9147 11). An unknown identity gets a key
// that nobody knows, so that it fails where and as a wrong key does (RFC 4279 2).
#include "base/secret.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/hmac.h>

#include <string.h>

#define DUMMY_KEY_SIZE 32
#define TURNS_MAX 4096 // of clients that were given one of two keys and did not have it

static bool dummy_key(const struct dg_gate *gate, struct dg_bytes identity, uint8_t key[DUMMY_KEY_SIZE])
{
    Hmac hmac;
    bool done = wc_HmacInit(&hmac, NULL, INVALID_DEVID) == 0 &&
                wc_HmacSetKey(&hmac, WC_SHA256, gate->dummy_secret, sizeof gate->dummy_secret) == 0 &&
                wc_HmacUpdate(&hmac, identity.data, (word32)identity.size) == 0 && wc_HmacFinal(&hmac, key) == 0;
    wc_HmacFree(&hmac);
    return done;
}

// Of an identity with two keys. The binder of a DTLS 1.3 hello says at once whether a key is the client's, and the
// listener tries both. In DTLS 1.2 only the client's Finished does, too late for the other one: its turn is next time.
static unsigned choose(const struct dg_handshake *handshake, struct dg_bytes identity, size_t count)
{
    if (handshake->peek.offers_13)
        return handshake->psk_try;
    const struct dg_key_turns *turns = handshake->gate->turns;
    return count < 2 || turns == NULL ? 0 : dg_key_turns_next(turns, &handshake->io.path.peer, identity);
}

// The dummy is made for known identities too, so that both take the same time.
static unsigned give_key(struct dg_handshake *handshake, struct dg_bytes identity, unsigned char *key,
                         unsigned capacity)
{
    uint8_t dummy[DUMMY_KEY_SIZE];
    if (!dummy_key(handshake->gate, identity, dummy))
        return 0;
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    size_t count = dg_credentials_find_psk(handshake->gate->credentials, identity, keys);
    unsigned number = choose(handshake, identity, count);
    struct dg_bytes chosen = number < count ? keys[number].key : (struct dg_bytes){dummy, sizeof dummy};
    handshake->claim.known = true;
    handshake->claim.kind = DG_IDENTITY_PSK;
    handshake->claim.identity_size = (uint8_t)identity.size;
    memcpy(handshake->claim.identity, identity.data, identity.size);
    handshake->claim_is_known = count > 0;
    handshake->psk_count = (uint8_t)count;
    handshake->psk_number = (uint8_t)number;
    unsigned size = 0;
    if (chosen.size <= capacity) {
        memcpy(key, chosen.data, chosen.size);
        size = (unsigned)chosen.size;
    }
    dg_wipe(dummy, sizeof dummy);
    return size;
}

static unsigned on_psk12(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned capacity)
{
    struct dg_handshake *handshake = dg_library_io_owner(ssl);
    // In 1.3 the library falls back to this call-back when the other one gives no key.
    if (handshake == NULL || handshake->peek.offers_13)
        return 0;
    size_t size = strnlen(identity, DG_IDENTITY_MAX + 1);
    if (size == 0 || size > DG_IDENTITY_MAX) {
        // No identity of the store looks like that; whatever key it gets is wrong.
        size = size > DG_IDENTITY_MAX ? DG_IDENTITY_MAX : size;
        uint8_t dummy[DUMMY_KEY_SIZE];
        if (capacity < sizeof dummy ||
            !dummy_key(handshake->gate, (struct dg_bytes){(const uint8_t *)identity, size}, dummy))
            return 0;
        memcpy(key, dummy, sizeof dummy);
        dg_wipe(dummy, sizeof dummy);
        return DUMMY_KEY_SIZE;
    }
    return give_key(handshake, (struct dg_bytes){(const uint8_t *)identity, size}, key, capacity);
}

static unsigned on_psk13(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned capacity,
                         const char **suite)
{
    struct dg_handshake *handshake = dg_library_io_owner(ssl);
    if (handshake == NULL)
        return 0;
    const struct dg_peek *peek = &handshake->peek;
    if (!peek->has_psk || peek->psk_suite == NULL || strcmp(identity, peek->psk_identity) != 0)
        return 0;
    *suite = peek->psk_suite;
    return give_key(handshake, (struct dg_bytes){(const uint8_t *)identity, peek->psk_size}, key, capacity);
}

static bool takes_turns(const struct dg_handshake *handshake)
{
    return handshake->gate->turns != NULL && !handshake->peek.offers_13 && handshake->psk_count > 1;
}

void dg_psk_doubted(struct dg_handshake *handshake)
{
    if (!takes_turns(handshake))
        return;
    const struct dg_bytes identity = {handshake->claim.identity, handshake->claim.identity_size};
    dg_key_turns_set(handshake->gate->turns, &handshake->io.path.peer, identity, 1 - handshake->psk_number);
}

void dg_psk_proven(struct dg_handshake *handshake)
{
    if (!takes_turns(handshake))
        return;
    const struct dg_bytes identity = {handshake->claim.identity, handshake->claim.identity_size};
    dg_key_turns_set(handshake->gate->turns, &handshake->io.path.peer, identity, handshake->psk_number);
}

bool dg_psk_install(struct dg_gate *gate)
{
    WOLFSSL_CTX *context = gate->sides[gate->side].context;
    // Tickets as well as PSKs go with a fresh key exchange in DTLS 1.3, in every profile (RFC 9257 6,
    // RFC 9325 3.4).
    wolfSSL_CTX_only_dhe_psk(context);
    if (!dg_credentials_takes_psks(gate->credentials))
        return true;
    wolfSSL_CTX_set_psk_server_callback(context, on_psk12);
    wolfSSL_CTX_set_psk_server_tls13_callback(context, on_psk13);
    if (gate->config.turns != NULL)
        gate->turns = gate->config.turns;
    if (gate->turns != NULL || dg_credentials_psk_rotating(gate->credentials) == 0)
        return true;
    gate->turns = dg_key_turns_new(DG_KEY_TURNS_MAX);
    return gate->turns != NULL;
}
