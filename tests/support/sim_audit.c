// SPDX-License-Identifier: GPL-3.0-or-later
// The set of nonces: 128-bit digests of (cipher, key, nonce), open addressing, at most half full.
#include "support/sim_audit.h"

#include "base/hash.h"
#include "crypto/wolf_aead.h"

#include <stdlib.h>
#include <string.h>

struct digest {
    uint64_t low, high; // both 0: free
};

static struct {
    struct digest *set;
    size_t capacity; // a power of two
    uint64_t count, foreign, repeated;
} audit;

static bool is_free(const struct digest *digest) { return digest->low == 0 && digest->high == 0; }

static struct digest *place_of(struct digest *set, size_t capacity, const struct digest *digest)
{
    size_t i = (size_t)digest->low & (capacity - 1);
    while (!is_free(&set[i]) && (set[i].low != digest->low || set[i].high != digest->high)) {
        i = (i + 1) & (capacity - 1);
    }
    return &set[i];
}

static void grow(void)
{
    size_t capacity = audit.capacity > 0 ? 2 * audit.capacity : 1024;
    struct digest *set = calloc(capacity, sizeof *set);
    if (set == NULL) {
        abort();
    }
    for (size_t i = 0; i < audit.capacity; i++) {
        if (!is_free(&audit.set[i])) {
            *place_of(set, capacity, &audit.set[i]) = audit.set[i];
        }
    }
    free(audit.set);
    audit.set = set;
    audit.capacity = capacity;
}

void sim_audit_start(void)
{
    sim_audit_stop();
    grow();
}

void sim_audit_stop(void)
{
    free(audit.set);
    memset(&audit, 0, sizeof audit);
}

uint64_t sim_audit_sealed(void) { return audit.count; }
uint64_t sim_audit_foreign(void) { return audit.foreign; }
uint64_t sim_audit_repeated(void) { return audit.repeated; }

static void note(enum dg_aead_id aead, const uint8_t *key, const uint8_t *nonce)
{
    struct {
        uint8_t aead;
        uint8_t key[DG_AEAD_KEY_MAX];
        uint8_t nonce[DG_AEAD_NONCE];
    } pair = {.aead = (uint8_t)aead};
    static const struct dg_hash_key KEYS[2] = {{.k0 = 1, .k1 = 2}, {.k0 = 3, .k1 = 4}};
    if (audit.set == NULL) {
        return;
    }
    memcpy(pair.key, key, dg_aead_table[aead].key_size);
    memcpy(pair.nonce, nonce, DG_AEAD_NONCE);
    struct digest digest = {dg_hash(&KEYS[0], &pair, sizeof pair), dg_hash(&KEYS[1], &pair, sizeof pair)};
    if (2 * (audit.count + 1) > audit.capacity) {
        grow();
    }
    struct digest *place = place_of(audit.set, audit.capacity, &digest);
    if (!is_free(place)) {
        audit.repeated++;
        return;
    }
    *place = digest;
    audit.count++;
}

void sim_audit_note(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE])
{
    audit.foreign++;
    note(aead, key, nonce);
}

void sim_audit_note_number(const struct dg_handover *handover, uint64_t number)
{
    uint64_t masked = handover->version == 12 ? UINT64_C(1) << 48 | number : number; // epoch 1
    uint8_t nonce[DG_AEAD_NONCE];
    memcpy(nonce, handover->tx.iv, sizeof nonce);
    for (int i = 0; i < 8; i++) {
        nonce[4 + i] ^= (uint8_t)(masked >> (56 - 8 * i));
    }
    sim_audit_note((enum dg_aead_id)handover->aead, handover->tx.key, nonce);
}

static bool wolf_seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                      const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    note(aead, key, nonce);
    return dg_wolf_aead.seal(aead, key, nonce, aad, aad_size, data, size);
}
static bool wolf_open(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                      const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    return dg_wolf_aead.open(aead, key, nonce, aad, aad_size, data, size);
}
static bool wolf_mask(enum dg_aead_id aead, const uint8_t *key, const uint8_t sample[16], uint8_t mask[16])
{
    return dg_wolf_aead.number_mask(aead, key, sample, mask);
}
static bool wolf_expand(enum dg_hash_id hash, const uint8_t *secret, const char *label, uint8_t *out, size_t size)
{
    return dg_wolf_aead.expand_label(hash, secret, label, out, size);
}
const struct dg_aead_ops sim_audit_wolf = {wolf_seal, wolf_open, wolf_mask, wolf_expand, NULL};

static bool null_seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                      const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    note(aead, key, nonce);
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
const struct dg_aead_ops sim_audit_null = {null_seal, null_open, null_mask, null_expand, NULL};
