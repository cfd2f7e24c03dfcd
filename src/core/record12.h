// SPDX-License-Identifier: GPL-3.0-or-later
// Protection of DTLS 1.2 records, without and with connection ID (RFC 6347 4.1, RFC 9146 4 and 5). Pure:
// keys and numbers in, bytes out. Never advances a number or a window.
#ifndef DG_CORE_RECORD12_H
#define DG_CORE_RECORD12_H

#include "core/keyset.h"
#include "core/record.h"

// Opens record in place with keys; the caller has checked epoch and replay. cid/cid_size: what the
// association negotiated for receiving (0: none); a record that does not carry exactly that is
// DROP_CID_MISMATCH, one that is too short for its AEAD DROP_RECORD_MALFORMED, one whose plaintext is above
// 2^14 DROP_RECORD_TOO_LONG, one that does not verify DROP_FORGED, one without inner type or with one that
// has no place under protection (anything but 21, 22, 23, 27) DROP_INNER_TYPE. Only with DG_OK are ret_type
// and ret_plaintext written; after any other outcome the record's bytes are undefined.
DG_MUST_USE struct dg_result dg_record12_open(const struct dg_aead_ops *ops, const struct dg_key_view *keys,
                                              const struct dg_record *record, const uint8_t *cid, size_t cid_size,
                                              uint8_t *ret_type, struct dg_bytes *ret_plaintext);

// Protects data (which may lie anywhere but in out) as one record of epoch/sequence into out. The caller
// has stored sequence + 1 before. Returns the record's size, 0 where out is too small or the library fails.
DG_MUST_USE size_t dg_record12_seal(const struct dg_aead_ops *ops, const struct dg_key_view *keys, uint16_t epoch,
                                    uint64_t sequence, uint8_t type, const uint8_t *cid, size_t cid_size,
                                    const void *data, size_t size, uint8_t *out, size_t capacity);
// An unprotected record of epoch 0 (the ChangeCipherSpec of a repeated flight).
DG_MUST_USE size_t dg_record12_plain(uint64_t sequence, uint8_t type, const void *data, size_t size, uint8_t *out,
                                     size_t capacity);
// Bytes that protection adds to a plaintext.
size_t dg_record12_expansion(enum dg_aead_id aead, size_t cid_size);

#endif
