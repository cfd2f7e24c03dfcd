// SPDX-License-Identifier: GPL-3.0-or-later
// The writer. Bytes that are not printable ASCII are escaped one by one, so that the document is valid whatever they
// are.
#include "base/json.h"

#include "base/log.h"

static void begin_line(const struct dg_json *json)
{
    if (!json->is_line)
        fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
}

static void begin(struct dg_json *json, const char *name)
{
    if (json->has_members)
        fputc(',', json->out);
    if (json->depth > 0)
        begin_line(json);
    if (name)
        fprintf(json->out, json->is_line ? "\"%s\":" : "\"%s\": ", name);
    json->has_members = true;
}

static void open_with(struct dg_json *json, const char *name, char bracket)
{
    begin(json, name);
    fputc(bracket, json->out);
    json->depth++;
    json->has_members = false;
}

static void close_with(struct dg_json *json, char bracket)
{
    json->depth--;
    if (json->has_members)
        begin_line(json);
    fputc(bracket, json->out);
    if (json->depth == 0)
        fputc('\n', json->out);
    json->has_members = true;
}

void dg_json_open_object(struct dg_json *json, const char *name)
{
    open_with(json, name, '{');
}

void dg_json_close_object(struct dg_json *json)
{
    close_with(json, '}');
}

void dg_json_open_array(struct dg_json *json, const char *name)
{
    open_with(json, name, '[');
}

void dg_json_close_array(struct dg_json *json)
{
    close_with(json, ']');
}

void dg_json_number(struct dg_json *json, const char *name, uint64_t value)
{
    begin(json, name);
    fprintf(json->out, "%llu", (unsigned long long)value);
}

void dg_json_decimal(struct dg_json *json, const char *name, double value)
{
    begin(json, name);
    fprintf(json->out, "%.6f", value);
}

void dg_json_bool(struct dg_json *json, const char *name, bool value)
{
    begin(json, name);
    fputs(value ? "true" : "false", json->out);
}

void dg_json_text(struct dg_json *json, const char *name, const char *value)
{
    begin(json, name);
    if (!value) {
        fputs("null", json->out);
        return;
    }
    fputc('"', json->out);
    for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
        if (*at < 0x20 || *at > 0x7e || *at == '"' || *at == '\\')
            fprintf(json->out, "\\u%04x", *at);
        else
            fputc(*at, json->out);
    }
    fputc('"', json->out);
}

void dg_json_bytes(struct dg_json *json, const char *name, const void *value, size_t size_bytes)
{
    char text[4 * DG_JSON_BYTES_MAX + 1];
    dg_escape(text, sizeof text, value, size_bytes < DG_JSON_BYTES_MAX ? size_bytes : DG_JSON_BYTES_MAX);
    dg_json_text(json, name, text);
}
