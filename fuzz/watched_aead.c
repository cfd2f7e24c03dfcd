// SPDX-License-Identifier: GPL-3.0-or-later
// The AEADs of the fuzz targets (fuzz.h). They protect nothing; they note what the server seals.
#include "fuzz.h"

#include "support/sim_audit.h"

#include <string.h>

bool fuzz_is_peer_sealing;

static bool watched_seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                         const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    if (!fuzz_is_peer_sealing) {
        sim_audit_note(aead, key, nonce);
        CHECK_MSG(sim_audit_repeated() == 0, "a key and nonce were used twice");
    }
    return dg_null_aead.seal(aead, key, nonce, aad, aad_size, data, size);
}

static bool null_open(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                      const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    return dg_null_aead.open(aead, key, nonce, aad, aad_size, data, size);
}

static bool null_mask(enum dg_aead_id aead, const uint8_t *key, const uint8_t sample[16], uint8_t mask[16])
{
    return dg_null_aead.number_mask(aead, key, sample, mask);
}

static bool null_expand(enum dg_hash_id hash, const uint8_t *secret, const char *label, uint8_t *out, size_t size)
{
    return dg_null_aead.expand_label(hash, secret, label, out, size);
}

// Touches all that it is given, so that a sanitizer sees what lies outside.
static bool any_open(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE], const uint8_t *aad,
                     size_t aad_size, uint8_t *data, size_t size)
{
    (void)null_open(aead, key, nonce, aad, aad_size, data, size);
    return data[size] != 0xff;
}

static bool no_mask(enum dg_aead_id aead, const uint8_t *key, const uint8_t sample[16], uint8_t mask[16])
{
    (void)null_mask(aead, key, sample, mask);
    memset(mask, 0, 16);
    return true;
}

const struct dg_aead_ops fuzz_null_aead = {watched_seal, null_open, null_mask, null_expand, NULL};
const struct dg_aead_ops fuzz_open_aead = {watched_seal, any_open, no_mask, null_expand, NULL};
