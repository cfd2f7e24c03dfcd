// SPDX-License-Identifier: GPL-3.0-or-later
// A YAML document as a bounded tree of nodes that know their line and column. What configurations have no use for is
// refused: anchors and aliases, tags, several documents, control characters. Never knows what a key means.
#ifndef DG_CONFIG_YAML_TREE_H
#define DG_CONFIG_YAML_TREE_H

#include "config/config.h"

#define DG_YAML_DEPTH_MAX 8
#define DG_YAML_NODES_MAX 65536

enum dg_yaml_kind { DG_YAML_SCALAR, DG_YAML_SEQUENCE, DG_YAML_MAPPING };

struct dg_yaml_node {
    enum dg_yaml_kind kind;
    struct dg_config_place place;
    struct dg_yaml_node *first; // of a mapping: key, value, key, value
    struct dg_yaml_node *next;  // sibling
    bool is_nothing;            // a value that was left out
    char text[];                // of a scalar, NUL-terminated
};

// NULL: error says what is wrong, ret_place where. Caller frees.
struct dg_yaml_node *dg_yaml_read(const void *data, size_t size, struct dg_config_place *ret_place, char *error,
                                  size_t error_size);
void dg_yaml_free(struct dg_yaml_node *root); // NULL is fine; wipes its texts
const char *dg_yaml_kind_name(enum dg_yaml_kind kind);

#endif
