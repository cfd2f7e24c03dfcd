// SPDX-License-Identifier: GPL-3.0-or-later
// The strict reading of a ClientHello (RFC 6347 4.2.1, RFC 9147 5.3, RFC 8446 4.1.2) that stands before the
// TLS library. Never stores, never answers, never allocates; accepts nothing that it does not understand
// the shape of.
#include "core/hello.h"

#include <string.h>

#define RANDOM_SIZE 32
#define SESSION_ID_MAX 32

struct dg_result dg_handshake_fragment_parse(struct dg_bytes record_body, struct dg_handshake_fragment *ret)
{
    struct dg_reader reader = dg_reader_in(record_body);
    struct dg_handshake_fragment fragment = {0};
    bool fits = dg_handshake_fragment_read(&reader, &fragment);
    if (!reader.failed && fragment.type != DG_HS_CLIENT_HELLO) {
        return dg_drop(DG_COUNT_DROP_NOT_HELLO);
    }
    // One message, or a part of one, fills the record: a stranger has nothing else to say yet.
    if (!dg_reader_done(&reader)) {
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    }
    // RFC 6347 4.2.3: a part lies inside its message. An empty part says nothing wherever it lies; those at
    // other offsets have fooled parsers.
    if (!fits || fragment.bytes.size == 0) {
        return dg_drop(DG_COUNT_DROP_RECORD_MALFORMED);
    }
    // The length is a stranger's word: above this nothing is kept for it.
    if (fragment.length > DG_HELLO_BODY_MAX) {
        return dg_drop(DG_COUNT_DROP_RECORD_TOO_LONG);
    }
    *ret = fragment;
    return dg_ok();
}

bool dg_handshake_record_fits(struct dg_bytes record_body)
{
    struct dg_reader reader = dg_reader_in(record_body);
    do {
        struct dg_handshake_fragment part;
        if (!dg_handshake_fragment_read(&reader, &part) || (part.bytes.size == 0 && part.length > 0)) {
            return false;
        }
    } while (dg_reader_left(&reader) > 0);
    return true;
}

// RFC 8446 4.2.1: one byte of length, then versions of two bytes each.
static bool parse_versions(struct dg_bytes body, struct dg_hello *hello)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_reader versions = dg_reader_in(dg_read_block8(&reader));
    if (!dg_reader_done(&reader) || dg_reader_left(&versions) == 0) {
        return false;
    }
    hello->offers_12 = false;
    hello->offers_13 = false;
    while (dg_reader_left(&versions) > 0) {
        uint16_t version = dg_read_u16(&versions);
        if (!versions.failed && version == DG_VERSION_DTLS13) {
            hello->offers_13 = true;
        }
        if (!versions.failed && version == DG_VERSION_DTLS12) {
            hello->offers_12 = true;
        }
    }
    return !versions.failed;
}

// RFC 8446 4.2.8: a list, possibly empty, of group and key.
static bool key_share_fits(struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_reader shares = dg_reader_in(dg_read_block16(&reader));
    if (!dg_reader_done(&reader)) {
        return false;
    }
    while (dg_reader_left(&shares) > 0) {
        (void)dg_read_u16(&shares);
        if (dg_read_block16(&shares).size == 0) {
            return false;
        }
    }
    return !shares.failed;
}

// RFC 8446 4.2.11: identities with their ages, then as many binders of 32 bytes or more.
static bool pre_shared_key_fits(struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_reader identities = dg_reader_in(dg_read_block16(&reader));
    struct dg_reader binders = dg_reader_in(dg_read_block16(&reader));
    if (!dg_reader_done(&reader)) {
        return false;
    }
    size_t identity_count = 0;
    while (dg_reader_left(&identities) > 0) {
        if (dg_read_block16(&identities).size == 0) {
            return false;
        }
        (void)dg_read_u32(&identities);
        identity_count++;
    }
    size_t binder_count = 0;
    while (dg_reader_left(&binders) > 0) {
        if (dg_read_block8(&binders).size < 32) {
            return false;
        }
        binder_count++;
    }
    return !identities.failed && !binders.failed && identity_count == binder_count && identity_count > 0 &&
           identity_count <= DG_HELLO_PSK_MAX;
}

