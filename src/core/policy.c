// SPDX-License-Identifier: GPL-3.0-or-later
// Judges clients by a list of rules, the first that fits; patterns of identities and networks as text. Owns a copy of what
// it was made from. Keeps nothing about clients.
#include "core/policy.h"

#include "base/attributes.h"
#include "core/slot.h"

#include <stdlib.h>
#include <string.h>

struct listener {
    size_t first_digest, digest_count;
    uint16_t first_rule, rule_count; // a listener without rules has the one that allows
};

struct dg_policy {
    struct listener *listeners;
    size_t listener_count;
    uint64_t *digests;
    struct dg_policy_rule *rules;
    size_t rule_count;
    bool has_rates, has_limits, has_networks;
};

// --- networks ---------------------------------------------------------------------

#define IPV4_BITS 96 // before those of an IPv4 address in its mapped form

static bool is_bit_set(const uint8_t *ip, size_t bit) { return (ip[bit / 8] >> (7 - bit % 8) & 1) != 0; }

// As decimal digits without a sign, at most max. False: not such a number.
static bool parse_bits(const char *text, unsigned max, uint8_t *ret)
{
    unsigned value = 0;
    if (*text == '\0' || strlen(text) > 3)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *ret = (uint8_t)value;
    return value <= max;
}

bool dg_network_parse(const char *text, struct dg_network *ret)
{
    size_t size = strcspn(text, "/");
    if (size == 0 || size >= DG_ADDRESS_TEXT || memchr(text, '%', size) != NULL || memchr(text, '[', size) != NULL)
        return false;
    bool is_ipv4 = memchr(text, ':', size) == NULL;
    char with_port[DG_ADDRESS_TEXT + 8] = "["; // as addresses are parsed: any port will do
    char *host = is_ipv4 ? with_port : with_port + 1;
    memcpy(host, text, size);
    const char *behind = is_ipv4 ? ":1" : "]:1";
    memcpy(host + size, behind, strlen(behind) + 1);
    struct dg_address address;
    if (!dg_address_parse(with_port, &address))
        return false;
    uint8_t bits = is_ipv4 ? 32 : 128;
    if (text[size] == '/' && !parse_bits(text + size + 1, bits, &bits))
        return false;
    *ret = (struct dg_network){.bits = (uint8_t)((is_ipv4 ? IPV4_BITS : 0) + bits)};
    memcpy(ret->ip, address.ip, sizeof ret->ip);
    for (size_t bit = ret->bits; bit < 8 * sizeof ret->ip; bit++)
        if (is_bit_set(ret->ip, bit))
            return false;
    return true;
}

