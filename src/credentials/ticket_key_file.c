// SPDX-License-Identifier: GPL-3.0-or-later
// Parses ticket key files line by line.
#include "credentials/ticket_key_file.h"

#include "base/hex.h"
#include "base/secret.h"

#include <stdio.h>
#include <string.h>

#define LINE_DIGITS (2 * DG_SHARED_TICKET_NAME + 1 + 2 * DG_SHARED_TICKET_KEY)

static bool read_hex(const char *text, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = dg_hex_digit(text[2 * i]), low = dg_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

// NULL: the line is a key, and stored.
static const char *read_line(struct dg_ticket_keys *keys, const char *line, size_t size)
{
    if (keys->count == DG_SHARED_TICKET_KEYS)
        return "more than 3 keys; keep the one that encrypts first, and before it is dropped the one before it";
    uint8_t *name = keys->name[keys->count], *key = keys->key[keys->count];
    if (size != LINE_DIGITS || line[2 * DG_SHARED_TICKET_NAME] != ':' || !read_hex(line, name, DG_SHARED_TICKET_NAME) ||
        !read_hex(line + 2 * DG_SHARED_TICKET_NAME + 1, key, DG_SHARED_TICKET_KEY))
        return "this is no ticket key; expected \"name:key\" in hexadecimal, 32 and 64 digits, as "
               "\"echo $(openssl rand -hex 16):$(openssl rand -hex 32)\" makes one";
    static const uint8_t zero[DG_SHARED_TICKET_KEY];
    if (dg_secret_equal(key, zero, sizeof zero))
        return "this key is all zero; make one with \"openssl rand -hex 32\"";
    for (size_t i = 0; i < keys->count; i++) {
        if (dg_secret_equal(keys->name[i], name, DG_SHARED_TICKET_NAME))
            return "the name of this key is there already; each has its own";
        if (dg_secret_equal(keys->key[i], key, DG_SHARED_TICKET_KEY))
            return "this key is there already; a new name needs a new key";
    }
    keys->count++;
    return NULL;
}

static bool refuse(struct dg_ticket_keys *keys, const char *path, unsigned number, const char *found, char *error,
                   size_t error_size)
{
    dg_wipe(keys, sizeof *keys);
    if (number > 0)
        snprintf(error, error_size, "%s:%u: %s", path, number, found);
    else
        snprintf(error, error_size, "%s: %s", path, found);
    return false;
}

bool dg_ticket_keys_parse(struct dg_ticket_keys *keys, const char *text, size_t size, const char *path, char *error,
                          size_t error_size)
{
    const char *end = text + size;
    unsigned number = 0;
    keys->count = 0;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line = text;
        size_t length = (size_t)((newline ? newline : end) - text);
        text = newline ? newline + 1 : end;
        number++;
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\r' || line[length - 1] == '\t'))
            length--;
        if (length == 0 || line[0] == '#')
            continue;
        const char *problem = read_line(keys, line, length);
        if (problem)
            return refuse(keys, path, number, problem, error, error_size);
    }
    return keys->count > 0 || refuse(keys, path, 0, "holds no ticket key; expected 1 to 3 lines \"name:key\"", error, error_size);
}
