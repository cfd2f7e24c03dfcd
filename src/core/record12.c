// SPDX-License-Identifier: GPL-3.0-or-later
// Protection of DTLS 1.2 records (RFC 6347 4.1, RFC 9146 4 and 5). Never advances a number or a window.
#include "core/record12.h"

#include "base/secret.h"

#include <string.h>

#define AAD_MAX (8 + 3 + 2 + 8 + DG_CID_LENGTH_MAX + 2)

// RFC 6347 4.1.2.4 without, RFC 9146 5.3 with connection ID. inner_size: bytes that are encrypted.
static size_t make_aad(uint8_t aad[AAD_MAX], uint8_t type, uint16_t epoch, uint64_t sequence, const uint8_t *cid,
                       size_t cid_size, size_t inner_size)
{
    struct dg_writer writer = dg_writer_of(aad, AAD_MAX);

    if (cid_size > 0) {
        dg_write_u64(&writer, UINT64_MAX); // seq_num_placeholder
        dg_write_u8(&writer, DG_CONTENT_TLS12_CID);
        dg_write_u8(&writer, (uint8_t)cid_size);
        dg_write_u8(&writer, DG_CONTENT_TLS12_CID);
        dg_write_u16(&writer, DG_VERSION_DTLS12);
        dg_write_u16(&writer, epoch);
        dg_write_u48(&writer, sequence);
        dg_write_bytes(&writer, cid, cid_size);
    } else {
        dg_write_u16(&writer, epoch);
        dg_write_u48(&writer, sequence);
        dg_write_u8(&writer, type);
        dg_write_u16(&writer, DG_VERSION_DTLS12);
    }
    dg_write_u16(&writer, (uint16_t)inner_size);
    DG_BUG_UNLESS(!writer.failed);
    return dg_writer_size(&writer);
}

// The nonce of an AEAD with an explicit part is the implicit part and what the record carries
// (RFC 5288 3, RFC 6655 3); otherwise the IV xor'ed with the record number (RFC 7905 2).
static void make_nonce(uint8_t nonce[DG_AEAD_NONCE], const struct dg_key_view *keys, const uint8_t *explicit_part,
                       uint16_t epoch, uint64_t sequence)
{
    const struct dg_aead_info *info = &dg_aead_table[keys->aead];
    uint64_t number = (uint64_t)epoch << 48 | sequence;

    memcpy(nonce, keys->iv, info->iv12_size);
    if (info->explicit_size > 0) {
        memcpy(nonce + info->iv12_size, explicit_part, info->explicit_size);
        return;
    }
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] ^= (uint8_t)(number >> (56 - 8 * i));
}

// What may stand in a protected record. ChangeCipherSpec would be renegotiation (RFC 9325 3.5), an ID
// record within an ID record is nonsense, ACKs belong to DTLS 1.3.
static bool is_protected_type(uint8_t type)
{
    return type == DG_CONTENT_ALERT || type == DG_CONTENT_HANDSHAKE || type == DG_CONTENT_APPLICATION_DATA ||
           type == DG_CONTENT_RETURN_ROUTABILITY_CHECK;
}

