// SPDX-License-Identifier: GPL-3.0-or-later
// One epoch of one direction: its number, its record numbers and its keys, as they lie in memory that
// outlives the process. Plain data of one of two sizes (128-bit keys with SHA-256, or anything). Never
// shared by two directions.
#ifndef DG_CORE_KEYSET_H
#define DG_CORE_KEYSET_H

#include "core/aead.h"
#include "core/replay.h"

#include <stdatomic.h>
#include <stdint.h>

// Sending uses epoch, next and key material; receiving uses all.
struct dg_keyset {
    uint64_t epoch;
    _Atomic uint64_t next;     // sending: the next free record number (the nonce rule: stored, then used);
                               // receiving: highest number opened + 1
    struct dg_replay replay;   // receiving
    uint64_t failures;         // receiving: records that did not open under these keys
    uint8_t material[];        // key | sn key (1.3) | iv (12) | secret (1.3), sizes by AEAD and hash
};
#define DG_KEYSET_HEAD 40
_Static_assert(sizeof(struct dg_keyset) == DG_KEYSET_HEAD, "keyset head without padding");
#define DG_KEYSET_NARROW (DG_KEYSET_HEAD + 16 + 16 + 12 + 32 + 4)  // 120: AES-128 with SHA-256
#define DG_KEYSET_WIDE (DG_KEYSET_HEAD + 32 + 32 + 12 + 48 + 4)    // 168: everything else

// Where the parts lie. secret and number_key are NULL for DTLS 1.2.
struct dg_key_view {
    enum dg_aead_id aead;
    enum dg_hash_id hash;
    const uint8_t *key;
    const uint8_t *number_key;
    const uint8_t *iv;
    const uint8_t *secret;
};

// Key material on its way (handover, KeyUpdate), unpacked. Wipe after use.
struct dg_key_material {
    uint8_t key[DG_AEAD_KEY_MAX];
    uint8_t number_key[DG_AEAD_KEY_MAX];
    uint8_t iv[12];
    uint8_t secret[DG_SECRET_MAX];
};

bool dg_keyset_is_wide(enum dg_aead_id aead, enum dg_hash_id hash);
struct dg_key_view dg_keyset_view(const struct dg_keyset *keyset, enum dg_aead_id aead, enum dg_hash_id hash,
                                  bool is_13);
// Writes epoch, next = 0, an empty window and the material. keyset is not in use by anybody yet.
void dg_keyset_fill(struct dg_keyset *keyset, enum dg_aead_id aead, enum dg_hash_id hash, uint64_t epoch,
                    const struct dg_key_material *material);
// RFC 8446 7.3 and RFC 9147 4.2.3: key, sn and iv from material->secret. False: the library failed.
DG_MUST_USE bool dg_key_material_derive(struct dg_key_material *material, const struct dg_aead_ops *ops,
                                        enum dg_aead_id aead, enum dg_hash_id hash);
// RFC 8446 7.2: the next generation's secret ("traffic upd") and its keys.
DG_MUST_USE bool dg_key_material_next(struct dg_key_material *ret, const struct dg_key_view *current,
                                      const struct dg_aead_ops *ops);

#endif
