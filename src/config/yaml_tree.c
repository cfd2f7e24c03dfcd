// SPDX-License-Identifier: GPL-3.0-or-later
// Builds the tree from libyaml's events: the only file that includes its header. Events, because the library's own tree
// has forgotten which node was an alias. Never opens a file.
#include "config/yaml_tree.h"

#include "base/looks_secret.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct building {
    yaml_parser_t parser;
    const uint8_t *data;
    size_t nodes;
    struct dg_config_place *place;
    char *error;
    size_t error_size;
};

const char *dg_yaml_kind_name(enum dg_yaml_kind kind)
{
    return kind == DG_YAML_SCALAR ? "a value" : kind == DG_YAML_SEQUENCE ? "a list" : "a block of keys";
}

static struct dg_config_place place_of(const yaml_mark_t *mark)
{
    return (struct dg_config_place){(uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

static struct dg_yaml_node *refuse(struct building *building, struct dg_config_place place, const char *why)
{
    *building->place = place;
    snprintf(building->error, building->error_size, "%s", why);
    return NULL;
}

static struct dg_config_place place_of_offset(const struct building *building, size_t offset)
{
    struct dg_config_place place = {1, 1};
    for (size_t i = 0; i < offset; i++) {
        place.column = building->data[i] == '\n' ? 1 : place.column + 1;
        place.line += building->data[i] == '\n';
    }
    return place;
}

static void explain(struct building *building)
{
    const yaml_parser_t *parser = &building->parser;
    char why[256];
    snprintf(why, sizeof why, "this is not YAML: %s%s%s", parser->problem ? parser->problem : "memory is short",
             parser->context ? " " : "", parser->context ? parser->context : "");
    bool has_mark = parser->error == YAML_SCANNER_ERROR || parser->error == YAML_PARSER_ERROR;
    (void)refuse(building, has_mark ? place_of(&parser->problem_mark)
                                    : place_of_offset(building, parser->problem_offset), why);
}

static bool next_event(struct building *building, yaml_event_t *event)
{
    if (yaml_parser_parse(&building->parser, event))
        return true;
    explain(building);
    return false;
}

static struct dg_yaml_node *new_node(struct building *building, const yaml_event_t *event, enum dg_yaml_kind kind,
                                     const uint8_t *text, size_t size)
{
    struct dg_config_place place = place_of(&event->start_mark);
    if (++building->nodes > DG_YAML_NODES_MAX)
        return refuse(building, place, "the file says too much: expected at most 65536 keys and values");
    struct dg_yaml_node *node = calloc(1, sizeof *node + size + 1);
    if (!node)
        return refuse(building, place, "memory is short");
    node->kind = kind;
    node->place = place;
    if (size > 0)
        memcpy(node->text, text, size);
    return node;
}

static struct dg_yaml_node *build_scalar(struct building *building, const yaml_event_t *event)
{
    const struct dg_config_place place = place_of(&event->start_mark);
    const uint8_t *text = event->data.scalar.value;
    size_t size = event->data.scalar.length;
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return refuse(building, place, "found an anchor or a tag (& or !), expected a plain value");
    // A key of several lines is built: whoever reads the tree tells it for what it is.
    if (dg_option_holds_control(text, size) && !dg_looks_secret((const char *)text))
        return refuse(building, place, "found a value with a line break or another control character");
    struct dg_yaml_node *node = new_node(building, event, DG_YAML_SCALAR, text, size);
    if (node)
        node->is_nothing = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                           (size == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
    return node;
}

static struct dg_yaml_node *build(struct building *building, yaml_event_t *event, unsigned depth);

// What stands between the start of a list or block and its end.
static bool build_children(struct building *building, struct dg_yaml_node *parent, yaml_event_type_t end, unsigned depth)
{
    struct dg_yaml_node **last = &parent->first;
    for (;;) {
        yaml_event_t event;
        if (!next_event(building, &event))
            return false;
        bool is_end = event.type == end;
        *last = is_end ? NULL : build(building, &event, depth + 1);
        yaml_event_delete(&event);
        if (is_end)
            return true;
        if (!*last)
            return false;
        last = &(*last)->next;
    }
}

static struct dg_yaml_node *build_collection(struct building *building, const yaml_event_t *event, unsigned depth)
{
    bool is_mapping = event->type == YAML_MAPPING_START_EVENT;
    const struct dg_config_place place = place_of(&event->start_mark);
    bool is_marked = is_mapping ? event->data.mapping_start.anchor || event->data.mapping_start.tag
                                : event->data.sequence_start.anchor || event->data.sequence_start.tag;
    if (is_marked)
        return refuse(building, place, "found an anchor or a tag (& or !), expected a plain list or block");
    if (depth >= DG_YAML_DEPTH_MAX)
        return refuse(building, place, "found lists or blocks within each other too often; nothing here is that deep");
    struct dg_yaml_node *node = new_node(building, event, is_mapping ? DG_YAML_MAPPING : DG_YAML_SEQUENCE, NULL, 0);
    if (!node || build_children(building, node, is_mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth))
        return node;
    dg_yaml_free(node);
    return NULL;
}

static struct dg_yaml_node *build(struct building *building, yaml_event_t *event, unsigned depth)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return build_scalar(building, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return build_collection(building, event, depth);
    case YAML_ALIAS_EVENT:
        return refuse(building, place_of(&event->start_mark), "found an alias (*), expected the value itself");
    default:
        return refuse(building, place_of(&event->start_mark), "found nothing, expected keys and values");
    }
}

// False: the document does not end there. What follows it is refused.
static bool is_over(struct building *building)
{
    for (;;) {
        yaml_event_t event;
        if (!next_event(building, &event))
            return false;
        yaml_event_type_t type = event.type;
        struct dg_config_place place = place_of(&event.start_mark);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return true;
        if (type != YAML_DOCUMENT_END_EVENT) {
            (void)refuse(building, place, "found a second document, expected the end of the file");
            return false;
        }
    }
}

static struct dg_yaml_node *build_document(struct building *building)
{
    yaml_event_t event;
    do { // the stream's beginning, then the document's
        if (!next_event(building, &event))
            return NULL;
        if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT)
            break;
        yaml_event_delete(&event);
    } while (true);
    struct dg_yaml_node *root = build(building, &event, 0);
    yaml_event_delete(&event);
    if (!root || is_over(building))
        return root;
    dg_yaml_free(root);
    return NULL;
}

struct dg_yaml_node *dg_yaml_read(const void *data, size_t size, struct dg_config_place *ret_place, char *error,
                                  size_t error_size)
{
    struct building building = {.data = data, .place = ret_place, .error = error, .error_size = error_size};
    if (!yaml_parser_initialize(&building.parser))
        return refuse(&building, (struct dg_config_place){1, 1}, "memory is short");
    yaml_parser_set_encoding(&building.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&building.parser, data, size);
    struct dg_yaml_node *root = build_document(&building);
    yaml_parser_delete(&building.parser);
    return root;
}

void dg_yaml_free(struct dg_yaml_node *root)
{
    while (root) {
        struct dg_yaml_node *next = root->next;
        dg_yaml_free(root->first); // at most DG_YAML_DEPTH_MAX deep
        dg_wipe(root->text, strlen(root->text)); // a key may stand where none belongs
        free(root);
        root = next;
    }
}