static struct dg_result parse_extension(uint16_t type, struct dg_bytes body, bool is_last, struct dg_hello *hello)
{
    struct dg_reader reader = dg_reader_in(body);
    bool fits = true;
    switch (type) {
    case DG_EXT_SUPPORTED_VERSIONS:
        fits = parse_versions(body, hello);
        break;
    case DG_EXT_COOKIE: // RFC 8446 4.2.2
        hello->has_cookie_extension = true;
        hello->cookie_extension = dg_read_block16(&reader);
        fits = dg_reader_done(&reader) && hello->cookie_extension.size > 0;
        break;
    case DG_EXT_CONNECTION_ID: // RFC 9146 3
        hello->has_cid = true;
        hello->cid = dg_read_block8(&reader);
        fits = dg_reader_done(&reader);
        // wolfSSL 5.9.2 writes past its buffer for long ones; this check and its patch each suffice.
        if (fits && hello->cid.size > DG_CID_PEER_MAX) {
            return dg_drop(DG_COUNT_DROP_HELLO_CID_LENGTH);
        }
        break;
    case DG_EXT_RRC: // RFC 9853 3: empty
        hello->has_rrc = true;
        fits = body.size == 0;
        break;
    case DG_EXT_KEY_SHARE:
        fits = key_share_fits(body);
        break;
    case DG_EXT_PRE_SHARED_KEY: // RFC 8446 4.2.11: the last one, for the binders cover what precedes
        fits = is_last && pre_shared_key_fits(body);
        break;
    default:
        break;
    }
    return fits ? dg_ok() : dg_drop(DG_COUNT_DROP_HELLO_MALFORMED);
}

static struct dg_result parse_extensions(struct dg_hello *hello)
{
    struct dg_reader reader = dg_reader_in(hello->extensions);
    uint16_t seen[DG_HELLO_EXTENSIONS_MAX];
    size_t count = 0;
    while (dg_reader_left(&reader) > 0) {
        uint16_t type = dg_read_u16(&reader);
        struct dg_bytes body = dg_read_block16(&reader);
        if (reader.failed || count == DG_HELLO_EXTENSIONS_MAX) {
            return dg_drop(DG_COUNT_DROP_HELLO_MALFORMED);
        }
        for (size_t i = 0; i < count; i++) {
            if (seen[i] == type) { // RFC 8446 4.2: at most once
                return dg_drop(DG_COUNT_DROP_HELLO_MALFORMED);
            }
        }
        seen[count++] = type;
        struct dg_result result = parse_extension(type, body, dg_reader_left(&reader) == 0, hello);
        if (result.outcome != DG_OK) {
            return result;
        }
    }
    return dg_ok();
}

static bool compression_fits(const struct dg_hello *hello)
{
    // RFC 8446 4.1.2: exactly the null method where 1.3 is offered; RFC 5246 7.4.1.2: it is among them.
    if (hello->offers_13) {
        return hello->compression.size == 1 && hello->compression.data[0] == 0;
    }
    return hello->compression.size > 0 && memchr(hello->compression.data, 0, hello->compression.size) != NULL;
}

struct dg_result dg_hello_parse(struct dg_bytes body, struct dg_hello *ret)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_hello hello = {0};
    hello.legacy_version = dg_read_u16(&reader);
    hello.random = dg_read_bytes(&reader, RANDOM_SIZE);
    hello.session_id = dg_read_block8(&reader);
    hello.cookie = dg_read_block8(&reader);
    hello.suites = dg_read_block16(&reader);
    hello.compression = dg_read_block8(&reader);
    if (!reader.failed && dg_reader_left(&reader) > 0) { // RFC 5246 7.4.1.2: a hello may end here
        hello.extensions = dg_read_block16(&reader);
    }
    if (!dg_reader_done(&reader) || hello.session_id.size > SESSION_ID_MAX || hello.suites.size < 2 ||
        hello.suites.size % 2 != 0) {
        return dg_drop(DG_COUNT_DROP_HELLO_MALFORMED);
    }
    hello.offers_12 = hello.legacy_version == DG_VERSION_DTLS12; // unless supported_versions says otherwise
    struct dg_result result = parse_extensions(&hello);
    if (result.outcome != DG_OK) {
        return result;
    }
    if (!compression_fits(&hello)) {
        return dg_drop(DG_COUNT_DROP_HELLO_MALFORMED);
    }
    // RFC 9147 5.3: 0xfefd in both versions. DTLS 1.0 and numbers that nobody knows end here, before a
    // library can take one of them for a reason to skip the cookie.
    if (hello.legacy_version != DG_VERSION_DTLS12 || (!hello.offers_12 && !hello.offers_13)) {
        return dg_drop(DG_COUNT_DROP_HELLO_VERSION);
    }
    *ret = hello;
    return dg_ok();
}
