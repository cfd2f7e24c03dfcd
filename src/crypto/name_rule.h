// SPDX-License-Identifier: GPL-3.0-or-later
// Which names a client's certificate must bear to be let in. Adds to the proof by a CA or a fingerprint, never replaces it.
#ifndef DG_CRYPTO_NAME_RULE_H
#define DG_CRYPTO_NAME_RULE_H

#include "core/policy.h"
#include "crypto/certificate.h"

struct dg_name_rule {
    enum dg_name_kind kind;
    uint32_t digest; // of the rule's text, never 0: an association remembers which rule let it in
    char pattern[DG_POLICY_PATTERN];
};

// "dns:PATTERN", "uri:", "email:", "cn:", "ou:", the pattern as a policy's identity (core/policy.h); DNS names without
// regard to case. NULL: parsed; else what is wrong.
DG_MUST_USE const char *dg_name_rule_parse(const char *text, struct dg_name_rule *ret);
// The first rule that a name of this certificate fits. NULL: none does.
const struct dg_name_rule *dg_name_rule_find(const struct dg_name_rule *rules, size_t count, struct dg_bytes certificate);

#endif
