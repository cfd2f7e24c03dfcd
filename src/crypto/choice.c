// SPDX-License-Identifier: GPL-3.0-or-later
// The choice among certificates: plain comparisons, so that it can stand before the cookie. Never touches the library.
#include "crypto/choice.h"

#include <string.h>

enum match { MATCH_NONE, MATCH_WILDCARD, MATCH_EXACT };

// RFC 9525 6.3: "*" stands for the whole of one label.
static enum match match_name(const char *pattern, const char *name)
{
    if (strcmp(pattern, name) == 0)
        return MATCH_EXACT;
    const char *dot = strchr(name, '.');
    bool fits = pattern[0] == '*' && pattern[1] == '.' && strchr(pattern + 2, '.') != NULL && dot != NULL && dot != name &&
                strcmp(pattern + 1, dot) == 0;
    return fits ? MATCH_WILDCARD : MATCH_NONE;
}

static enum match match_any(const struct dg_own *own, const char *name)
{
    enum match best = MATCH_NONE;
    for (size_t i = 0; i < own->name_count; i++) {
        enum match match = match_name(own->names[i], name);
        best = match > best ? match : best;
    }
    return best;
}

bool dg_certificate_answers(const struct dg_own *own, const char *name)
{
    return name[0] != '\0' && match_any(own, name) != MATCH_NONE;
}

static bool can_verify13(enum dg_key_kind kind, const struct dg_peek *peek)
{
    switch (kind) {
    case DG_KEY_P256:
        return (peek->schemes & DG_SCHEME_ECDSA_P256) != 0;
    case DG_KEY_P384:
        return (peek->schemes & DG_SCHEME_ECDSA_P384) != 0;
    case DG_KEY_P521:
        return (peek->schemes & DG_SCHEME_ECDSA_P521) != 0;
    case DG_KEY_RSA:
        return (peek->schemes & DG_SCHEME_RSA_PSS) != 0;
    case DG_KEY_ED25519:
        return (peek->schemes & DG_SCHEME_ED25519) != 0;
    default:
        return false;
    }
}

static bool has_curve(const struct dg_peek *peek, unsigned curve) { return !peek->has_groups || (peek->curves & curve) != 0; }

// The suite says what signs; a curve must be among the groups (RFC 8422 5.1), a hash is chosen freely.
static bool can_verify12(enum dg_key_kind kind, const struct dg_peek *peek)
{
    const unsigned ecdsa = DG_SCHEME_ECDSA_P256 | DG_SCHEME_ECDSA_P384 | DG_SCHEME_ECDSA_P521;
    bool by_ecdsa = peek->has_ecdsa_suite && (peek->schemes & ecdsa) != 0;
    switch (kind) {
    case DG_KEY_P256:
        return by_ecdsa && has_curve(peek, DG_CURVE_P256);
    case DG_KEY_P384:
        return by_ecdsa && has_curve(peek, DG_CURVE_P384);
    case DG_KEY_P521:
        return by_ecdsa && has_curve(peek, DG_CURVE_P521);
    case DG_KEY_RSA:
        return peek->has_rsa_suite && (peek->schemes & (DG_SCHEME_RSA_PKCS1 | DG_SCHEME_RSA_PSS)) != 0;
    case DG_KEY_ED25519:
        return peek->has_ecdsa_suite && (peek->schemes & DG_SCHEME_ED25519) != 0;
    default:
        return false;
    }
}

size_t dg_choose_certificate(const struct dg_own *own, size_t count, const struct dg_peek *peek)
{
    size_t best = 0;
    unsigned best_rank = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned match = peek->server_name[0] != '\0' ? (unsigned)match_any(&own[i], peek->server_name) : 0;
        bool verifies = peek->offers_13 ? can_verify13(own[i].kind, peek) : can_verify12(own[i].kind, peek);
        unsigned rank = 1 + 2 * match + (verifies ? 1 : 0);
        if (rank > best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}
