// SPDX-License-Identifier: GPL-3.0-or-later
// What the record layer asks of cryptography: seal, open, mask a record number, derive from a secret.
// A small table of functions, so that a null AEAD can stand in for fuzzers and simulations. Never
// includes a library's header.
#ifndef DG_CORE_AEAD_H
#define DG_CORE_AEAD_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dg_aead_id {
    DG_AEAD_NONE = 0,
    DG_AEAD_AES_128_GCM = 1,
    DG_AEAD_AES_256_GCM = 2,
    DG_AEAD_AES_128_CCM = 3,
    DG_AEAD_AES_128_CCM_8 = 4,
    DG_AEAD_CHACHA20_POLY1305 = 5,
    DG_AEAD_COUNT
};
enum dg_hash_id { DG_HASH_SHA256 = 0, DG_HASH_SHA384 = 1 };

#define DG_AEAD_KEY_MAX 32
#define DG_AEAD_NONCE 12
#define DG_AEAD_TAG_MAX 16
#define DG_SECRET_MAX 48

static inline size_t dg_hash_size(enum dg_hash_id hash) { return hash == DG_HASH_SHA384 ? 48 : 32; }

// Sizes and limits of each AEAD; index with dg_aead_id.
struct dg_aead_info {
    const char *name;
    uint8_t key_size;      // bytes; also the size of the 1.3 record-number key
    uint8_t tag_size;      // bytes
    uint8_t iv12_size;     // bytes of implicit nonce in DTLS 1.2: 4 (GCM, CCM) or 12 (ChaCha20)
    uint8_t explicit_size; // bytes of explicit nonce in DTLS 1.2: 8 or 0
    uint64_t seal_limit;   // records under one key (RFC 9147 4.5.3); UINT64_MAX: none
    uint64_t open_limit12; // failed openings under one key, DTLS 1.2 (RFC 9325 4.4)
    uint64_t open_limit13; // failed openings under one key, DTLS 1.3 (RFC 9147 4.5.3)
};
extern const struct dg_aead_info dg_aead_table[DG_AEAD_COUNT];

struct dg_aead_ops {
    // Encrypts size bytes of data in place and writes the tag behind them (room is the caller's).
    // False only where the library fails; the record is then dropped, its number stays used.
    bool (*seal)(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE], const uint8_t *aad,
                 size_t aad_size, uint8_t *data, size_t size);
    // Decrypts in place; size is that of the plaintext, the tag lies behind it. False: not authentic,
    // and data is then undefined.
    bool (*open)(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE], const uint8_t *aad,
                 size_t aad_size, uint8_t *data, size_t size);
    // RFC 9147 4.2.3: the mask over the record number, from the first 16 bytes of ciphertext.
    bool (*number_mask)(enum dg_aead_id aead, const uint8_t *key, const uint8_t sample[16], uint8_t mask[16]);
    // RFC 8446 7.1 with RFC 9147 5.9's prefix "dtls13": HKDF-Expand-Label(secret, label, "", size).
    bool (*expand_label)(enum dg_hash_id hash, const uint8_t *secret, const char *label, uint8_t *out, size_t size);
    // A key has ended its life: nothing that was made from one by this thread remains. NULL: nothing is kept anyway.
    void (*forget)(void);
};

// For tests and fuzzers: does not encrypt; the tag is a plain checksum over key, nonce, AAD and data,
// the mask is a fold of the sample. Deterministic, worthless as protection, linked into no daemon.
extern const struct dg_aead_ops dg_null_aead;

#endif
