// SPDX-License-Identifier: GPL-3.0-or-later
// Weaknesses in the options and rules of a listener: who is let in, by what, where its plaintext goes, how much it may
// send. Opens no file.
#include "audit/audit_internal.h"

#include "core/slot.h"
#include "crypto/gate.h"

#include <string.h>
#include <strings.h>

#define FIND_HERE(auditing, listener, name, option, ...)                                                          \
    DG_FIND(auditing, name, (auditing)->config->path, dg_config_place_of((auditing)->config, listener, option),   \
            __VA_ARGS__)

// --- who is let in -------------------------------------------------------------------------------------------------

// Where nobody has to prove anything, what a rule goes by is anybody's to choose: a source address too (CWE-807).
static bool rests_on_nothing(const struct dg_config_rule *rule)
{
    const uint32_t unproven = UINT32_C(1) << DG_IDENTITY_NONE;
    bool admits_unproven = rule->proofs == 0 || (rule->proofs & unproven);
    bool has_condition = rule->networks.count > 0 || rule->rule.identity[strspn(rule->rule.identity, "*")] != '\0';
    return admits_unproven && rule->action == DG_RULE_ALLOW && (has_condition || rule->backend[0]);
}

static void audit_proof(const struct dg_auditing *auditing, const struct dg_config_listener *listener)
{
    if (listener->options.client_auth != DG_CLIENT_AUTH_INSECURE_NONE)
        return;
    FIND_HERE(auditing, listener, VERIFICATION_OFF, "client-auth", "listener %s: client-auth: insecure-none",
              listener->name);
    for (size_t i = 0; i < listener->rule_count; i++) {
        const struct dg_config_rule *rule = &listener->rules[i];
        if (rests_on_nothing(rule))
            DG_FIND(auditing, UNTRUSTED_DECISION, auditing->config->path, rule->place,
                    "listener %s: the rule%s%s goes by %s, which nobody has proven", listener->name,
                    rule->rule.name[0] ? " " : "", rule->rule.name,
                    rule->networks.count > 0 ? "the source address" : "the identity");
    }
}

static bool takes_psks(const struct dg_options *options)
{
    return options->psk_file[0] || options->psk_store[0];
}

static void audit_profile(const struct dg_auditing *auditing, const struct dg_config_listener *listener)
{
    if (listener->options.profile != DG_PROFILE_IOT)
        return;
    if (takes_psks(&listener->options))
        FIND_HERE(auditing, listener, PLAIN_PSK, "profile", "listener %s: profile: iot with pre-shared keys", listener->name);
    FIND_HERE(auditing, listener, SHORT_TAGS, "profile", "listener %s: profile: iot", listener->name);
}

// Whoever only this host reaches is still worth a note.
static enum dg_severity at_most_note(const struct dg_config_listener *listener, enum dg_finding_kind kind)
{
    return dg_audit_is_local(listener) ? DG_SEVERITY_NOTE : dg_finding_row_of(kind)->severity;
}

static void audit_revocation(const struct dg_auditing *auditing, const struct dg_config_listener *listener)
{
    const struct dg_options *options = &listener->options;
    if (options->client_ca[0] && options->client_crl.count == 0)
        dg_findings_add(auditing->findings, DG_FINDING_NO_REVOCATION, at_most_note(listener, DG_FINDING_NO_REVOCATION),
                        auditing->config->path, dg_config_place_of(auditing->config, listener, "client-ca"),
                        "listener %s: client-ca without client-crl", listener->name);
    if (options->client_crl.count > 0 && options->crl_missing == DG_CRL_MISSING_ACCEPT)
        FIND_HERE(auditing, listener, CRL_OPTIONAL, "crl-missing", "listener %s: crl-missing: accept", listener->name);
}

// --- what they may do ----------------------------------------------------------------------------------------------

static void audit_rule(const struct dg_auditing *auditing, const struct dg_config_listener *listener,
                       const struct dg_config_rule *rule)
{
    const char *name = rule->rule.name;
    if (rule->action == DG_RULE_DENY)
        return;
    if (rule->rule.messages_rate == 0 && rule->rule.bytes_rate == 0)
        dg_findings_add(auditing->findings, DG_FINDING_NO_RATES, at_most_note(listener, DG_FINDING_NO_RATES),
                        auditing->config->path, rule->place, "listener %s: the rule%s%s has no messages-rate and no bytes-rate",
                        listener->name, name[0] ? " " : "", name);
    if (rule->rule.associations_max == 0)
        DG_FIND(auditing, NO_SHARES, auditing->config->path, rule->place, "listener %s: the rule%s%s has no associations-max",
                listener->name, name[0] ? " " : "", name);
}

static void audit_rules(const struct dg_auditing *auditing, const struct dg_config_listener *listener)
{
    for (size_t i = 0; i < listener->rule_count; i++)
        audit_rule(auditing, listener, &listener->rules[i]);
    if (listener->rule_count > 0)
        return;
    DG_FIND(auditing, NO_RULES, auditing->config->path, listener->place, "listener %s", listener->name);
    dg_findings_add(auditing->findings, DG_FINDING_NO_RATES, at_most_note(listener, DG_FINDING_NO_RATES),
                    auditing->config->path, listener->place, "listener %s has no rules, and so no rates", listener->name);
}

// --- where their plaintext goes ------------------------------------------------------------------------------------

// Is the host of "udp:HOST:PORT" or "proxy-udp:HOST:PORT" this one? Other backends do not leave it. A name is looked up by the
// server, which takes no other address than one of loopback, unless backend-network says so.
static bool stays_here(const struct dg_config_listener *listener, const char *backend)
{
    const char *host = strncmp(backend, "udp:", 4) == 0         ? backend + 4
                       : strncmp(backend, "proxy-udp:", 10) == 0 ? backend + 10
                                                                 : NULL;
    struct dg_address address;
    if (!host)
        return true;
    if (dg_address_parse(host, &address))
        return dg_address_is_loopback(&address);
    return listener->options.backend_network == DG_BACKEND_NETWORK_LOOPBACK || strncasecmp(host, "localhost:", 10) == 0;
}

static void audit_backends(const struct dg_auditing *auditing, const struct dg_config_listener *listener)
{
    bool is_beyond = !stays_here(listener, listener->options.backend);
    if (is_beyond)
        FIND_HERE(auditing, listener, BACKEND_PLAINTEXT, "backend", "listener %s: backend: %s", listener->name,
                  listener->options.backend);
    for (size_t i = 0; i < listener->rule_count; i++) {
        const struct dg_config_rule *rule = &listener->rules[i];
        if (stays_here(listener, rule->backend))
            continue;
        is_beyond = true;
        DG_FIND(auditing, BACKEND_PLAINTEXT, auditing->config->path, rule->place, "listener %s: backend: %s", listener->name,
                rule->backend);
    }
    if (!is_beyond && listener->options.backend_network == DG_BACKEND_NETWORK_ANY)
        FIND_HERE(auditing, listener, BACKEND_LOOSE, "backend-network", "listener %s: backend-network: any", listener->name);
}

void dg_audit_listener(const struct dg_auditing *auditing, const struct dg_config_listener *listener)
{
    audit_proof(auditing, listener);
    audit_profile(auditing, listener);
    audit_revocation(auditing, listener);
    audit_rules(auditing, listener);
    audit_backends(auditing, listener);
}
