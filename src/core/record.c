// SPDX-License-Identifier: GPL-3.0-or-later
// Finds where the records of a datagram begin and end. Never decrypts, never looks up.
#include "core/record.h"

#include <string.h>

// RFC 6347 4.1 and RFC 9146 4: type, version, epoch, sequence, [connection ID], length.
static struct dg_result parse12(struct dg_reader reader, size_t cid_size, struct dg_record *ret)
{
    uint16_t version, length;

    (void)dg_read_u8(&reader); // the type, known
    version = dg_read_u16(&reader);
    ret->epoch = dg_read_u16(&reader);
    ret->sequence = dg_read_u48(&reader);
    if (ret->type == DG_CONTENT_TLS12_CID) {
        struct dg_bytes cid = dg_read_bytes(&reader, cid_size);

        ret->cid = cid.data;
        ret->cid_size = cid.size;
    }
    length = dg_read_u16(&reader);
    if (reader.failed)
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);

    // RFC 9147 5.3: the version of an unprotected record means nothing (first hellos carry DTLS 1.0's), but
    // what is no DTLS at all is noise. Under protection it is authenticated and can only be one.
    if (version >> 8 != DG_VERSION_DTLS12 >> 8 || (ret->epoch != 0 && version != DG_VERSION_DTLS12))
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    // RFC 9146 3: an unprotected record never has a connection ID.
    if (ret->type == DG_CONTENT_TLS12_CID && ret->epoch == 0)
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    if (length > DG_CIPHERTEXT_MAX)
        return dg_drop(DG_COUNT_DROP_RECORD_TOO_LONG);
    if (length > dg_reader_left(&reader))
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    ret->header_size = (size_t)(reader.at - ret->start);
    ret->size = ret->header_size + length;
    return dg_ok();
}

// RFC 9147 4, figure 3: 001CSLEE, [connection ID], sequence of 8 or 16 bits, [length].
static struct dg_result parse13(struct dg_reader reader, size_t cid_size, struct dg_record *ret)
{
    size_t length;

    (void)dg_read_u8(&reader); // the type, known
    ret->epoch = ret->type & DG_UNIFIED_EPOCH_MASK;
    if (ret->type & DG_UNIFIED_CID) {
        struct dg_bytes cid = dg_read_bytes(&reader, cid_size);

        ret->cid = cid.data;
        ret->cid_size = cid.size;
    }
    (void)dg_read_bytes(&reader, ret->type & DG_UNIFIED_SEQ16 ? 2 : 1); // masked until the keys are known
    // Without a length field the record takes the rest of the datagram and is its last.
    if (ret->type & DG_UNIFIED_LENGTH)
        length = dg_read_u16(&reader);
    else
        length = dg_reader_left(&reader);
    if (reader.failed)
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    if (length > DG_CIPHERTEXT_MAX)
        return dg_drop(DG_COUNT_DROP_RECORD_TOO_LONG);
    if (length > dg_reader_left(&reader))
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    ret->header_size = (size_t)(reader.at - ret->start);
    ret->size = ret->header_size + length;
    return dg_ok();
}

struct dg_result dg_record_parse(uint8_t *data, size_t size, size_t cid_size, struct dg_record *ret)
{
    struct dg_reader reader = dg_reader_of(data, size);

    memset(ret, 0, sizeof *ret);
    if (size == 0)
        return dg_drop(DG_COUNT_DROP_EMPTY);
    ret->start = data;
    ret->type = data[0];

    // RFC 9147 4.1, figure 5
    if ((ret->type & DG_UNIFIED_FIXED_MASK) == DG_UNIFIED_FIXED) {
        ret->is_unified = true;
        if (cid_size == 0 && ret->type & DG_UNIFIED_CID)
            return dg_drop(DG_COUNT_DROP_CID_MISMATCH); // where its sequence number lies cannot be known
        return parse13(reader, cid_size, ret);
    }
    switch (ret->type) {
    case DG_CONTENT_TLS12_CID:
        if (cid_size == 0)
            return dg_drop(DG_COUNT_DROP_CID_MISMATCH); // RFC 9146 3: never with an ID of length 0
        return parse12(reader, cid_size, ret);
    case DG_CONTENT_CHANGE_CIPHER_SPEC:
    case DG_CONTENT_ALERT:
    case DG_CONTENT_HANDSHAKE:
    case DG_CONTENT_APPLICATION_DATA:
    case DG_CONTENT_ACK:
        return parse12(reader, cid_size, ret);
    case DG_CONTENT_RETURN_ROUTABILITY_CHECK: {
        // RFC 9853 4: only ever protected; in clear is its type only where the receiver has no ID (DTLS 1.2).
        struct dg_result result = parse12(reader, cid_size, ret);
        return result.outcome == DG_OK && ret->epoch == 0 ? dg_drop(DG_COUNT_DROP_UNKNOWN_TYPE) : result;
    }
    default:
        return dg_drop(DG_COUNT_DROP_UNKNOWN_TYPE);
    }
}