struct dg_result dg_record12_open(const struct dg_aead_ops *ops, const struct dg_key_view *keys,
                                  const struct dg_record *record, const uint8_t *cid, size_t cid_size,
                                  uint8_t *ret_type, struct dg_bytes *ret_plaintext)
{
    const struct dg_aead_info *info = &dg_aead_table[keys->aead];
    uint8_t *body = record->start + record->header_size;
    size_t body_size = record->size - record->header_size;
    bool with_cid = record->type == DG_CONTENT_TLS12_CID;
    uint8_t aad[AAD_MAX], nonce[DG_AEAD_NONCE];
    uint8_t type = record->type;
    size_t aad_size, size;

    if (record->is_unified)
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    // RFC 9146 3: who expects an ID refuses records without one, and the other way round.
    if (with_cid != (cid_size > 0) || record->cid_size != cid_size ||
        (with_cid && !dg_secret_equal(record->cid, cid, cid_size)))
        return dg_drop(DG_COUNT_DROP_CID_MISMATCH);
    if (body_size < (size_t)info->explicit_size + info->tag_size + (with_cid ? 1 : 0))
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    size = body_size - info->explicit_size - info->tag_size;
    // With an ID that is DTLSInnerPlaintext: its type and padding count as well (RFC 9146 5).
    if (size > DG_PLAINTEXT_MAX)
        return dg_drop(DG_COUNT_DROP_RECORD_TOO_LONG);

    make_nonce(nonce, keys, body, record->epoch, record->sequence);
    aad_size = make_aad(aad, record->type, record->epoch, record->sequence, cid, cid_size, size);
    body += info->explicit_size;
    if (!ops->open(keys->aead, keys->key, nonce, aad, aad_size, body, size))
        return dg_drop(DG_COUNT_DROP_FORGED);

    if (with_cid) {
        // RFC 9146 4: content, real_type, zeros
        while (size > 0 && body[size - 1] == 0)
            size--;
        if (size == 0)
            return dg_drop(DG_COUNT_DROP_INNER_TYPE);
        type = body[--size];
    }
    if (!is_protected_type(type))
        return dg_drop(DG_COUNT_DROP_INNER_TYPE);
    *ret_type = type;
    *ret_plaintext = (struct dg_bytes){.data = body, .size = size};
    return dg_ok();
}

size_t dg_record12_seal(const struct dg_aead_ops *ops, const struct dg_key_view *keys, uint16_t epoch,
                        uint64_t sequence, uint8_t type, const uint8_t *cid, size_t cid_size, const void *data,
                        size_t size, uint8_t *out, size_t capacity)
{
    const struct dg_aead_info *info = &dg_aead_table[keys->aead];
    struct dg_writer writer = dg_writer_of(out, capacity);
    size_t inner_size = size + (cid_size > 0 ? 1 : 0);
    uint8_t aad[AAD_MAX], nonce[DG_AEAD_NONCE];
    size_t aad_size, explicit_at, inner_at;

    // RFC 6347 4.1: numbers never wrap.
    if (sequence > DG_SEQUENCE48_MAX || size > DG_PLAINTEXT_MAX || inner_size > DG_PLAINTEXT_MAX ||
        cid_size > DG_CID_LENGTH_MAX)
        return 0;
    dg_write_u8(&writer, cid_size > 0 ? DG_CONTENT_TLS12_CID : type);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, epoch);
    dg_write_u48(&writer, sequence);
    dg_write_bytes(&writer, cid, cid_size);
    dg_write_u16(&writer, (uint16_t)(info->explicit_size + inner_size + info->tag_size));
    explicit_at = dg_writer_size(&writer);
    if (info->explicit_size > 0)
        dg_write_u64(&writer, (uint64_t)epoch << 48 | sequence); // RFC 9325 7.2.1: never drawn, never twice
    inner_at = dg_writer_size(&writer);
    dg_write_bytes(&writer, data, size);
    if (cid_size > 0)
        dg_write_u8(&writer, type);
    dg_write_zeros(&writer, info->tag_size);
    if (writer.failed)
        return 0;

    make_nonce(nonce, keys, out + explicit_at, epoch, sequence);
    aad_size = make_aad(aad, type, epoch, sequence, cid, cid_size, inner_size);
    if (!ops->seal(keys->aead, keys->key, nonce, aad, aad_size, out + inner_at, inner_size)) {
        dg_wipe(out, dg_writer_size(&writer)); // it may hold plaintext
        return 0;
    }
    return dg_writer_size(&writer);
}

size_t dg_record12_plain(uint64_t sequence, uint8_t type, const void *data, size_t size, uint8_t *out,
                         size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);

    if (sequence > DG_SEQUENCE48_MAX || size > DG_PLAINTEXT_MAX)
        return 0;
    dg_write_u8(&writer, type);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, sequence);
    dg_write_u16(&writer, (uint16_t)size);
    dg_write_bytes(&writer, data, size);
    return writer.failed ? 0 : dg_writer_size(&writer);
}

size_t dg_record12_expansion(enum dg_aead_id aead, size_t cid_size)
{
    const struct dg_aead_info *info = &dg_aead_table[aead];

    return DG_RECORD12_HEADER + cid_size + info->explicit_size + info->tag_size + (cid_size > 0 ? 1 : 0);
}
