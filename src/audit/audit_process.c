// SPDX-License-Identifier: GPL-3.0-or-later
// Weaknesses in the options of the process: limits, addresses, sandbox, logs, sockets. Opens no file.
#include "audit/audit_internal.h"

#include "host/privilege.h"

#include <string.h>

#define DAY_S 86400u

#define FIND_HERE(auditing, name, option, ...) \
    DG_FIND(auditing, name, (auditing)->config->path, dg_config_place_of((auditing)->config, NULL, option), __VA_ARGS__)

// Beyond these, an option is no limit any more. Each is an order of magnitude above what a large server needs.
static void audit_limits(const struct dg_auditing *auditing)
{
    const struct dg_options *options = &auditing->config->process;
    const struct {
        const char *option;
        uint32_t value, enough;
    } limits[] = {
        {"handshakes-max", options->handshakes_max, 16384}, // 33 KB each
        {"handshakes-prefix-max", options->handshakes_prefix_max, 8192},
        {"handshake-timeout", options->handshake_timeout, 300},
        {"answers-rate", options->answers_rate, 50000},
        {"answers-rate-network", options->answers_rate_network, 200000},
        {"answers-rate-global", options->answers_rate_global, 1000000},
        {"handshakes-rate", options->handshakes_rate, 20000},
        {"handshakes-rate-network", options->handshakes_rate_network, 80000},
        {"handshakes-rate-global", options->handshakes_rate_global, 200000},
        {"failures-rate", options->failures_rate, 1000},
        {"failures-rate-network", options->failures_rate_network, 10000},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i].value > limits[i].enough)
            FIND_HERE(auditing, LIMIT_LOOSE, limits[i].option, "%s: %u is no limit to an attacker; %u is plenty",
                      limits[i].option, limits[i].value, limits[i].enough);
    if (options->backoff_max == 0)
        FIND_HERE(auditing, GUESSING, "backoff-max", "backoff-max: 0: wrong keys cost no time");
    if (options->age_max == 0 && options->idle_timeout > 7 * DAY_S)
        FIND_HERE(auditing, LONG_LIFE, "idle-timeout", "idle-timeout: %u, and no age-max", options->idle_timeout);
    if (options->age_max == 0 && options->idle_timeout_cid > 60 * DAY_S)
        FIND_HERE(auditing, LONG_LIFE, "idle-timeout-cid", "idle-timeout-cid: %u, and no age-max", options->idle_timeout_cid);
}

static void audit_addresses(const struct dg_auditing *auditing)
{
    const struct dg_options *options = &auditing->config->process;
    if (options->connection_id == DG_CHOICE_NO)
        return; // nobody moves
    if (options->rrc == DG_RRC_NO && options->address_change == DG_ADDRESS_CHANGE_NEWEST)
        FIND_HERE(auditing, ADDRESS_FAITH, "rrc", "rrc: no with address-change: newest: answers go to whatever address a "
                  "client's datagram came from");
    if (options->rrc == DG_RRC_BASIC)
        FIND_HERE(auditing, ADDRESS_BASIC, "rrc", "rrc: basic asks the new address alone");
}

// A user that root could not become: a start by root is refused, any other one takes no notice.
static void audit_user(const struct dg_auditing *auditing)
{
    struct dg_user user;
    char error[256];
    const char *name = auditing->config->process.user;
    if (!name[0] || dg_user_find(name, &user, error, sizeof error))
        return;
    if (dg_privilege_is_root())
        FIND_HERE(auditing, REFUSED, "user", "%s", error);
    else
        FIND_HERE(auditing, MAY_BE_ROOT, "user", "%s", error);
}

// All of the host's files are no bound.
static void audit_reach(const struct dg_auditing *auditing)
{
    const struct dg_text_list *paths = &auditing->config->process.sandbox_paths;
    for (uint32_t i = 0; i < paths->count; i++)
        if (paths->items[i][strspn(paths->items[i], "/.")] == '\0')
            FIND_HERE(auditing, NO_SANDBOX, "sandbox-path", "sandbox-path: %s", paths->items[i]);
}

static void audit_sandbox(const struct dg_auditing *auditing)
{
    const struct dg_options *options = &auditing->config->process;
    if (options->sandbox == DG_SANDBOX_NONE && !options->user[0])
        FIND_HERE(auditing, ROOT_WITHOUT_SANDBOX, "sandbox", "sandbox: none, and no user:");
    else if (options->sandbox == DG_SANDBOX_NONE)
        FIND_HERE(auditing, NO_SANDBOX, "sandbox", "sandbox: none");
    else if (!options->user[0])
        FIND_HERE(auditing, MAY_BE_ROOT, "user", "user: is not given");
}

// Options of parts that a build may not have are found by their names.
static bool get_text(const struct dg_auditing *auditing, const char *name, char *text)
{
    const struct dg_option *option = dg_option_table_find(&dg_options_table_process, name);
    return option && dg_option_value(option, &auditing->config->process, 0, text);
}

static void audit_shown(const struct dg_auditing *auditing)
{
    char text[DG_OPTION_TEXT];
    struct dg_address address;
    if (auditing->config->process.log_contents == DG_CHOICE_YES)
        FIND_HERE(auditing, CONTENTS_LOGGED, "log-contents", "log-contents: yes");
    if (get_text(auditing, "key-log", text))
        FIND_HERE(auditing, KEYS_LOGGED, "key-log", "key-log: %s", text);
    if (get_text(auditing, "metrics", text) && dg_address_parse(text, &address))
        FIND_HERE(auditing, COUNTERS_OPEN, "metrics", "metrics: %s", text);
}

void dg_audit_process(const struct dg_auditing *auditing)
{
    audit_limits(auditing);
    audit_addresses(auditing);
    audit_user(auditing);
    audit_sandbox(auditing);
    audit_reach(auditing);
    audit_shown(auditing);
}
