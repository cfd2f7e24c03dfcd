// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a ClientHello's shape, strictly, before the TLS library sees a byte of it: every vector inside its
// parent, extensions at most once, connection_id not above the limit. Never stores, never answers.
#ifndef DG_CORE_HELLO_H
#define DG_CORE_HELLO_H

#include "base/wire.h"
#include "core/cid.h"
#include "core/handshake_fragment.h"
#include "core/result.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_HELLO_RECORD_MAX 4096 // bytes of the largest ClientHello that is taken, as one record with both headers
#define DG_HELLO_BODY_MAX (DG_HELLO_RECORD_MAX - DG_RECORD12_HEADER - DG_HANDSHAKE_HEADER)
#define DG_HELLO_EXTENSIONS_MAX 64 // more than any client has; bounds the search for one that comes twice
#define DG_HELLO_PSK_MAX 8         // identities: each costs look-ups before the cookie is checked (RFC 9147 11)

// Blocks point into the message.
struct dg_hello {
    struct dg_bytes record;     // all of it, both headers included
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

// record_body: what follows the record header of a plaintext handshake record. Exactly one fragment of a
// ClientHello, not empty, inside its message. DROP_RECORD_MALFORMED, DROP_NOT_HELLO, DROP_RECORD_TOO_LONG.
DG_MUST_USE struct dg_result dg_handshake_fragment_parse(struct dg_bytes record_body, struct dg_handshake_fragment *ret);
// For plaintext handshake records of a handshake under way: one or more parts, each inside its message, and
// nothing behind them. Says nothing about what they are.
DG_MUST_USE bool dg_handshake_record_fits(struct dg_bytes record_body);
// body: the whole ClientHello without its handshake header. DROP_HELLO_*. record, message_seq and
// record_sequence are left 0 for the caller to fill.
DG_MUST_USE struct dg_result dg_hello_parse(struct dg_bytes body, struct dg_hello *ret);

#endif
