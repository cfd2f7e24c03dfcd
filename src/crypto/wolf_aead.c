// SPDX-License-Identifier: GPL-3.0-or-later
// The AEADs, the record-number mask and HKDF-Expand-Label, by wolfCrypt. Each call expands its key anew, in objects of
// its thread: threads share nothing, and no expanded key outlives the next record or the end of its association.
#include "crypto/wolf_aead.h"

#include "base/secret.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/kdf.h>

#include <pthread.h>
#include <string.h>

static bool is_gcm(enum dg_aead_id aead)
{
    return aead == DG_AEAD_AES_128_GCM || aead == DG_AEAD_AES_256_GCM;
}

// A thread's own Aes objects. Making one, and wiping it, takes longer than expanding a key into it (docs/benchmarks.md),
// so they are made once. What was expanded last stays in them until the next record, or until it is forgotten: in
// memory of its own that is kept out of core dumps, and as far as the limits allow out of swap.
struct scratch {
    Aes gcm, ccm, block; // aligned to 16 by the type's declaration, which the assembly needs
};
static _Thread_local struct scratch *scratch;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end; // only frees
static bool is_prepared;

static void end_thread(void *mine)
{
    struct scratch *ended = mine;
    wc_AesFree(&ended->gcm);
    wc_AesFree(&ended->ccm);
    wc_AesFree(&ended->block);
    dg_secret_free(ended, sizeof *ended);
    scratch = NULL;
}

static void prepare(void) { is_prepared = pthread_key_create(&at_thread_end, end_thread) == 0; }

static bool init(struct scratch *fresh)
{
    return wc_AesInit(&fresh->gcm, NULL, INVALID_DEVID) == 0 && wc_AesInit(&fresh->ccm, NULL, INVALID_DEVID) == 0 &&
           wc_AesInit(&fresh->block, NULL, INVALID_DEVID) == 0;
}

// NULL: memory is short.
static struct scratch *own_scratch(void)
{
    if (scratch != NULL)
        return scratch;
    if (pthread_once(&once, prepare) != 0 || !is_prepared)
        return NULL;
    struct scratch *fresh = dg_secret_new(sizeof *fresh);
    if (fresh == NULL)
        return NULL;
    if (!init(fresh) || pthread_setspecific(at_thread_end, fresh) != 0) {
        dg_secret_free(fresh, sizeof *fresh);
        return NULL;
    }
    scratch = fresh;
    return scratch;
}

static void wolf_forget(void)
{
    if (scratch == NULL)
        return;
    wc_AesFree(&scratch->gcm);
    wc_AesFree(&scratch->ccm);
    wc_AesFree(&scratch->block);
    dg_wipe(scratch, sizeof *scratch);
    DG_BUG_UNLESS(init(scratch));
}

// NULL: the library or memory fails.
static Aes *aes_with(enum dg_aead_id aead, const uint8_t *key)
{
    word32 size = dg_aead_table[aead].key_size;
    struct scratch *mine = own_scratch();

    if (mine == NULL)
        return NULL;
    if (is_gcm(aead))
        return wc_AesGcmSetKey(&mine->gcm, key, size) == 0 ? &mine->gcm : NULL;
    return wc_AesCcmSetKey(&mine->ccm, key, size) == 0 ? &mine->ccm : NULL;
}

static bool aes_seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
                     word32 aad_size, uint8_t *data, word32 size)
{
    word32 tag_size = dg_aead_table[aead].tag_size;
    Aes *aes = aes_with(aead, key);

    if (aes == NULL)
        return false;
    if (is_gcm(aead))
        return wc_AesGcmEncrypt(aes, data, data, size, nonce, DG_AEAD_NONCE, data + size, tag_size, aad, aad_size) == 0;
    return wc_AesCcmEncrypt(aes, data, data, size, nonce, DG_AEAD_NONCE, data + size, tag_size, aad, aad_size) == 0;
}

static bool aes_open(enum dg_aead_id aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
                     word32 aad_size, uint8_t *data, word32 size)
{
    word32 tag_size = dg_aead_table[aead].tag_size;
    Aes *aes = aes_with(aead, key);

    if (aes == NULL)
        return false;
    if (is_gcm(aead))
        return wc_AesGcmDecrypt(aes, data, data, size, nonce, DG_AEAD_NONCE, data + size, tag_size, aad, aad_size) == 0;
    return wc_AesCcmDecrypt(aes, data, data, size, nonce, DG_AEAD_NONCE, data + size, tag_size, aad, aad_size) == 0;
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
    struct scratch *mine = own_scratch();
    _Alignas(16) uint8_t block[16]; // the library takes heap where its input is not aligned

    if (mine == NULL ||
        wc_AesSetKeyDirect(&mine->block, key, dg_aead_table[aead].key_size, NULL, AES_ENCRYPTION) != 0)
        return false;
    memcpy(block, sample, sizeof block);
    if (wc_AesEncryptDirect(&mine->block, block, block) != 0)
        return false;
    memcpy(mask, block, sizeof block);
    return true;
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
    .forget = wolf_forget,
};
