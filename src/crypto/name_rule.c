// SPDX-License-Identifier: GPL-3.0-or-later
// Parses name rules and puts certificates to them.
#include "crypto/name_rule.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/hash.h>

#include <ctype.h>
#include <string.h>

static const struct {
    const char *prefix;
    enum dg_name_kind kind;
} kinds[] = {
    {"dns:", DG_NAME_DNS}, {"uri:", DG_NAME_URI}, {"email:", DG_NAME_EMAIL}, {"cn:", DG_NAME_COMMON}, {"ou:", DG_NAME_UNIT},
};

static uint32_t digest_of(const char *text)
{
    uint8_t digest[WC_SHA256_DIGEST_SIZE];
    DG_BUG_UNLESS(wc_Sha256Hash((const byte *)text, (word32)strlen(text), digest) == 0);
    struct dg_reader reader = dg_reader_of(digest, sizeof digest);
    uint32_t result = dg_read_u32(&reader);
    return result != 0 ? result : 1;
}

const char *dg_name_rule_parse(const char *text, struct dg_name_rule *ret)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t size = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, size) != 0)
            continue;
        const char *pattern = text + size;
        if (pattern[0] == '\0')
            return "the pattern is empty; \"*\" fits every name";
        if (strlen(pattern) >= sizeof ret->pattern)
            return "the pattern is longer than 255 bytes";
        memset(ret, 0, sizeof *ret);
        ret->kind = kinds[i].kind;
        for (size_t k = 0; pattern[k] != '\0'; k++)
            ret->pattern[k] = ret->kind == DG_NAME_DNS ? (char)tolower((unsigned char)pattern[k]) : pattern[k];
        ret->digest = digest_of(text);
        return NULL;
    }
    return "this is no rule for names; expected dns:PATTERN, uri:PATTERN, email:PATTERN, cn:PATTERN or ou:PATTERN, as "
           "dns:*.meters.example";
}

struct search {
    const struct dg_name_rule *rules;
    size_t count;
    const struct dg_name_rule *found;
};

static bool on_name(void *context, enum dg_name_kind kind, struct dg_bytes name)
{
    struct search *search = context;
    uint8_t lower[256];
    if (kind == DG_NAME_DNS) {
        if (name.size > sizeof lower)
            return false;
        for (size_t i = 0; i < name.size; i++)
            lower[i] = (uint8_t)tolower(name.data[i]);
        name.data = lower;
    }
    for (size_t i = 0; i < search->count; i++)
        if (search->rules[i].kind == kind && dg_policy_pattern_fits(search->rules[i].pattern, name)) {
            search->found = &search->rules[i];
            return true;
        }
    return false;
}

const struct dg_name_rule *dg_name_rule_find(const struct dg_name_rule *rules, size_t count, struct dg_bytes certificate)
{
    struct search search = {rules, count, NULL};
    return dg_certificate_names(certificate, on_name, &search) ? search.found : NULL;
}
