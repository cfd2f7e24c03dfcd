// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a configuration file: each key finds its row in a table of options, and whatever does not is told with its place.
// Never acts on a value, never opens another file, never shows what looks like a secret.
#include "config/config_internal.h"

#include "base/looks_secret.h"
#include "config/yaml_tree.h"
#include "credentials/file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX (1u << 20)
#define SECRET_FOUND "found what looks like a key itself, which is not repeated here: secrets never stand in this file"

struct reader {
    struct dg_config *config;
    struct dg_config_errors *errors;
    bool has_refused; // a value, since this was last set to false
    char folder[PATH_MAX]; // of the file, absolute: relative names begin there
};

// A key that is no option.
struct special {
    const char *key;
    void (*read)(struct reader *reader, const struct dg_yaml_node *value, void *owner);
};

// Where a key may be from.
struct option_source {
    const struct dg_option_table *table; // NULL: none
    const struct special *specials;
    size_t special_count;
};

// A mapping of keys that are options of a table, or special.
struct block {
    const char *what;
    const struct dg_option_table *table;
    void *options;
    struct dg_config_place *places; // by row; NULL: not wanted
    const struct special *specials;
    size_t special_count;
    void *owner;                          // what special keys fill
    const struct dg_option_table *others; // options that belong elsewhere; NULL: none
    const char *where;                    // that is
};

#define COMPLAIN(reader, node, ...) \
    dg_config_complain((reader)->errors, (reader)->config->path, (node)->place, __VA_ARGS__)

// --- values of options ---------------------------------------------------------------------------------------------

static bool make_absolute(const struct reader *reader, const char *name, char text[DG_OPTION_TEXT])
{
    int used = snprintf(text, DG_OPTION_TEXT, "%s/%s", reader->folder, name);
    return used >= 0 && used < DG_OPTION_TEXT;
}

// False: the value is refused, which has been told.
static bool set_value(struct reader *reader, const struct dg_yaml_node *node, const struct dg_option *option,
                      void *options)
{
    char error[256], text[DG_OPTION_TEXT];
    const char *value = node->text;
    if (node->kind != DG_YAML_SCALAR || node->is_nothing) {
        COMPLAIN(reader, node, "%s: found %s, expected %s%s", option->name,
                 node->is_nothing ? "nothing" : dg_yaml_kind_name(node->kind), option->argument,
                 dg_option_is_list(option) ? ", or a list of such" : "");
        return false;
    }
    if (dg_option_is_file(option) && dg_looks_secret(value)) {
        dg_config_complain_secret(reader->errors, reader->config->path, node->place,
                                  SECRET_FOUND "; put it into a file with mode 0600 and give that file's name");
        return false;
    }
    if (dg_option_is_relative_file(option, value)) {
        if (!make_absolute(reader, value, text)) {
            COMPLAIN(reader, node, "%s: found a name that is too long, expected at most 511 characters with its folder",
                     option->name);
            return false;
        }
        value = text;
    }
    if (dg_option_set(option, options, value, error, sizeof error))
        return true;
    if (dg_hides_secret(value))
        dg_config_complain_secret(reader->errors, reader->config->path, node->place, SECRET_FOUND);
    else
        COMPLAIN(reader, node, "%s: %s", option->name, error);
    return false;
}

static void read_value(struct reader *reader, const struct dg_yaml_node *node, const struct dg_option *option,
                       void *options)
{
    if (!set_value(reader, node, option, options))
        reader->has_refused = true;
}

static void read_option(struct reader *reader, const struct dg_yaml_node *node, const struct dg_option *option,
                        void *options)
{
    if (node->kind != DG_YAML_SEQUENCE || !dg_option_is_list(option)) {
        read_value(reader, node, option, options);
        return;
    }
    if (!node->first)
        COMPLAIN(reader, node, "%s: found an empty list, expected %s", option->name, option->argument);
    for (const struct dg_yaml_node *item = node->first; item; item = item->next)
        read_value(reader, item, option, options);
}

// --- keys ----------------------------------------------------------------------------------------------------------

static bool holds_secret(const struct dg_yaml_node *node)
{
    if (node->kind == DG_YAML_SCALAR)
        return dg_looks_secret(node->text) && strncmp(node->text, "sha256:", 7) != 0; // a pin is public
    for (const struct dg_yaml_node *item = node->first; item; item = item->next)
        if (holds_secret(item))
            return true;
    return false;
}

