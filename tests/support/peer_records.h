// SPDX-License-Identifier: GPL-3.0-or-later
// Makes records as a client would, in every form that the RFCs allow and in forms that they forbid. Written
// from the RFCs beside the record layer and sharing nothing with it but the primitives, so that a mistake
// in one is not repeated by the other. Never opens a record.
#ifndef DG_TESTS_PEER_RECORDS_H
#define DG_TESTS_PEER_RECORDS_H

#include "core/aead.h"
#include "core/keyset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The client's write keys. Hand the same material to the server's receiving keyset.
struct peer_keys {
    const struct dg_aead_ops *ops;
    enum dg_aead_id aead;
    enum dg_hash_id hash;
    struct dg_key_material material;
};

// One record. Zeroed fields are the usual choice: a number of 16 bits and a length field in 1.3, the explicit
// nonce epoch || sequence in 1.2, no padding.
struct peer_record {
    uint64_t epoch;
    uint64_t sequence;
    uint8_t type;            // real content type
    const uint8_t *cid;
    size_t cid_size;         // 0: without
    const void *data;
    size_t size;
    size_t padding;          // zeros behind the inner type (1.2: with connection ID only)
    bool short_number;       // 1.3: S=0, 8 bits of the number
    bool no_length;          // 1.3: L=0, to be the last of its datagram
    bool zeros_only;         // an inner plaintext of `padding` zeros and nothing else
    const uint8_t *explicit_nonce; // 1.2 AES: 8 bytes of our choice
};

// Room for any record.
#define PEER_RECORD_MAX (16384 + 1024)

// key and iv: as many bytes as the AEAD takes; DTLS 1.2.
struct peer_keys peer_keys_12(const struct dg_aead_ops *ops, enum dg_aead_id aead, const uint8_t *key,
                              const uint8_t *iv);
// All keys from the traffic secret; DTLS 1.3. Aborts where the library fails.
struct peer_keys peer_keys_13(const struct dg_aead_ops *ops, enum dg_aead_id aead, enum dg_hash_id hash,
                              const uint8_t *secret);
// Some keys, always the same for one number, for tests that do not care.
struct peer_keys peer_keys_any(const struct dg_aead_ops *ops, enum dg_aead_id aead, enum dg_hash_id hash,
                               bool is_13, unsigned number);
// After a KeyUpdate of the client.
struct peer_keys peer_keys_next(const struct peer_keys *keys);
// Lends the keys to functions that take a view; valid as long as *keys.
struct dg_key_view peer_keys_view(const struct peer_keys *keys, bool is_13);

// Both write one record to out, which holds PEER_RECORD_MAX bytes or capacity, and return its size. They
// abort rather than make half a record. Short 1.3 plaintexts are padded up to 16 bytes of ciphertext.
size_t peer_seal12(const struct peer_keys *keys, const struct peer_record *record, uint8_t *out, size_t capacity);
size_t peer_seal13(const struct peer_keys *keys, const struct peer_record *record, uint8_t *out, size_t capacity);
// The same without that padding, for ciphertexts that are too short (CCM_8).
size_t peer_seal13_unpadded(const struct peer_keys *keys, const struct peer_record *record, uint8_t *out,
                            size_t capacity);
// An unprotected record with the 13-byte header: any type, version, epoch and number.
size_t peer_plain(uint8_t type, uint16_t version, uint16_t epoch, uint64_t sequence, const void *data, size_t size,
                  uint8_t *out, size_t capacity);

#endif
