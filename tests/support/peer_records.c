// SPDX-License-Identifier: GPL-3.0-or-later
// The client's side of records (peer_records.h), byte by byte from the RFCs.
#include "support/peer_records.h"

#include <stdlib.h>
#include <string.h>

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t *put(uint8_t *at, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        *at++ = (uint8_t)(value >> (8 * bytes));
    return at;
}

static uint8_t *put_block(uint8_t *at, const void *data, size_t size)
{
    if (size > 0)
        memcpy(at, data, size);
    return at + size;
}

struct peer_keys peer_keys_12(const struct dg_aead_ops *ops, enum dg_aead_id aead, const uint8_t *key,
                              const uint8_t *iv)
{
    struct peer_keys ret = {.ops = ops, .aead = aead};

    memcpy(ret.material.key, key, dg_aead_table[aead].key_size);
    memcpy(ret.material.iv, iv, dg_aead_table[aead].iv12_size);
    return ret;
}

static void derive(struct peer_keys *keys)
{
    size_t key_size = dg_aead_table[keys->aead].key_size;
    struct dg_key_material *material = &keys->material;

    demand(keys->ops->expand_label(keys->hash, material->secret, "key", material->key, key_size));
    demand(keys->ops->expand_label(keys->hash, material->secret, "iv", material->iv, 12));
    demand(keys->ops->expand_label(keys->hash, material->secret, "sn", material->number_key, key_size));
}

struct peer_keys peer_keys_13(const struct dg_aead_ops *ops, enum dg_aead_id aead, enum dg_hash_id hash,
                              const uint8_t *secret)
{
    struct peer_keys ret = {.ops = ops, .aead = aead, .hash = hash};

    memcpy(ret.material.secret, secret, dg_hash_size(hash));
    derive(&ret);
    return ret;
}

struct peer_keys peer_keys_any(const struct dg_aead_ops *ops, enum dg_aead_id aead, enum dg_hash_id hash,
                               bool is_13, unsigned number)
{
    uint8_t bytes[DG_SECRET_MAX];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(31 * i + 101 * number + 7);
    if (is_13)
        return peer_keys_13(ops, aead, hash, bytes);
    return peer_keys_12(ops, aead, bytes, bytes + 33);
}

struct peer_keys peer_keys_next(const struct peer_keys *keys)
{
    uint8_t secret[DG_SECRET_MAX];

    demand(keys->ops->expand_label(keys->hash, keys->material.secret, "traffic upd", secret,
                                   dg_hash_size(keys->hash)));
    return peer_keys_13(keys->ops, keys->aead, keys->hash, secret);
}

struct dg_key_view peer_keys_view(const struct peer_keys *keys, bool is_13)
{
    return (struct dg_key_view){
        .aead = keys->aead,
        .hash = keys->hash,
        .key = keys->material.key,
        .number_key = is_13 ? keys->material.number_key : NULL,
        .iv = keys->material.iv,
        .secret = is_13 ? keys->material.secret : NULL,
    };
}

// content, type, zeros: RFC 9146 4 and RFC 8446 5.2
static uint8_t *put_inner(uint8_t *at, const struct peer_record *record)
{
    if (!record->zeros_only) {
        at = put_block(at, record->data, record->size);
        *at++ = record->type;
    }
    memset(at, 0, record->padding);
    return at + record->padding;
}

