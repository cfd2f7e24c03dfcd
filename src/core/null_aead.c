// SPDX-License-Identifier: GPL-3.0-or-later
// An AEAD that protects nothing, so that fuzzers and simulations get past the cryptography. Never for
// traffic: the data stays in clear and anybody can compute the tag.
#include "core/aead.h"

#include "base/attributes.h"

#include <string.h>

// A running sum in which each step is a bijection of the state: two inputs that differ in one byte never
// have the same sum.
static uint64_t sum_bytes(uint64_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ data[i]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    return sum;
}

// Sizes go in as well, so that bytes cannot move from the AAD to the data.
static uint64_t sum_size(uint64_t sum, size_t size)
{
    return (sum ^ size) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static void put_u64(uint8_t *out, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void make_tag(enum dg_aead_id aead, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
                     size_t aad_size, const uint8_t *data, size_t size, uint8_t tag[DG_AEAD_TAG_MAX])
{
    uint64_t sum = sum_size(1, (size_t)aead);

    sum = sum_bytes(sum, key, dg_aead_table[aead].key_size);
    sum = sum_bytes(sum, nonce, DG_AEAD_NONCE);
    sum = sum_bytes(sum_size(sum, aad_size), aad, aad_size);
    sum = sum_bytes(sum_size(sum, size), data, size);
    sum ^= sum >> 32; // a bijection, so that low bytes of the tag depend on all of the state
    put_u64(tag, sum);
    put_u64(tag + 8, ~sum);
}

static bool null_seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                      const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    uint8_t tag[DG_AEAD_TAG_MAX];

    make_tag(aead, key, nonce, aad, aad_size, data, size, tag);
    memcpy(data + size, tag, dg_aead_table[aead].tag_size);
    return true;
}

static bool null_open(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                      const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    uint8_t tag[DG_AEAD_TAG_MAX];
    uint8_t difference = 0;

    make_tag(aead, key, nonce, aad, aad_size, data, size, tag);
    for (size_t i = 0; i < dg_aead_table[aead].tag_size; i++)
        difference |= (uint8_t)(tag[i] ^ data[size + i]);
    return difference == 0;
}

static bool null_number_mask(enum dg_aead_id aead, const uint8_t *key, const uint8_t sample[16], uint8_t mask[16])
{
    uint64_t sum = sum_bytes(sum_bytes(2, key, dg_aead_table[aead].key_size), sample, 16);

    put_u64(mask, sum);
    put_u64(mask + 8, ~sum);
    return true;
}

static bool null_expand_label(enum dg_hash_id hash, const uint8_t *secret, const char *label, uint8_t *out,
                              size_t size)
{
    uint64_t sum = sum_bytes(3, secret, dg_hash_size(hash));

    sum = sum_bytes(sum, (const uint8_t *)label, strlen(label));
    for (size_t i = 0; i < size; i++) {
        sum = sum_size(sum, i);
        out[i] = (uint8_t)(sum >> 56);
    }
    return true;
}

const struct dg_aead_ops dg_null_aead = {
    .seal = null_seal,
    .open = null_open,
    .number_mask = null_number_mask,
    .expand_label = null_expand_label,
};
