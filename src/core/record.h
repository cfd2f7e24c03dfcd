// SPDX-License-Identifier: GPL-3.0-or-later
// Finds the records of a datagram: header forms of DTLS 1.2 (with and without connection ID) and 1.3
// (all eight unified headers, plaintext). Never decrypts, never looks up.
#ifndef DG_CORE_RECORD_H
#define DG_CORE_RECORD_H

#include "base/wire.h"
#include "core/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A record in its datagram. Pointers lead into the datagram's buffer, which is changed when it opens.
struct dg_record {
    uint8_t *start;
    size_t size;        // header and body
    size_t header_size; // body begins here: 1.2's explicit nonce or 1.3's ciphertext
    uint8_t type;       // first byte; DG_UNIFIED_FIXED.. for 1.3's protected records
    bool is_unified;
    uint16_t epoch;     // 1.2 and plaintext: from the header; unified: the two low bits
    uint64_t sequence;  // 1.2 and plaintext: 48 bits; unified: 0, it is still masked
    const uint8_t *cid; // NULL where the record carries none
    size_t cid_size;
};

// Reads the record at data[0]. cid_size is the length of IDs that we issue (RFC 9146 3: fixed, so that
// it parses without state). DROP_EMPTY, DROP_UNKNOWN_TYPE, DROP_RECORD_MALFORMED, DROP_RECORD_TOO_LONG;
// a record without length field (L=0) takes the rest. RFC 9147 4.1 and 4.
DG_MUST_USE struct dg_result dg_record_parse(uint8_t *data, size_t size, size_t cid_size, struct dg_record *ret);

#endif
