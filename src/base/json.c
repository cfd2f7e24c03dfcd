// SPDX-License-Identifier: GPL-3.0-or-later
// The writer. What is not printable ASCII is escaped: characters of UTF-8 as what they are, any other byte as the character
// of its number, so that the document is valid whatever they are.
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

// A character of UTF-8 (RFC 3629 4); a byte that begins none stands for itself.
static uint32_t next_character(const unsigned char **text)
{
    static const uint32_t SMALLEST[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = *text;
    size_t size = at[0] < 0xc2 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 1;
    uint32_t value = size == 1 ? at[0] : at[0] & (0x7fu >> size);
    *text += 1;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return at[0];
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < SMALLEST[size > 1 ? size : 0] || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff)
        return at[0];
    *text += size - 1;
    return value;
}

static void write_character(FILE *out, uint32_t value)
{
    if (value >= 0x20 && value <= 0x7e && value != '"' && value != '\\')
        fputc((int)value, out);
    else if (value < 0x10000)
        fprintf(out, "\\u%04x", value);
    else // RFC 8259 7: a pair of surrogates
        fprintf(out, "\\u%04x\\u%04x", 0xd7c0u + (value >> 10), 0xdc00u | (value & 0x3ff));
}

void dg_json_text(struct dg_json *json, const char *name, const char *value)
{
    begin(json, name);
    if (!value) {
        fputs("null", json->out);
        return;
    }
    fputc('"', json->out);
    for (const unsigned char *at = (const unsigned char *)value; *at;)
        write_character(json->out, next_character(&at));
    fputc('"', json->out);
}

void dg_json_bytes(struct dg_json *json, const char *name, const void *value, size_t size_bytes)
{
    char text[4 * DG_JSON_BYTES_MAX + 1];
    dg_escape(text, sizeof text, value, size_bytes < DG_JSON_BYTES_MAX ? size_bytes : DG_JSON_BYTES_MAX);
    dg_json_text(json, name, text);
}
