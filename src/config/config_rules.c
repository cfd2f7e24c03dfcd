// SPDX-License-Identifier: GPL-3.0-or-later
// Checks the rules of a listener: that each says something, and that each can be reached. Judges no client.
#include "config/config_internal.h"

#include "base/looks_secret.h"
#include "core/slot.h"

#include <string.h>

static bool fits_everybody(const char *pattern)
{
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool covers_networks(const struct dg_config_rule *rule, const struct dg_config_rule *later)
{
    if (rule->networks.count == 0)
        return true;
    for (uint32_t i = 0; i < later->networks.count; i++) {
        const struct dg_network *inner = &later->networks.items[i];
        struct dg_address first = {0};
        bool is_held = false;
        memcpy(first.ip, inner->ip, sizeof first.ip);
        for (uint32_t k = 0; k < rule->networks.count && !is_held; k++)
            is_held = rule->networks.items[k].bits <= inner->bits &&
                      dg_network_holds(&rule->networks.items[k], &first);
        if (!is_held)
            return false;
    }
    return later->networks.count > 0;
}

// Nobody is left for the later one. Patterns are compared as they are written: what is found is certain, and not all.
static bool covers(const struct dg_config_rule *rule, const struct dg_config_rule *later)
{
    bool covers_identities = fits_everybody(rule->rule.identity) || strcmp(rule->rule.identity, later->rule.identity) == 0;
    bool covers_proofs = rule->proofs == 0 || (later->proofs != 0 && (later->proofs & ~rule->proofs) == 0);
    return covers_identities && covers_proofs && covers_networks(rule, later);
}

static bool does_more_than_deny(const struct dg_config_rule *rule)
{
    return rule->backend[0] || rule->rule.messages_rate || rule->rule.bytes_rate || rule->rule.associations_max ||
           rule->rule.idle_seconds || rule->when_full != DG_POLICY_FULL_REFUSE;
}

// "\\" takes the next byte as it is: at the end there is none.
static bool ends_in_escape(const char *pattern)
{
    size_t size = strlen(pattern), escapes = 0;
    while (escapes < size && pattern[size - 1 - escapes] == '\\')
        escapes++;
    return escapes % 2 == 1;
}

static void check_rule(const struct dg_config *config, const struct dg_config_listener *listener,
                       const struct dg_config_rule *rule, struct dg_config_errors *errors)
{
    const uint32_t unproven = UINT32_C(1) << DG_IDENTITY_NONE;
    if (rule->action == DG_RULE_DENY && does_more_than_deny(rule))
        dg_config_complain(errors, config->path, rule->place, "a rule that denies has no backend, rates, limits or times: "
                           "leave them out, or say action: allow");
    if (rule->when_full == DG_POLICY_FULL_REPLACE && rule->rule.associations_max == 0)
        dg_config_complain(errors, config->path, rule->place, "when-full: replace needs associations-max: otherwise "
                           "nothing is ever full");
    dg_config_check_backend(config, rule->place, rule->backend, errors);
    if (ends_in_escape(rule->rule.identity))
        dg_config_complain(errors, config->path, rule->place, "identity: ends with a \\ that nothing follows; for the "
                           "character itself, write it twice");
    if (rule->proofs == unproven && listener->options.client_auth == DG_CLIENT_AUTH_REQUIRED)
        dg_config_complain(errors, config->path, rule->place, "the rule fits nobody: proof: none, where client-auth: "
                           "required lets nobody in without a proof");
}

// Logs and `dtlsgate why` tell rules by their names.
static void check_name(const struct dg_config *config, const struct dg_config_listener *listener, size_t index,
                       struct dg_config_errors *errors)
{
    const struct dg_config_rule *rule = &listener->rules[index];
    if (dg_hides_secret(rule->rule.name)) {
        dg_config_complain_secret(errors, config->path, rule->place, "name: found what looks like a key itself, which is not "
                                  "repeated here: secrets never stand in this file");
        return;
    }
    for (size_t i = 0; i < index && rule->rule.name[0]; i++)
        if (strcmp(listener->rules[i].rule.name, rule->rule.name) == 0)
            dg_config_complain(errors, config->path, rule->place, "the rule in line %u is called \"%s\" too; give each a "
                               "name of its own", listener->rules[i].place.line, rule->rule.name);
}

void dg_config_check_rules(const struct dg_config *config, const struct dg_config_listener *listener,
                           struct dg_config_errors *errors)
{
    for (size_t i = 0; i < listener->rule_count; i++) {
        const struct dg_config_rule *rule = &listener->rules[i];
        check_rule(config, listener, rule, errors);
        check_name(config, listener, i, errors);
        for (size_t k = 0; k < i; k++) {
            if (!covers(&listener->rules[k], rule))
                continue;
            dg_config_complain(errors, config->path, rule->place, "the rule is never reached: the one in line %u fits "
                               "everybody whom it fits, and the first that fits decides; put it before that one, or leave "
                               "it out", listener->rules[k].place.line);
            break;
        }
    }
}