struct nearest {
    const char *name;
    size_t distance;
};

static void keep_nearer(struct nearest *nearest, const char *name, const char *key)
{
    size_t distance = dg_option_distance(name, key);
    if (!nearest->name || distance < nearest->distance)
        *nearest = (struct nearest){name, distance};
}

static struct nearest find_nearest(const struct option_source *source, const char *key)
{
    struct nearest nearest = {0};
    for (size_t i = 0; source->table && i < source->table->count; i++)
        keep_nearer(&nearest, source->table->rows[i].name, key);
    for (size_t i = 0; i < source->special_count; i++)
        keep_nearer(&nearest, source->specials[i].key, key);
    return nearest;
}

static void refuse_unknown(struct reader *reader, const struct dg_yaml_node *key, const struct block *block)
{
    const struct option_source here = {block->table, block->specials, block->special_count}, there = {.table = block->others};
    struct nearest nearest = find_nearest(&here, key->text), elsewhere = find_nearest(&there, key->text);
    if (elsewhere.name && elsewhere.distance < nearest.distance)
        COMPLAIN(reader, key, "%.80s: there is no such key; the nearest is %s, which belongs %s", key->text,
                 elsewhere.name, block->where);
    else
        COMPLAIN(reader, key, "%.80s: there is no such key in %s; the nearest is %s", key->text, block->what,
                 nearest.name);
}

static void refuse_key(struct reader *reader, const struct dg_yaml_node *key, const struct block *block)
{
    if (holds_secret(key->next))
        dg_config_complain_secret(reader->errors, reader->config->path, key->next->place, SECRET_FOUND);
    if (block->others && dg_option_table_find(block->others, key->text))
        COMPLAIN(reader, key, "%s: does not belong into %s; it belongs %s", key->text, block->what, block->where);
    else if (dg_looks_secret(key->text))
        dg_config_complain_secret(reader->errors, reader->config->path, key->place, SECRET_FOUND);
    else
        refuse_unknown(reader, key, block);
}

static void read_key(struct reader *reader, const struct dg_yaml_node *key, const struct block *block)
{
    for (size_t i = 0; i < block->special_count; i++)
        if (strcmp(block->specials[i].key, key->text) == 0) {
            block->specials[i].read(reader, key->next, block->owner);
            return;
        }
    const struct dg_option *option = dg_option_table_find(block->table, key->text);
    if (!option) {
        refuse_key(reader, key, block);
        return;
    }
    if (block->places)
        block->places[option - block->table->rows] = key->place;
    read_option(reader, key->next, option, block->options);
}

// The first key of the mapping that says the same; NULL: none before this one.
static const struct dg_yaml_node *find_earlier(const struct dg_yaml_node *mapping, const struct dg_yaml_node *key)
{
    for (const struct dg_yaml_node *earlier = mapping->first; earlier != key; earlier = earlier->next->next)
        if (earlier->kind == DG_YAML_SCALAR && strcmp(earlier->text, key->text) == 0)
            return earlier;
    return NULL;
}

static void read_block(struct reader *reader, const struct dg_yaml_node *node, const struct block *block)
{
    if (node->kind != DG_YAML_MAPPING) {
        COMPLAIN(reader, node, "found %s, expected %s: lines of the form \"key: value\"",
                 node->is_nothing ? "nothing" : dg_yaml_kind_name(node->kind), block->what);
        return;
    }
    size_t keys = 0;
    for (const struct dg_yaml_node *key = node->first; key; key = key->next->next) {
        // Beyond that many, some stand there twice: so the look for them stays short.
        const struct dg_yaml_node *earlier = NULL;
        if (++keys > block->table->count + block->special_count + DG_CONFIG_ERRORS_MAX) {
            COMPLAIN(reader, key, "found more keys than there are in %s; the rest is not looked at", block->what);
            return;
        }
        if (key->kind != DG_YAML_SCALAR)
            COMPLAIN(reader, key, "found %s, expected a key", dg_yaml_kind_name(key->kind));
        else if ((earlier = find_earlier(node, key)) && dg_looks_secret(key->text))
            dg_config_complain_secret(reader->errors, reader->config->path, key->place, SECRET_FOUND);
        else if (earlier)
            COMPLAIN(reader, key, "%.80s: stands already in line %u; expected each key once", key->text,
                     earlier->place.line);
        else
            read_key(reader, key, block);
    }
}

