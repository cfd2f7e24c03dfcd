// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the few extensions that the gate decides by. Everything here is unproven and only chooses between
// answers that are all safe.
#include "crypto/peek.h"

#include "credentials/credentials.h"
#include "crypto/suites.h"

#include <ctype.h>
#include <string.h>

static void peek_certificate_types(struct dg_bytes body, struct dg_peek *ret)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_bytes types = dg_read_block8(&reader);
    for (size_t i = 0; i < types.size; i++) {
        if (types.data[i] == DG_CERTIFICATE_TYPE_X509)
            return;
        if (types.data[i] == DG_CERTIFICATE_TYPE_RAW) {
            ret->wants_raw_server_key = true;
            return;
        }
    }
}

// RFC 6066 3: one host name. What is none (an address, another list, bytes beyond ASCII) counts as nothing.
static void peek_server_name(struct dg_bytes body, struct dg_peek *ret)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_reader list = dg_reader_in(dg_read_block16(&reader));
    uint8_t type = dg_read_u8(&list);
    struct dg_bytes name = dg_read_block16(&list);
    if (!dg_reader_done(&reader) || !dg_reader_done(&list) || type != 0 || name.size >= sizeof ret->server_name)
        return;
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~')
            return;
    for (size_t i = 0; i < name.size; i++)
        ret->server_name[i] = (char)tolower(name.data[i]);
}

// RFC 8446 4.2.3
static unsigned scheme_of(uint16_t number)
{
    switch (number) {
    case 0x0403:
        return DG_SCHEME_ECDSA_P256;
    case 0x0503:
        return DG_SCHEME_ECDSA_P384;
    case 0x0603:
        return DG_SCHEME_ECDSA_P521;
    case 0x0401:
    case 0x0501:
    case 0x0601:
        return DG_SCHEME_RSA_PKCS1;
    case 0x0804:
    case 0x0805:
    case 0x0806:
        return DG_SCHEME_RSA_PSS;
    case 0x0807:
        return DG_SCHEME_ED25519;
    default:
        return 0;
    }
}

static void peek_schemes(struct dg_bytes body, struct dg_peek *ret)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_reader list = dg_reader_in(dg_read_block16(&reader));
    while (dg_reader_left(&list) > 0) {
        ret->schemes |= scheme_of(dg_read_u16(&list));
    }
}

static void peek_groups(struct dg_bytes body, struct dg_peek *ret)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_reader list = dg_reader_in(dg_read_block16(&reader));
    ret->has_groups = true;
    while (dg_reader_left(&list) > 0) {
        uint16_t number = dg_read_u16(&list);
        ret->curves |= number == 23 ? DG_CURVE_P256 : number == 24 ? DG_CURVE_P384 : number == 25 ? DG_CURVE_P521 : 0;
    }
}

static void peek_suites(struct dg_bytes suites, struct dg_peek *ret)
{
    struct dg_reader reader = dg_reader_in(suites);
    while (dg_reader_left(&reader) >= 2) {
        const struct dg_suite *suite = dg_suite_find(dg_read_u16(&reader));
        if (suite == NULL || suite->exchange != DG_EXCHANGE_ECDHE)
            continue;
        if (strncmp(suite->name, "TLS_ECDHE_RSA_", 14) == 0)
            ret->has_rsa_suite = true;
        else // ECDSA and EdDSA (RFC 8422 5.10)
            ret->has_ecdsa_suite = true;
    }
}

// RFC 8446 4.2.11: an external identity has an obfuscated_ticket_age of 0; anything else is a ticket, ours or
// somebody else's, and takes the full handshake if it is not good. An unknown external identity is chosen
// too, so that it fails where a wrong key fails (RFC 9257 6.1.2's concern; RFC 4279 2 for DTLS 1.2).
static void peek_identities(struct dg_bytes body, const struct dg_credentials *credentials, struct dg_peek *ret)
{
    struct dg_reader reader = dg_reader_in(body);
    struct dg_reader offers = dg_reader_in(dg_read_block16(&reader));
    for (unsigned i = 0; i < DG_HELLO_PSK_MAX && dg_reader_left(&offers) > 0; i++) {
        struct dg_bytes identity = dg_read_block16(&offers);
        uint32_t age = dg_read_u32(&offers);
        if (offers.failed)
            return;
        if (age != 0 || identity.size == 0 || identity.size > DG_IDENTITY_MAX ||
            memchr(identity.data, 0, identity.size) != NULL)
            continue;
        struct dg_psk keys[DG_PSK_KEYS_MAX];
        bool is_known = dg_credentials_find_psk(credentials, identity, keys) > 0;
        if (ret->has_psk && !is_known)
            continue;
        ret->has_psk = true;
        ret->psk_is_known = is_known;
        ret->psk_size = (uint8_t)identity.size;
        memcpy(ret->psk_identity, identity.data, identity.size);
        ret->psk_identity[identity.size] = '\0';
        if (is_known)
            return;
    }
}

void dg_peek_hello(const struct dg_hello *hello, const struct dg_credentials *credentials, struct dg_peek *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->offers_13 = hello->offers_13;
    ret->has_cid = hello->has_cid;
    ret->has_rrc = hello->has_rrc;
    struct dg_reader reader = dg_reader_in(hello->extensions);
    while (dg_reader_left(&reader) > 0) {
        uint16_t type = dg_read_u16(&reader);
        struct dg_bytes body = dg_read_block16(&reader);
        if (reader.failed)
            break;
        if (type == DG_EXT_EXTENDED_MASTER_SECRET)
            ret->has_ems = true;
        else if (type == DG_EXT_PSK_KEY_EXCHANGE_MODES)
            ret->has_psk_dhe = body.size > 1 && memchr(body.data + 1, DG_PSK_DHE_KE, body.size - 1) != NULL;
        else if (type == DG_EXT_SERVER_CERTIFICATE_TYPE)
            peek_certificate_types(body, ret);
        else if (type == DG_EXT_PRE_SHARED_KEY && hello->offers_13 && dg_credentials_takes_psks(credentials))
            peek_identities(body, credentials, ret);
        else if (type == DG_EXT_SESSION_TICKET)
            ret->has_ticket12 = body.size > 0 && !hello->offers_13;
        else if (type == DG_EXT_SERVER_NAME)
            peek_server_name(body, ret);
        else if (type == DG_EXT_SIGNATURE_ALGORITHMS)
            peek_schemes(body, ret);
        else if (type == DG_EXT_SUPPORTED_GROUPS)
            peek_groups(body, ret);
    }
    peek_suites(hello->suites, ret);
    const struct dg_suite *suite = ret->has_psk ? dg_suite_for_psk13(hello->suites) : NULL;
    ret->psk_suite = suite != NULL ? suite->wolf_name : NULL;
}
