// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a ClientHello's shape, strictly, before the TLS library sees a byte of it: every vector inside its
// parent, extensions at most once, connection_id not above the limit. Never stores, never answers.
#ifndef DG_CORE_HELLO_H
#define DG_CORE_HELLO_H

#include "base/wire.h"
#include "core/result.h"

#include <stdbool.h>
#include <stdint.h>

// One plaintext handshake record's message header.
struct dg_handshake_fragment {
    uint8_t type;
    uint32_t length;  // of the whole message
    uint16_t message_seq;
    uint32_t offset;
    struct dg_bytes bytes; // this fragment's part
};

// Blocks point into the message.
struct dg_hello {
    uint16_t legacy_version;
    bool offers_13;             // supported_versions names 0xfefc
    bool offers_12;
    uint16_t message_seq;
    uint64_t record_sequence;
    struct dg_bytes random;     // 32
    struct dg_bytes session_id;
    struct dg_bytes cookie;     // 1.2's field
    struct dg_bytes suites;
    struct dg_bytes compression;
    struct dg_bytes extensions;
    bool has_cookie_extension;
    struct dg_bytes cookie_extension; // 1.3's
    bool has_cid;
    struct dg_bytes cid;        // the peer's connection ID
    bool has_rrc;
};

// record: a plaintext handshake record. DROP_RECORD_MALFORMED, DROP_NOT_HELLO.
DG_MUST_USE struct dg_result dg_handshake_fragment_parse(struct dg_bytes record_body, struct dg_handshake_fragment *ret);
// body: the whole ClientHello without its handshake header. DROP_HELLO_*.
DG_MUST_USE struct dg_result dg_hello_parse(struct dg_bytes body, struct dg_hello *ret);

#endif
