// SPDX-License-Identifier: GPL-3.0-or-later
// By which rules a proven client is let in, and what it may do then (design.md, "Default deny"). Immutable plain data: any
// thread may ask. The first rule of its listener that fits decides; where there are rules and none fits, it is denied;
// a listener without rules allows everybody whom its credentials prove; nobody is allowed at a listener that the policy
// does not know. Proves nobody itself.
#ifndef DG_CORE_POLICY_H
#define DG_CORE_POLICY_H

#include "base/attributes.h"
#include "base/wire.h"
#include "core/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_POLICY_NAME 64
#define DG_POLICY_PATTERN 256
#define DG_POLICY_NETWORKS 16
#define DG_POLICY_ASSOCIATIONS_MAX 64 // that a rule can allow one identity at once

struct dg_network {
    uint8_t ip[16];  // IPv4-mapped for IPv4; what lies beyond bits is 0
    uint8_t bits;    // of the 128: an IPv4 /24 is 120
};
// "192.0.2.0/24", "2001:db8::/32", or an address. False: not such a text, or bits beyond the prefix are set. An IPv6
// network holds no IPv4 address, however short its prefix: ::/0 is all of IPv6, 0.0.0.0/0 all of IPv4.
DG_MUST_USE bool dg_network_parse(const char *text, struct dg_network *ret);
bool dg_network_holds(const struct dg_network *network, const struct dg_address *address);

enum dg_policy_full {
    DG_POLICY_FULL_REFUSE,  // at associations_max the newcomer is refused
    DG_POLICY_FULL_REPLACE, // the oldest association of the identity ends
};

struct dg_policy_rule {
    char name[DG_POLICY_NAME];        // for logs and `dtlsgate why`; empty: it goes by its place
    char identity[DG_POLICY_PATTERN]; // '*' any bytes, '?' one byte, '\' takes the next as it is; empty: everybody
    struct dg_network networks[DG_POLICY_NETWORKS]; // the client's address; none: from anywhere
    uint8_t network_count;
    uint8_t proofs;                   // 1 << dg_identity_kind of each that fits; 0: all
    bool is_denied;
    uint8_t when_full;                // dg_policy_full
    uint16_t backend;                 // number of the backend that plaintext goes to
    uint32_t associations_max;        // of one identity at once; 0: no limit, else up to DG_POLICY_ASSOCIATIONS_MAX
    uint32_t messages_rate;           // a second from one association; 0: no limit
    uint32_t bytes_rate;              // the same in bytes of plaintext
    uint32_t idle_seconds;            // an association ends after so long without a record; 0: as configured for all
};

struct dg_policy_listener {
    const uint64_t *digests;  // of its addresses (dg_path.listener)
    size_t digest_count;
    const struct dg_policy_rule *rules;
    size_t rule_count;
    uint16_t backend;         // of a listener without rules
};

struct dg_policy; // made once, freed by its owner

// listeners and what they point to are copied. NULL: memory is short.
struct dg_policy *dg_policy_new(const struct dg_policy_listener *listeners, size_t count);
void dg_policy_free(struct dg_policy *policy); // NULL is fine

// A proven client.
struct dg_policy_subject {
    uint64_t listener;        // digest
    struct dg_bytes identity;
    uint8_t identity_kind;    // dg_identity_kind
    const struct dg_address *peer;
};
#define DG_POLICY_NO_RULE UINT16_MAX // none fits: denied
struct dg_policy_verdict {
    bool is_allowed;
    uint16_t rule;            // that decided, over all listeners; of this policy alone: never kept longer than it. A
                              // listener without rules has one that nobody wrote: it allows, and names the backend
};
struct dg_policy_verdict dg_policy_judge(const struct dg_policy *policy, const struct dg_policy_subject *subject);
const struct dg_policy_rule *dg_policy_rule_at(const struct dg_policy *policy, uint16_t rule); // NULL: no such rule
// How operators know it: its name, "rule 2" of its listener without one, "no rule" for none.
#define DG_POLICY_RULE_TEXT (DG_POLICY_NAME + 16)
void dg_policy_rule_text(const struct dg_policy *policy, uint16_t rule, char text[DG_POLICY_RULE_TEXT]);
// Does any rule limit rates, associations of an identity, or where clients are?
bool dg_policy_has_rates(const struct dg_policy *policy);
bool dg_policy_has_limits(const struct dg_policy *policy);
bool dg_policy_has_networks(const struct dg_policy *policy);
// A number for the listener of a rule that stays as long as its first address does, for keys of tables.
uint64_t dg_policy_listener_of(const struct dg_policy *policy, uint16_t rule);
// Matches as the identity of a rule does; also for what operators ask (dtlsgate associations --identity).
bool dg_policy_pattern_fits(const char *pattern, struct dg_bytes identity);

#endif