// --- the parts of a listener ---------------------------------------------------------------------------------------

// The first of the blocks of a list; NULL: it is no list, or empty, which has been told.
static const struct dg_yaml_node *first_of_list(struct reader *reader, const struct dg_yaml_node *node, const char *key,
                                                const char *item)
{
    if (node->kind == DG_YAML_SEQUENCE && node->first)
        return node->first;
    bool is_empty = node->is_nothing || node->kind == DG_YAML_SEQUENCE;
    COMPLAIN(reader, node, "%s: found %s, expected a list of blocks, each %s that begins with \"- \"", key,
             is_empty ? "nothing" : dg_yaml_kind_name(node->kind), item);
    return NULL;
}

static void read_name(struct reader *reader, const struct dg_yaml_node *node, void *owner)
{
    struct dg_config_listener *listener = owner;
    size_t size = strlen(node->text);
    if (dg_hides_secret(node->text)) // names are shown everywhere
        dg_config_complain_secret(reader->errors, reader->config->path, node->place, SECRET_FOUND);
    else if (node->kind != DG_YAML_SCALAR || size == 0 || size >= sizeof listener->name)
        COMPLAIN(reader, node, "name: found %s, expected a name of 1 to %d characters",
                 node->kind != DG_YAML_SCALAR ? dg_yaml_kind_name(node->kind) : size ? "a longer one" : "nothing",
                 DG_CONFIG_NAME - 1);
    else
        memcpy(listener->name, node->text, size + 1);
}

static void read_certificates(struct reader *reader, const struct dg_yaml_node *node, void *owner)
{
    struct dg_config_listener *listener = owner;
    const struct dg_yaml_node *item = first_of_list(reader, node, "certificates", "a certificate with its key");
    for (; item; item = item->next) {
        if (listener->certificate_count == DG_CONFIG_CERTIFICATES_MAX) {
            COMPLAIN(reader, item, "certificates: expected at most %d of a listener", DG_CONFIG_CERTIFICATES_MAX);
            return;
        }
        struct dg_config_certificate *pair = &listener->certificates[listener->certificate_count++];
        const struct block block = {.what = "a certificate", .table = &dg_config_table_certificate, .options = pair};
        pair->place = item->place;
        read_block(reader, item, &block);
    }
}

// What a rule's keys said, as the policy takes it.
static void settle_rule(struct dg_config_rule *rule)
{
    rule->rule.is_denied = rule->action == DG_RULE_DENY;
    rule->rule.proofs = (uint8_t)rule->proofs;
    rule->rule.when_full = (uint8_t)rule->when_full;
    rule->rule.network_count = (uint8_t)rule->networks.count;
    memcpy(rule->rule.networks, rule->networks.items, sizeof rule->rule.networks);
}

static void read_rule(struct reader *reader, const struct dg_yaml_node *node, struct dg_config_rule *rule)
{
    const struct dg_option *action = dg_option_table_find(&dg_config_table_rule, "action");
    struct dg_config_place places[32] = {0};
    const struct block block = {.what = "a rule", .table = &dg_config_table_rule, .options = rule, .places = places};
    DG_BUG_UNLESS(dg_config_table_rule.count <= sizeof places / sizeof places[0]);
    rule->place = node->place;
    read_block(reader, node, &block);
    if (node->kind == DG_YAML_MAPPING && places[action - dg_config_table_rule.rows].line == 0)
        COMPLAIN(reader, node, "the rule says not what it does; expected action: allow, or action: deny");
    settle_rule(rule);
}

static void read_rules(struct reader *reader, const struct dg_yaml_node *node, void *owner)
{
    struct dg_config_listener *listener = owner;
    const struct dg_yaml_node *item = first_of_list(reader, node, "rules", "a rule");
    size_t count = 0;
    for (const struct dg_yaml_node *each = item; each; each = each->next)
        count++;
    if (count > DG_CONFIG_RULES_MAX) {
        COMPLAIN(reader, node, "rules: found %zu, expected at most %d of a listener", count, DG_CONFIG_RULES_MAX);
        return;
    }
    listener->rules = count > 0 ? calloc(count, sizeof *listener->rules) : NULL;
    if (!listener->rules) {
        if (count > 0)
            COMPLAIN(reader, node, "memory is short for %zu rules", count);
        return;
    }
    for (; item; item = item->next)
        read_rule(reader, item, &listener->rules[listener->rule_count++]);
}