size_t peer_seal12(const struct peer_keys *keys, const struct peer_record *record, uint8_t *out, size_t capacity)
{
    const struct dg_aead_info *info = &dg_aead_table[keys->aead];
    bool with_cid = record->cid_size > 0;
    uint8_t aad[512], *a = aad, nonce[12], number[8];
    uint8_t *at = out, *length_at, *inner;
    size_t inner_size, body_size;

    demand(capacity >= 13 + 8 + record->cid_size + record->size + 1 + record->padding + 16);
    put(put(number, record->epoch, 2), record->sequence, 6);
    *at++ = with_cid ? 25 : record->type;
    at = put(at, 0xfefd, 2);
    at = put_block(at, number, 8);
    at = put_block(at, record->cid, record->cid_size);
    length_at = at;
    at += 2;
    memset(nonce, 0, sizeof nonce);
    memcpy(nonce, keys->material.iv, info->iv12_size);
    if (info->explicit_size > 0) {
        const uint8_t *chosen = record->explicit_nonce != NULL ? record->explicit_nonce : number;

        at = put_block(at, chosen, 8);
        memcpy(nonce + 4, chosen, 8);
    } else {
        for (unsigned i = 0; i < 8; i++)
            nonce[4 + i] ^= number[i];
    }
    inner = at;
    at = with_cid ? put_inner(at, record) : put_block(at, record->data, record->size);
    inner_size = (size_t)(at - inner);
    body_size = (size_t)(at - length_at) - 2 + info->tag_size;
    put(length_at, body_size, 2);

    if (with_cid) {
        a = put(a, UINT64_MAX, 8);
        *a++ = 25;
        *a++ = (uint8_t)record->cid_size;
        *a++ = 25;
        a = put(a, 0xfefd, 2);
        a = put_block(a, number, 8);
        a = put_block(a, record->cid, record->cid_size);
    } else {
        a = put_block(a, number, 8);
        *a++ = record->type;
        a = put(a, 0xfefd, 2);
    }
    a = put(a, inner_size, 2);
    demand(keys->ops->seal(keys->aead, keys->material.key, nonce, aad, (size_t)(a - aad), inner, inner_size));
    return (size_t)(inner - out) + inner_size + info->tag_size;
}

size_t peer_seal13_unpadded(const struct peer_keys *keys, const struct peer_record *record, uint8_t *out,
                            size_t capacity)
{
    const struct dg_aead_info *info = &dg_aead_table[keys->aead];
    unsigned number_size = record->short_number ? 1 : 2;
    uint8_t nonce[12], mask[16], sample[16] = {0};
    uint8_t *at = out, *number_at, *length_at = NULL, *inner;
    size_t inner_size, body_size;

    demand(capacity >= 5 + record->cid_size + record->size + 1 + record->padding + 16);
    *at++ = (uint8_t)(0x20 | (record->cid_size > 0 ? 0x10 : 0) | (record->short_number ? 0 : 0x08) |
                      (record->no_length ? 0 : 0x04) | (record->epoch & 3));
    at = put_block(at, record->cid, record->cid_size);
    number_at = at;
    at = put(at, record->sequence, number_size);
    if (!record->no_length) {
        length_at = at;
        at += 2;
    }
    inner = at;
    at = put_inner(at, record);
    inner_size = (size_t)(at - inner);
    body_size = inner_size + info->tag_size;
    if (length_at != NULL)
        put(length_at, body_size, 2);

    memcpy(nonce, keys->material.iv, 12);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] ^= (uint8_t)(record->sequence >> (56 - 8 * i));
    demand(keys->ops->seal(keys->aead, keys->material.key, nonce, out, (size_t)(inner - out), inner, inner_size));
    memcpy(sample, inner, body_size < 16 ? body_size : 16);
    demand(keys->ops->number_mask(keys->aead, keys->material.number_key, sample, mask));
    for (unsigned i = 0; i < number_size; i++)
        number_at[i] ^= mask[i];
    return (size_t)(inner - out) + body_size;
}

size_t peer_seal13(const struct peer_keys *keys, const struct peer_record *record, uint8_t *out, size_t capacity)
{
    struct peer_record padded = *record;
    size_t inner_size = record->zeros_only ? record->padding : record->size + 1 + record->padding;
    size_t body_size = inner_size + dg_aead_table[keys->aead].tag_size;

    if (body_size < 16)
        padded.padding += 16 - body_size;
    return peer_seal13_unpadded(keys, &padded, out, capacity);
}

size_t peer_plain(uint8_t type, uint16_t version, uint16_t epoch, uint64_t sequence, const void *data, size_t size,
                  uint8_t *out, size_t capacity)
{
    uint8_t *at = out;

    demand(capacity >= 13 + size);
    *at++ = type;
    at = put(at, version, 2);
    at = put(at, epoch, 2);
    at = put(at, sequence, 6);
    at = put(at, size, 2);
    return (size_t)(put_block(at, data, size) - out);
}
