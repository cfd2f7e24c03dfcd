// SPDX-License-Identifier: GPL-3.0-or-later
// Makes and frees configurations, and completes what is implied in them. Never judges one.
#include "config/config_internal.h"

#include <stdlib.h>
#include <string.h>

struct dg_config *dg_config_new(const char *path)
{
    struct dg_config *config = calloc(1, sizeof *config);
    if (!config)
        return NULL;
    snprintf(config->path, sizeof config->path, "%s", path);
    dg_options_default(&config->process);
    return config;
}

// Doubles: a listener is large, and a file may name many.
static bool make_room(struct dg_config *config)
{
    if (config->listener_count < config->listener_capacity)
        return true;
    size_t capacity = config->listener_capacity > 0 ? 2 * config->listener_capacity : 1;
    struct dg_config_listener *listeners = realloc(config->listeners, capacity * sizeof *listeners);
    if (!listeners)
        return false;
    config->listeners = listeners;
    config->listener_capacity = capacity;
    return true;
}

struct dg_config_listener *dg_config_add_listener(struct dg_config *config)
{
    if (!make_room(config))
        return NULL;
    struct dg_config_listener *listener = &config->listeners[config->listener_count++];
    memset(listener, 0, sizeof *listener);
    dg_options_default(&listener->options);
    return listener;
}

void dg_config_free(struct dg_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->listener_count; i++)
        free(config->listeners[i].rules);
    free(config->listeners);
    free(config);
}

static void set_place(struct dg_config_listener *listener, const char *option, struct dg_config_place place)
{
    const struct dg_option_table *table = &dg_options_table_listener;
    listener->places[dg_option_table_find(table, option) - table->rows] = place;
}

// A listener's certificate is the same thing whether it is given by itself or in the list.
static void settle_certificates(struct dg_config_listener *listener)
{
    struct dg_options *options = &listener->options;
    struct dg_config_certificate *first = &listener->certificates[0];
    if (!options->cert[0] && !options->key[0] && listener->certificate_count > 0) {
        memcpy(options->cert, first->cert, sizeof options->cert);
        memcpy(options->key, first->key, sizeof options->key);
        set_place(listener, "cert", first->place);
        set_place(listener, "key", first->place);
    } else if (options->cert[0] && listener->certificate_count < DG_CONFIG_CERTIFICATES_MAX) {
        bool is_there = listener->certificate_count > 0 && strcmp(first->cert, options->cert) == 0 &&
                        strcmp(first->key, options->key) == 0;
        if (is_there)
            return;
        memmove(first + 1, first, listener->certificate_count * sizeof *first);
        memset(first, 0, sizeof *first);
        memcpy(first->cert, options->cert, sizeof first->cert);
        memcpy(first->key, options->key, sizeof first->key);
        listener->certificate_count++;
    }
}

void dg_config_settle(struct dg_config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        struct dg_config_listener *listener = &config->listeners[i];
        if (!listener->name[0] && listener->options.listen.count > 0)
            dg_address_format(&listener->options.listen.items[0], listener->name);
        settle_certificates(listener);
        for (size_t k = 0; k < dg_options_table_process.count; k++)
            dg_option_copy(&dg_options_table_process.rows[k], &listener->options, &config->process);
    }
}

struct dg_config *dg_config_of_options(const struct dg_options *options, char *error, size_t error_size)
{
    struct dg_config_errors *errors = calloc(1, sizeof *errors);
    struct dg_config *config = dg_config_new("");
    struct dg_config_listener *listener = config ? dg_config_add_listener(config) : NULL;
    if (!errors || !listener) {
        snprintf(error, error_size, "memory is short for a configuration");
        dg_config_free(config);
        free(errors);
        return NULL;
    }
    listener->options = *options;
    for (size_t i = 0; i < dg_options_table_process.count; i++)
        dg_option_copy(&dg_options_table_process.rows[i], &config->process, options);
    dg_config_settle(config);
    dg_config_check(config, errors);
    if (errors->count > 0) {
        snprintf(error, error_size, "%s", errors->texts[0]);
        dg_config_free(config);
        config = NULL;
    }
    free(errors);
    return config;
}

static const struct dg_config_place *find_place(const struct dg_option_table *table,
                                                const struct dg_config_place *places, const char *option)
{
    const struct dg_option *row = dg_option_table_find(table, option);
    return row && places[row - table->rows].line > 0 ? &places[row - table->rows] : NULL;
}

struct dg_config_place dg_config_place_of(const struct dg_config *config, const struct dg_config_listener *listener,
                                          const char *option)
{
    const struct dg_config_place *place =
        listener ? find_place(&dg_options_table_listener, listener->places, option)
                 : find_place(&dg_options_table_process, config->places, option);
    if (place)
        return *place;
    return listener ? listener->place : (struct dg_config_place){config->path[0] ? 1 : 0, config->path[0] ? 1 : 0};
}