// --- the whole -----------------------------------------------------------------------------------------------------

static void read_listener(struct reader *reader, const struct dg_yaml_node *node)
{
    static const struct special specials[] = {
        {"name", read_name}, {"certificates", read_certificates}, {"rules", read_rules}};
    struct dg_config_listener *listener = dg_config_add_listener(reader->config);
    if (!listener) {
        COMPLAIN(reader, node, "memory is short for a listener");
        return;
    }
    listener->place = node->place;
    const struct block block = {.what = "a listener", .table = &dg_options_table_listener,
                                .options = &listener->options, .places = listener->places, .specials = specials,
                                .special_count = sizeof specials / sizeof specials[0], .owner = listener,
                                .others = &dg_options_table_process, .where = "at the top of the file, for all listeners"};
    reader->has_refused = false;
    read_block(reader, node, &block);
    listener->has_refused = reader->has_refused;
}

static void read_listeners(struct reader *reader, const struct dg_yaml_node *node, void *owner)
{
    (void)owner;
    const struct dg_yaml_node *item = first_of_list(reader, node, "listeners", "a listener");
    for (; item; item = item->next) {
        if (reader->config->listener_count == DG_CONFIG_LISTENERS_MAX) {
            COMPLAIN(reader, item, "listeners: expected at most %d", DG_CONFIG_LISTENERS_MAX);
            return;
        }
        read_listener(reader, item);
    }
}

static void read_root(struct reader *reader, const struct dg_yaml_node *root)
{
    static const struct special specials[] = {{"listeners", read_listeners}};
    const struct block block = {.what = "the top of the file", .table = &dg_options_table_process,
                                .options = &reader->config->process, .places = reader->config->places,
                                .specials = specials, .special_count = 1, .others = &dg_options_table_listener,
                                .where = "into a block under listeners:"};
    read_block(reader, root, &block);
}

static void find_folder(struct reader *reader, const char *path)
{
    char name[PATH_MAX], resolved[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    snprintf(reader->folder, sizeof reader->folder, "%s", realpath(name, resolved) ? resolved : ".");
}

static void read_text(struct reader *reader, const struct dg_file *file)
{
    char error[256];
    struct dg_config_place place = {1, 1};
    struct dg_yaml_node *root = dg_yaml_read(file->data, file->size_bytes, &place, error, sizeof error);
    if (!root) {
        dg_config_complain(reader->errors, reader->config->path, place, "%s", error);
        return;
    }
    read_root(reader, root);
    dg_yaml_free(root);
    dg_config_settle(reader->config);
    dg_config_check(reader->config, reader->errors);
}

struct dg_config *dg_config_inspect(const char *path, struct dg_config_errors *errors)
{
    char error[256];
    struct dg_file file;
    memset(errors, 0, sizeof *errors);
    if (dg_looks_secret(path)) {
        dg_config_complain_secret(errors, "", (struct dg_config_place){0}, "found what looks like a key itself, which is not "
                                  "repeated here; expected the name of the configuration file");
        return NULL;
    }
    if (strlen(path) >= DG_OPTION_TEXT || !dg_file_read(path, "configuration", false, FILE_SIZE_MAX, &file, error,
                                                        sizeof error)) {
        dg_config_complain(errors, "", (struct dg_config_place){0}, "%s",
                           strlen(path) >= DG_OPTION_TEXT ? "the configuration file's name is too long" : error);
        return NULL;
    }
    struct reader *reader = calloc(1, sizeof *reader);
    struct dg_config *config = reader ? dg_config_new(path) : NULL;
    if (config) {
        reader->config = config;
        reader->errors = errors;
        find_folder(reader, path);
        read_text(reader, &file);
    } else {
        dg_config_complain(errors, "", (struct dg_config_place){0}, "memory is short for a configuration");
    }
    free(reader);
    dg_file_clear(&file);
    return config;
}

struct dg_config *dg_config_load(const char *path, struct dg_config_errors *errors)
{
    struct dg_config *config = dg_config_inspect(path, errors);
    if (errors->count == 0)
        return config;
    dg_config_free(config);
    return NULL;
}
