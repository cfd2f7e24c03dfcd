// SPDX-License-Identifier: GPL-3.0-or-later
// Called from workers, and from the controlling thread before they run: reads what does not change while it is in use.
#include "server/backend_hooks.h"

#include "crypto/suites.h"
#include "server/report.h"
#include "server/server_state.h"

uint64_t dg_server_backends_of(void *context, const void *snapshot)
{
    const struct dg_policy *policy = dg_snapshot_policy(snapshot);
    const struct dg_policy_rule *rule;
    uint64_t backends = 0;
    (void)context;
    for (uint16_t i = 0; (rule = dg_policy_rule_at(policy, i)) != NULL; i++)
        if (!rule->is_denied && rule->backend < DG_BACKENDS_MAX)
            backends |= UINT64_C(1) << rule->backend;
    return backends;
}

uint16_t dg_server_backend_of(void *context, const void *snapshot, const struct dg_slot *slot)
{
    const struct dg_policy_rule *rule = dg_policy_rule_at(dg_snapshot_policy(snapshot), slot->rule);
    (void)context;
    return rule ? rule->backend : DG_NO_BACKEND;
}

void dg_server_name_subject(void *context, const void *snapshot, const struct dg_slot *slot,
                            struct dg_backend_subject *subject)
{
    const char *listener = dg_snapshot_listener_name(snapshot, slot->listener);
    const struct dg_suite *suite = dg_suite_find(slot->suite);
    (void)context;
    if (listener)
        subject->listener = listener;
    if (suite)
        subject->suite_name = suite->name;
}

void dg_server_backend_trouble(void *context, dg_time now, uint16_t backend, const struct dg_backend_trouble *trouble)
{
    const struct dg_server *server = context;
    (void)now;
    dg_report_backend(dg_backends_text(server->backends, backend), trouble);
}
