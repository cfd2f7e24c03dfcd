// SPDX-License-Identifier: GPL-3.0-or-later
// Writes one JSON document (RFC 8259) to a stream, member by member. Knows commas and nesting, nothing else; what may
// be somebody else's words is escaped. Names are our own.
#ifndef DG_BASE_JSON_H
#define DG_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct dg_json {
    FILE *out;
    uint32_t depth;
    bool has_members; // at this depth
    bool is_line;     // the whole document on one line
};

// name: NULL for the document itself and inside of an array.
void dg_json_open_object(struct dg_json *json, const char *name);
void dg_json_close_object(struct dg_json *json);
void dg_json_open_array(struct dg_json *json, const char *name);
void dg_json_close_array(struct dg_json *json);
void dg_json_number(struct dg_json *json, const char *name, uint64_t value);
void dg_json_decimal(struct dg_json *json, const char *name, double value); // finite; six places
void dg_json_bool(struct dg_json *json, const char *name, bool value);
void dg_json_text(struct dg_json *json, const char *name, const char *value); // NULL becomes null
// What a client says about itself: escaped as in the log (dg_escape), so that it reads the same everywhere. Of more
// than DG_JSON_BYTES_MAX bytes, these.
#define DG_JSON_BYTES_MAX 1024
void dg_json_bytes(struct dg_json *json, const char *name, const void *value, size_t size_bytes);

#endif
