// SPDX-License-Identifier: GPL-3.0-or-later
// Copies a configuration whole: a server keeps the one that it runs with. Checks nothing.
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

static struct dg_config_rule *copy_rules(const struct dg_config_listener *listener)
{
    struct dg_config_rule *rules = calloc(listener->rule_count, sizeof *rules);
    if (rules)
        memcpy(rules, listener->rules, listener->rule_count * sizeof *rules);
    return rules;
}

struct dg_config *dg_config_copy(const struct dg_config *config)
{
    struct dg_config *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *config;
    copy->listener_count = 0;
    copy->listener_capacity = config->listener_count + 1;
    copy->listeners = calloc(copy->listener_capacity, sizeof *copy->listeners);
    for (size_t i = 0; copy->listeners && i < config->listener_count; i++) {
        struct dg_config_listener *listener = &copy->listeners[i];
        *listener = config->listeners[i];
        listener->rules = listener->rule_count > 0 ? copy_rules(listener) : NULL;
        if (listener->rule_count > 0 && !listener->rules)
            break;
        copy->listener_count++;
    }
    if (copy->listener_count == config->listener_count)
        return copy;
    dg_config_free(copy); // which frees the rules of those that were counted
    return NULL;
}
