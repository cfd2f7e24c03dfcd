// SPDX-License-Identifier: GPL-3.0-or-later
// What the files that read and check a configuration share. Never seen outside src/config.
#ifndef DG_CONFIG_CONFIG_INTERNAL_H
#define DG_CONFIG_CONFIG_INTERNAL_H

#include "config/config.h"

// Enters an error by its place. config is where it is about; without a path, the text stands alone.
void dg_config_complain(struct dg_config_errors *errors, const char *path, struct dg_config_place place,
                        const char *format, ...) DG_PRINTF(4, 5);
// The same, where a secret stands that the text does not show.
void dg_config_complain_secret(struct dg_config_errors *errors, const char *path, struct dg_config_place place,
                               const char *text);
// Makes whole what is implied: names, the first certificate, the process' part of each listener.
void dg_config_settle(struct dg_config *config);
// What single options cannot know, all of it.
void dg_config_check(const struct dg_config *config, struct dg_config_errors *errors);
// The text of a backend, of a listener or a rule.
void dg_config_check_backend(const struct dg_config *config, struct dg_config_place place, const char *backend,
                             struct dg_config_errors *errors);
void dg_config_check_rules(const struct dg_config *config, const struct dg_config_listener *listener,
                           struct dg_config_errors *errors);
// NULL: memory is short.
struct dg_config *dg_config_new(const char *path);
struct dg_config_listener *dg_config_add_listener(struct dg_config *config);

#endif