bool dg_network_holds(const struct dg_network *network, const struct dg_address *address)
{
    if (network->bits < IPV4_BITS && dg_address_is_ipv4(address))
        return false;
    size_t whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->ip, address->ip, whole) != 0)
        return false;
    return rest == 0 || ((network->ip[whole] ^ address->ip[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

// --- patterns ---------------------------------------------------------------------

// One byte of the pattern, which is not '*'. Moves on behind it.
static bool fits_byte(const char **pattern, uint8_t byte)
{
    char wanted = *(*pattern)++;
    if (wanted == '?')
        return true;
    if (wanted == '\\' && **pattern != '\0')
        wanted = *(*pattern)++;
    return (uint8_t)wanted == byte;
}

// Only the last '*' is ever gone back to, so that no pattern takes longer than the product of the two lengths.
bool dg_policy_pattern_fits(const char *pattern, struct dg_bytes identity)
{
    if (*pattern == '\0')
        return true;
    const char *behind_star = NULL;
    size_t star_at = 0, at = 0;
    while (at < identity.size) {
        if (*pattern == '*') {
            behind_star = ++pattern;
            star_at = at;
        } else if (*pattern != '\0' && fits_byte(&pattern, identity.data[at])) {
            at++;
        } else if (behind_star != NULL) {
            pattern = behind_star;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

// --- made -------------------------------------------------------------------------

static size_t rules_of(const struct dg_policy_listener *listener)
{
    return listener->rule_count > 0 ? listener->rule_count : 1;
}

static void note_limits(struct dg_policy *policy, const struct dg_policy_rule *rule)
{
    policy->has_rates = policy->has_rates || rule->messages_rate > 0 || rule->bytes_rate > 0;
    policy->has_limits = policy->has_limits || rule->associations_max > 0;
    policy->has_networks = policy->has_networks || rule->network_count > 0;
}

static void add_listener(struct dg_policy *policy, const struct dg_policy_listener *from, size_t *digests)
{
    struct listener *listener = &policy->listeners[policy->listener_count++];
    *listener = (struct listener){.first_digest = *digests,
                                  .digest_count = from->digest_count,
                                  .first_rule = (uint16_t)policy->rule_count,
                                  .rule_count = (uint16_t)rules_of(from)};
    for (size_t i = 0; i < from->digest_count; i++)
        policy->digests[(*digests)++] = from->digests[i];
    if (from->rule_count == 0)
        policy->rules[policy->rule_count++] = (struct dg_policy_rule){.backend = from->backend};
    for (size_t i = 0; i < from->rule_count; i++) {
        DG_BUG_UNLESS(from->rules[i].associations_max <= DG_POLICY_ASSOCIATIONS_MAX);
        DG_BUG_UNLESS(from->rules[i].network_count <= DG_POLICY_NETWORKS);
        note_limits(policy, &from->rules[i]);
        policy->rules[policy->rule_count++] = from->rules[i];
    }
}

struct dg_policy *dg_policy_new(const struct dg_policy_listener *listeners, size_t count)
{
    size_t digests = 0, rules = 0;
    for (size_t i = 0; i < count; i++) {
        digests += listeners[i].digest_count;
        rules += rules_of(&listeners[i]);
    }
    DG_BUG_UNLESS(rules < DG_POLICY_NO_RULE);
    struct dg_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL)
        return NULL;
    policy->listeners = calloc(count + 1, sizeof *policy->listeners);
    policy->digests = calloc(digests + 1, sizeof *policy->digests);
    policy->rules = calloc(rules + 1, sizeof *policy->rules);
    if (policy->listeners == NULL || policy->digests == NULL || policy->rules == NULL) {
        dg_policy_free(policy);
        return NULL;
    }
    size_t copied = 0;
    for (size_t i = 0; i < count; i++)
        add_listener(policy, &listeners[i], &copied);
    return policy;
}

void dg_policy_free(struct dg_policy *policy)
{
    if (policy == NULL)
        return;
    free(policy->listeners);
    free(policy->digests);
    free(policy->rules);
    free(policy);
}

// --- asked ------------------------------------------------------------------------

static bool is_from(const struct dg_policy_rule *rule, const struct dg_address *peer)
{
    for (size_t i = 0; i < rule->network_count; i++)
        if (dg_network_holds(&rule->networks[i], peer))
            return true;
    return rule->network_count == 0;
}

static bool fits(const struct dg_policy_rule *rule, const struct dg_policy_subject *subject)
{
    return (rule->proofs == 0 || (rule->proofs >> subject->identity_kind & 1) != 0) && is_from(rule, subject->peer) &&
           dg_policy_pattern_fits(rule->identity, subject->identity);
}

static const struct listener *find_listener(const struct dg_policy *policy, uint64_t digest)
{
    for (size_t i = 0; i < policy->listener_count; i++) {
        const struct listener *listener = &policy->listeners[i];
        for (size_t j = 0; j < listener->digest_count; j++)
            if (policy->digests[listener->first_digest + j] == digest)
                return listener;
    }
    return NULL;
}

struct dg_policy_verdict dg_policy_judge(const struct dg_policy *policy, const struct dg_policy_subject *subject)
{
    const struct dg_policy_verdict denied = {.is_allowed = false, .rule = DG_POLICY_NO_RULE};
    const struct listener *listener = find_listener(policy, subject->listener);
    if (listener == NULL || subject->identity_kind > DG_IDENTITY_RAW_PUBLIC_KEY)
        return denied;
    for (size_t i = 0; i < listener->rule_count; i++) {
        uint16_t number = (uint16_t)(listener->first_rule + i);
        if (fits(&policy->rules[number], subject))
            return (struct dg_policy_verdict){.is_allowed = !policy->rules[number].is_denied, .rule = number};
    }
    return denied;
}

const struct dg_policy_rule *dg_policy_rule_at(const struct dg_policy *policy, uint16_t rule)
{
    return rule < policy->rule_count ? &policy->rules[rule] : NULL;
}

uint64_t dg_policy_listener_of(const struct dg_policy *policy, uint16_t rule)
{
    for (size_t i = 0; i < policy->listener_count; i++) {
        const struct listener *listener = &policy->listeners[i];
        if (rule >= listener->first_rule && rule - listener->first_rule < listener->rule_count)
            return listener->digest_count > 0 ? policy->digests[listener->first_digest] : 0;
    }
    return 0;
}

void dg_policy_rule_text(const struct dg_policy *policy, uint16_t rule, char text[DG_POLICY_RULE_TEXT])
{
    const struct dg_policy_rule *found = dg_policy_rule_at(policy, rule);
    if (found == NULL) {
        memcpy(text, "no rule", sizeof "no rule");
        return;
    }
    if (found->name[0] != '\0') {
        memcpy(text, found->name, sizeof found->name);
        text[sizeof found->name - 1] = '\0';
        return;
    }
    unsigned place = 0;
    for (size_t i = 0; i < policy->listener_count; i++)
        if (policy->listeners[i].first_rule <= rule)
            place = (unsigned)rule - policy->listeners[i].first_rule + 1;
    char digits[8];
    size_t count = 0;
    for (; place > 0; place /= 10)
        digits[count++] = (char)('0' + place % 10);
    memcpy(text, "rule ", 5);
    for (text += 5; count > 0; text++)
        *text = digits[--count];
    *text = '\0';
}

bool dg_policy_has_rates(const struct dg_policy *policy) { return policy->has_rates; }

bool dg_policy_has_limits(const struct dg_policy *policy) { return policy->has_limits; }

bool dg_policy_has_networks(const struct dg_policy *policy) { return policy->has_networks; }
