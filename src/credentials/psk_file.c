// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes pre-shared keys as text, line by line. Owns the rules for identities and keys (RFC 9257 6:
// at least 128 bits; no NUL in an identity, which wolfSSL could not tell from its prefix).
#include "credentials/psk_file.h"

#include "base/hex.h"
#include "base/log.h"
#include "base/secret.h"
#include "credentials/psk_table.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 64 // escaped characters of an identity in a message
#define WHY 200  // bytes of what is wrong with a line

struct line_context {
    const char *name; // of the file
    unsigned line;
    dg_psk_take *take;
    void *context;
    size_t count; // taken
    char *error;
    size_t error_size;
};

static bool refuse(const struct line_context *at, const char *found)
{
    snprintf(at->error, at->error_size, "%s:%u: %s", at->name, at->line, found);
    return false;
}

static bool is_hex(const char *text, size_t size)
{
    if (size == 0 || size % 2 != 0)
        return false;
    for (size_t i = 0; i < size; i++)
        if (dg_hex_digit(text[i]) < 0)
            return false;
    return true;
}

// Decodes over itself: two digits become one byte.
static size_t hex_decode_in_place(char *text, size_t size)
{
    for (size_t i = 0; i < size / 2; i++)
        text[i] = (char)(dg_hex_digit(text[2 * i]) << 4 | dg_hex_digit(text[2 * i + 1]));
    dg_wipe(text + size / 2, size - size / 2);
    return size / 2;
}

const char *dg_psk_identity_wrong(struct dg_bytes identity)
{
    if (identity.size == 0)
        return "the identity before the colon is empty; expected \"identity:hex key\"";
    if (identity.size > DG_IDENTITY_MAX)
        return "the identity is longer than 255 bytes";
    if (memchr(identity.data, 0, identity.size))
        return "the identity holds a NUL byte, which the TLS library cannot tell from the end of the identity; choose "
               "another";
    return NULL;
}

const char *dg_psk_key_wrong(size_t key_size)
{
    if (key_size < DG_PSK_KEY_MIN)
        return "the key has fewer than 128 bits; expected 32 to 128 hex digits (RFC 9257 6)";
    if (key_size > DG_PSK_KEY_MAX)
        return "the key has more than 512 bits; expected 32 to 128 hex digits";
    return NULL;
}

bool dg_psk_key_decode(char *text, size_t size, struct dg_bytes *ret)
{
    if (!is_hex(text, size))
        return false;
    *ret = (struct dg_bytes){(const uint8_t *)text, hex_decode_in_place(text, size)};
    return true;
}

static bool read_line(struct line_context *at, char *line, size_t size)
{
    while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    if (size == 0)
        return true;
    char *colon = memrchr(line, ':', size);
    bool is_hex_identity = line[0] == '#' && colon && is_hex(line + 1, (size_t)(colon - line - 1));
    if (line[0] == '#' && !is_hex_identity)
        return true;
    if (!colon)
        return refuse(at, "no colon found; expected \"identity:hex key\"");
    char *identity = is_hex_identity ? line + 1 : line;
    size_t identity_size = (size_t)(colon - identity);
    if (is_hex_identity)
        identity_size = hex_decode_in_place(identity, identity_size);
    struct dg_psk psk = {.identity = {(const uint8_t *)identity, identity_size}, .line = at->line};
    if (!dg_psk_key_decode(colon + 1, (size_t)(line + size - colon - 1), &psk.key))
        return refuse(at, "the key behind the last colon is not an even number of hex digits; expected "
                          "\"identity:hex key\"; do: psktool -u IDENTITY -p FILE");
    const char *wrong = dg_psk_key_wrong(psk.key.size);
    if (!wrong)
        wrong = dg_psk_identity_wrong(psk.identity);
    if (wrong)
        return refuse(at, wrong);
    char why[WHY];
    at->count++;
    return at->take(at->context, &psk, why, sizeof why) || refuse(at, why);
}

bool dg_psk_text_read(struct dg_file *file, const char *name, dg_psk_take *take, void *context, char *error,
                      size_t error_size)
{
    struct line_context at = {
        .name = name, .take = take, .context = context, .error = error, .error_size = error_size};
    char *line = file->data;
    char *end = file->data + file->size_bytes;
    while (line < end) {
        at.line++;
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop)
            stop = end;
        if (!read_line(&at, line, (size_t)(stop - line)))
            return false;
        line = stop + 1;
    }
    if (at.count > 0)
        return true;
    snprintf(error, error_size, "%s: holds no key; expected at least one line \"identity:hex key\"", name);
    return false;
}

static bool take_into_table(void *context, const struct dg_psk *psk, char *why, size_t why_size)
{
    struct dg_psk_table *table = context;
    enum dg_psk_added added = dg_psk_table_add(table, psk);
    if (added == DG_PSK_ADDED || added == DG_PSK_ADDED_NEXT)
        return true;
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    size_t count = dg_psk_table_find(table, psk->identity, keys);
    DG_BUG_UNLESS(count > 0);
    char shown[SHOWN + 1];
    dg_escape(shown, sizeof shown, psk->identity.data, psk->identity.size);
    if (added == DG_PSK_SAME_KEY)
        snprintf(why, why_size, "identity %s stands already in line %u, with the same key; expected another key, or one line",
                 shown, keys[0].line);
    else
        snprintf(why, why_size, "identity %s stands already in lines %u and %u; expected at most two keys of an identity",
                 shown, keys[0].line, keys[count - 1].line);
    return false;
}

static size_t count_lines(const struct dg_file *file)
{
    size_t lines = 1;
    const char *end = file->data + file->size_bytes;
    for (const char *at = file->data; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        lines++;
    return lines;
}

bool dg_psk_file_load(struct dg_psk_table *table, const char *path, char *error, size_t error_size)
{
    struct dg_file file;
    if (!dg_file_read(path, "pre-shared keys", true, DG_PSK_FILE_MAX, &file, error, error_size))
        return false;
    // A line is never shorter than its entry: a key of 16 bytes or more saves what the entry's head and alignment add.
    size_t lines = count_lines(&file);
    bool done = dg_psk_table_reserve(table, lines, file.size_bytes + 4);
    if (done)
        done = dg_psk_text_read(&file, path, take_into_table, table, error, error_size);
    else
        snprintf(error, error_size, "%s: no memory for the keys of %zu lines", path, lines);
    dg_file_clear(&file);
    return done;
}

static size_t write_hex(char *out, struct dg_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        out[2 * i] = digits[bytes.data[i] >> 4];
        out[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    return 2 * bytes.size;
}

// Printable ASCII as it is. psktool reads a colon and a leading '#' otherwise than as a part of the identity.
static bool is_plain(struct dg_bytes identity)
{
    for (size_t i = 0; i < identity.size; i++)
        if (identity.data[i] <= ' ' || identity.data[i] > '~' || identity.data[i] == ':')
            return false;
    return identity.data[0] != '#';
}

size_t dg_psk_line_write(const struct dg_psk *psk, char line[DG_PSK_LINE_MAX])
{
    size_t at = 0;
    if (is_plain(psk->identity)) {
        memcpy(line, psk->identity.data, psk->identity.size);
        at = psk->identity.size;
    } else {
        line[at++] = '#';
        at += write_hex(line + at, psk->identity);
    }
    line[at++] = ':';
    at += write_hex(line + at, psk->key);
    line[at] = '\0';
    return at;
}
