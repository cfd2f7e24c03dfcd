// SPDX-License-Identifier: GPL-3.0-or-later
// Protection of DTLS 1.3 records (RFC 9147 4): unified header, record-number encryption, inner type. Pure:
// keys and numbers in, bytes out. Never advances a number or a window.
#ifndef DG_CORE_RECORD13_H
#define DG_CORE_RECORD13_H

#include "core/keyset.h"
#include "core/record.h"

// Opens record in place. next: highest number opened in this epoch + 1, from which the full number is
// reconstructed (RFC 9147 4.2.2) into ret_sequence, valid only with DG_OK. Reasons as for
// dg_record12_open (inner types: 21, 22, 23, 26, 27); ciphertext under 16 bytes is DROP_RECORD_MALFORMED
// (RFC 9147 4.2.3). cid/cid_size is what this record must carry: RFC 9147 4 wants the negotiated ID in each
// datagram, so for a later record of one the caller may pass 0 where the record has none.
DG_MUST_USE struct dg_result dg_record13_open(const struct dg_aead_ops *ops, const struct dg_key_view *keys,
                                              const struct dg_record *record, const uint8_t *cid, size_t cid_size,
                                              uint64_t next, uint64_t *ret_sequence, uint8_t *ret_type,
                                              struct dg_bytes *ret_plaintext);

// Protects data as one record with a 16-bit number and a length field. Padded where the ciphertext would
// be under 16 bytes. Returns the record's size, 0 where out is too small or the library fails.
DG_MUST_USE size_t dg_record13_seal(const struct dg_aead_ops *ops, const struct dg_key_view *keys, uint64_t epoch,
                                    uint64_t sequence, uint8_t type, const uint8_t *cid, size_t cid_size,
                                    const void *data, size_t size, uint8_t *out, size_t capacity);
// Bytes that protection adds to a plaintext, but for the padding of very short ones (CCM_8).
size_t dg_record13_expansion(enum dg_aead_id aead, size_t cid_size);
// RFC 9147 4.2.2: the number nearest to next whose low `bits` (8 or 16) are `low`.
uint64_t dg_record13_reconstruct(uint64_t next, uint64_t low, unsigned bits);

#endif
