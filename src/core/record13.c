// SPDX-License-Identifier: GPL-3.0-or-later
// Protection of DTLS 1.3 records (RFC 9147 4). Never advances a number or a window.
#include "core/record13.h"

#include "base/secret.h"

#include <string.h>

#define HEADER_MAX (1 + DG_CID_LENGTH_MAX + 2 + 2)
#define INNER_MAX (DG_PLAINTEXT_MAX + 1)   // RFC 8446 5.4: content, type and padding
#define SAMPLE DG_RECORD13_CIPHERTEXT_MIN  // RFC 9147 4.2.3: what the mask is made from

// RFC 8446 5.3 with RFC 9147 4: the epoch is no part of it, each epoch has keys of its own.
static void make_nonce(uint8_t nonce[DG_AEAD_NONCE], const uint8_t iv[12], uint64_t sequence)
{
    memcpy(nonce, iv, DG_AEAD_NONCE);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] ^= (uint8_t)(sequence >> (56 - 8 * i));
}

uint64_t dg_record13_reconstruct(uint64_t next, uint64_t low, unsigned bits)
{
    uint64_t window = UINT64_C(1) << bits;
    uint64_t half = window / 2;
    uint64_t candidate = (next & ~(window - 1)) | (low & (window - 1));

    // The candidate has next's high bits; one window up or down may be nearer.
    if (candidate < next && next - candidate >= half && candidate <= UINT64_MAX - window)
        return candidate + window;
    if (candidate > next && candidate - next > half && candidate >= window)
        return candidate - window;
    return candidate;
}

// RFC 8446 5.4 and 5, RFC 9147 4.1: what may stand in a protected record.
static bool is_protected_type(uint8_t type)
{
    return type == DG_CONTENT_ALERT || type == DG_CONTENT_HANDSHAKE || type == DG_CONTENT_APPLICATION_DATA ||
           type == DG_CONTENT_ACK || type == DG_CONTENT_RETURN_ROUTABILITY_CHECK;
}

// Copies the header with the record number in clear: RFC 9147 4's additional data. Returns its low bits.
static uint64_t unmask_header(const struct dg_record *record, const uint8_t mask[SAMPLE], uint8_t header[HEADER_MAX],
                              unsigned *ret_bits)
{
    size_t number_size = record->type & DG_UNIFIED_SEQ16 ? 2 : 1;
    size_t number_at = 1 + record->cid_size;
    uint64_t low = 0;

    memcpy(header, record->start, record->header_size);
    for (size_t i = 0; i < number_size; i++) {
        header[number_at + i] ^= mask[i];
        low = low << 8 | header[number_at + i];
    }
    *ret_bits = (unsigned)number_size * 8;
    return low;
}

struct dg_result dg_record13_open(const struct dg_aead_ops *ops, const struct dg_key_view *keys,
                                  const struct dg_record *record, const uint8_t *cid, size_t cid_size, uint64_t next,
                                  uint64_t *ret_sequence, uint8_t *ret_type, struct dg_bytes *ret_plaintext)
{
    const struct dg_aead_info *info = &dg_aead_table[keys->aead];
    uint8_t *body = record->start + record->header_size;
    size_t body_size = record->size - record->header_size;
    uint8_t mask[SAMPLE], header[HEADER_MAX], nonce[DG_AEAD_NONCE];
    uint64_t low, sequence;
    unsigned bits;
    size_t size;

    if (!record->is_unified || record->header_size > HEADER_MAX)
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    // RFC 9147 4 and 9.1: the negotiated ID, or none where none was.
    if ((record->cid != NULL) != (cid_size > 0) || record->cid_size != cid_size ||
        (cid_size > 0 && !dg_secret_equal(record->cid, cid, cid_size)))
        return dg_drop(DG_COUNT_DROP_CID_MISMATCH);
    // RFC 9147 4.2.3: under 16 bytes there is nothing to unmask the number with. The type is one byte more.
    if (body_size < SAMPLE || body_size < (size_t)info->tag_size + 1)
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    size = body_size - info->tag_size;
    if (size > INNER_MAX)
        return dg_drop(DG_COUNT_DROP_RECORD_TOO_LONG);

    if (!ops->number_mask(keys->aead, keys->number_key, body, mask))
        return dg_drop(DG_COUNT_DROP_FORGED);
    low = unmask_header(record, mask, header, &bits);
    sequence = dg_record13_reconstruct(next, low, bits);
    make_nonce(nonce, keys->iv, sequence);
    if (!ops->open(keys->aead, keys->key, nonce, header, record->header_size, body, size))
        return dg_drop(DG_COUNT_DROP_FORGED);

    // RFC 8446 5.4: the type is the last byte that is not zero.
    while (size > 0 && body[size - 1] == 0)
        size--;
    if (size == 0 || !is_protected_type(body[size - 1]))
        return dg_drop(DG_COUNT_DROP_INNER_TYPE);
    *ret_sequence = sequence;
    *ret_type = body[size - 1];
    *ret_plaintext = (struct dg_bytes){.data = body, .size = size - 1};
    return dg_ok();
}

size_t dg_record13_seal(const struct dg_aead_ops *ops, const struct dg_key_view *keys, uint64_t epoch,
                        uint64_t sequence, uint8_t type, const uint8_t *cid, size_t cid_size, const void *data,
                        size_t size, uint8_t *out, size_t capacity)
{
    const struct dg_aead_info *info = &dg_aead_table[keys->aead];
    struct dg_writer writer = dg_writer_of(out, capacity);
    uint8_t first = DG_UNIFIED_FIXED | DG_UNIFIED_SEQ16 | DG_UNIFIED_LENGTH;
    uint8_t mask[SAMPLE], nonce[DG_AEAD_NONCE];
    size_t inner_size = size + 1;
    size_t header_size, number_at;

    // RFC 9147 4.2.1: numbers never wrap; the last one has no next to be stored before it is used.
    if (sequence == UINT64_MAX || size > DG_PLAINTEXT_MAX || cid_size > DG_CID_LENGTH_MAX)
        return 0;
    if (inner_size + info->tag_size < SAMPLE)
        inner_size = (size_t)SAMPLE - info->tag_size; // RFC 9147 4.2.3
    first |= (uint8_t)(epoch & DG_UNIFIED_EPOCH_MASK);
    if (cid_size > 0)
        first |= DG_UNIFIED_CID;

    dg_write_u8(&writer, first);
    dg_write_bytes(&writer, cid, cid_size);
    number_at = dg_writer_size(&writer);
    dg_write_u16(&writer, (uint16_t)sequence);
    dg_write_u16(&writer, (uint16_t)(inner_size + info->tag_size));
    header_size = dg_writer_size(&writer);
    dg_write_bytes(&writer, data, size);
    dg_write_u8(&writer, type);
    dg_write_zeros(&writer, inner_size - size - 1 + info->tag_size);
    if (writer.failed)
        return 0;

    make_nonce(nonce, keys->iv, sequence);
    if (!ops->seal(keys->aead, keys->key, nonce, out, header_size, out + header_size, inner_size) ||
        !ops->number_mask(keys->aead, keys->number_key, out + header_size, mask)) {
        dg_wipe(out, dg_writer_size(&writer)); // it may hold plaintext
        return 0;
    }
    out[number_at] ^= mask[0];
    out[number_at + 1] ^= mask[1];
    return dg_writer_size(&writer);
}

size_t dg_record13_expansion(enum dg_aead_id aead, size_t cid_size)
{
    return 1 + cid_size + 2 + 2 + 1 + (size_t)dg_aead_table[aead].tag_size;
}
