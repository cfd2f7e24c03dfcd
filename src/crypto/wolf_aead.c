// SPDX-License-Identifier: GPL-3.0-or-later
// The AEADs, the record-number mask and HKDF-Expand-Label, by wolfCrypt. Keeps no state: each call expands
// its key on the stack and wipes it, so that threads share nothing and no key outlives a record.
#include "crypto/wolf_aead.h"

#include "base/secret.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/kdf.h>

#include <string.h>

static bool is_gcm(enum dg_aead_id aead)
{
    return aead == DG_AEAD_AES_128_GCM || aead == DG_AEAD_AES_256_GCM;
}

// Aes is aligned to 16 by its own declaration, which the assembly needs. wc_AesFree wipes all of it.
static bool aes_start(Aes *aes, enum dg_aead_id aead, const uint8_t *key)
{
    word32 size = dg_aead_table[aead].key_size;
    int error;

    if (wc_AesInit(aes, NULL, INVALID_DEVID) != 0)
        return false;
    error = is_gcm(aead) ? wc_AesGcmSetKey(aes, key, size) : wc_AesCcmSetKey(aes, key, size);
    if (error == 0)
        return true;
    wc_AesFree(aes);
    return false;
}

static bool aes_seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
                     word32 aad_size, uint8_t *data, word32 size)
{
    word32 tag_size = dg_aead_table[aead].tag_size;
    Aes aes;
    int error;

    if (!aes_start(&aes, aead, key))
        return false;
    if (is_gcm(aead))
        error = wc_AesGcmEncrypt(&aes, data, data, size, nonce, DG_AEAD_NONCE, data + size, tag_size, aad, aad_size);
    else
        error = wc_AesCcmEncrypt(&aes, data, data, size, nonce, DG_AEAD_NONCE, data + size, tag_size, aad, aad_size);
    wc_AesFree(&aes);
    return error == 0;
}

static bool aes_open(enum dg_aead_id aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
                     word32 aad_size, uint8_t *data, word32 size)
{
    word32 tag_size = dg_aead_table[aead].tag_size;
    Aes aes;
    int error;

    if (!aes_start(&aes, aead, key))
        return false;
    if (is_gcm(aead))
        error = wc_AesGcmDecrypt(&aes, data, data, size, nonce, DG_AEAD_NONCE, data + size, tag_size, aad, aad_size);
    else
        error = wc_AesCcmDecrypt(&aes, data, data, size, nonce, DG_AEAD_NONCE, data + size, tag_size, aad, aad_size);
    wc_AesFree(&aes);
    return error == 0;
}

static bool sizes_fit(size_t aad_size, size_t size)
{
    return aad_size <= UINT16_MAX && size <= UINT16_MAX; // a record is smaller; word32 holds both
}

static bool wolf_seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                      const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    if (!sizes_fit(aad_size, size))
        return false;
    switch (aead) {
    case DG_AEAD_AES_128_GCM:
    case DG_AEAD_AES_256_GCM:
    case DG_AEAD_AES_128_CCM:
    case DG_AEAD_AES_128_CCM_8:
        return aes_seal(aead, key, nonce, aad, (word32)aad_size, data, (word32)size);
    case DG_AEAD_CHACHA20_POLY1305:
        return wc_ChaCha20Poly1305_Encrypt(key, nonce, aad, (word32)aad_size, data, (word32)size, data,
                                           data + size) == 0;
    case DG_AEAD_NONE:
    case DG_AEAD_COUNT:
        break;
    }
    return false;
}

static bool wolf_open(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                      const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    if (!sizes_fit(aad_size, size))
        return false;
    switch (aead) {
    case DG_AEAD_AES_128_GCM:
    case DG_AEAD_AES_256_GCM:
    case DG_AEAD_AES_128_CCM:
    case DG_AEAD_AES_128_CCM_8:
        return aes_open(aead, key, nonce, aad, (word32)aad_size, data, (word32)size);
    case DG_AEAD_CHACHA20_POLY1305:
        return wc_ChaCha20Poly1305_Decrypt(key, nonce, aad, (word32)aad_size, data, (word32)size, data + size,
                                           data) == 0;
    case DG_AEAD_NONE:
    case DG_AEAD_COUNT:
        break;
    }
    return false;
}

static bool aes_mask(enum dg_aead_id aead, const uint8_t *key, const uint8_t *sample, uint8_t *mask)
{
    Aes aes;
    bool done;

    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
        return false;
    done = wc_AesSetKeyDirect(&aes, key, dg_aead_table[aead].key_size, NULL, AES_ENCRYPTION) == 0 &&
           wc_AesEncryptDirect(&aes, mask, sample) == 0;
    wc_AesFree(&aes);
    return done;
}

// RFC 9147 4.2.3: the first four bytes are the block counter in little endian, the others the nonce.
static bool chacha_mask(const uint8_t *key, const uint8_t *sample, uint8_t *mask)
{
    static const uint8_t zeros[16];
    ChaCha chacha;
    word32 counter = (word32)sample[0] | (word32)sample[1] << 8 | (word32)sample[2] << 16 | (word32)sample[3] << 24;
    bool done = wc_Chacha_SetKey(&chacha, key, CHACHA_MAX_KEY_SZ) == 0 &&
                wc_Chacha_SetIV(&chacha, sample + 4, counter) == 0 &&
                wc_Chacha_Process(&chacha, mask, zeros, sizeof zeros) == 0;

    dg_wipe(&chacha, sizeof chacha);
    return done;
}

static bool wolf_number_mask(enum dg_aead_id aead, const uint8_t *key, const uint8_t sample[16], uint8_t mask[16])
{
    switch (aead) {
    case DG_AEAD_AES_128_GCM:
    case DG_AEAD_AES_256_GCM:
    case DG_AEAD_AES_128_CCM:
    case DG_AEAD_AES_128_CCM_8:
        return aes_mask(aead, key, sample, mask);
    case DG_AEAD_CHACHA20_POLY1305:
        return chacha_mask(key, sample, mask);
    case DG_AEAD_NONE:
    case DG_AEAD_COUNT:
        break;
    }
    return false;
}

// RFC 9147 5.9: the prefix is "dtls13", without the blank that "tls13 " has.
static bool wolf_expand_label(enum dg_hash_id hash, const uint8_t *secret, const char *label, uint8_t *out,
                              size_t size)
{
    static const uint8_t prefix[] = {'d', 't', 'l', 's', '1', '3'};
    int digest = hash == DG_HASH_SHA384 ? WC_HASH_TYPE_SHA384 : WC_HASH_TYPE_SHA256;

    if (size > 255)
        return false;
    return wc_Tls13_HKDF_Expand_Label(out, (word32)size, secret, (word32)dg_hash_size(hash), prefix, sizeof prefix,
                                      (const uint8_t *)label, (word32)strlen(label), NULL, 0, digest) == 0;
}

const struct dg_aead_ops dg_wolf_aead = {
    .seal = wolf_seal,
    .open = wolf_open,
    .number_mask = wolf_number_mask,
    .expand_label = wolf_expand_label,
};
