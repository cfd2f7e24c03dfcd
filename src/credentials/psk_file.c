// SPDX-License-Identifier: GPL-3.0-or-later
// Parses pre-shared key files line by line, in place. Owns the rules for identities and keys (RFC 9257 6:
// at least 128 bits; no NUL in an identity, which wolfSSL could not tell from its prefix).
#include "credentials/psk_file.h"

#include "base/hex.h"
#include "base/log.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PSK_FILE_MAX (256u << 20) // bytes
#define SHOWN 64                  // escaped characters of an identity in a message

struct line_context {
    const char *path;
    unsigned line;
    char *error;
    size_t error_size;
};

static bool refuse(const struct line_context *at, const char *found)
{
    snprintf(at->error, at->error_size, "%s:%u: %s", at->path, at->line, found);
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

static size_t place_of(const struct dg_psk_table *table, struct dg_bytes identity)
{
    return dg_hash(&table->hash_key, identity.data, identity.size) & (table->place_count - 1);
}

static bool same_identity(struct dg_bytes a, struct dg_bytes b)
{
    return a.size == b.size && dg_secret_equal(a.data, b.data, a.size);
}

const struct dg_psk *dg_psk_table_find(const struct dg_psk_table *table, struct dg_bytes identity)
{
    if (table->place_count == 0)
        return NULL;
    for (size_t at = place_of(table, identity);; at = (at + 1) & (table->place_count - 1)) {
        uint32_t item = table->places[at];
        if (item == 0)
            return NULL;
        if (same_identity(table->items[item - 1].identity, identity))
            return &table->items[item - 1];
    }
}

static bool grow_places(struct dg_psk_table *table)
{
    size_t wanted = table->place_count ? table->place_count * 2 : 64;
    uint32_t *places = calloc(wanted, sizeof *places);
    if (!places)
        return false;
    free(table->places);
    table->places = places;
    table->place_count = wanted;
    for (size_t i = 0; i < table->count; i++) {
        size_t at = place_of(table, table->items[i].identity);
        while (table->places[at])
            at = (at + 1) & (table->place_count - 1);
        table->places[at] = (uint32_t)i + 1;
    }
    return true;
}

static bool insert(struct dg_psk_table *table, const struct dg_psk *psk)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 32;
        struct dg_psk *items = realloc(table->items, capacity * sizeof *items);
        if (!items)
            return false;
        table->items = items;
        table->capacity = capacity;
    }
    if (2 * (table->count + 1) > table->place_count && !grow_places(table))
        return false;
    table->items[table->count++] = *psk;
    size_t at = place_of(table, psk->identity);
    while (table->places[at])
        at = (at + 1) & (table->place_count - 1);
    table->places[at] = (uint32_t)table->count;
    return true;
}

static bool check_identity(const struct line_context *at, struct dg_bytes identity)
{
    if (identity.size == 0)
        return refuse(at, "the identity before the colon is empty; expected \"identity:hex key\"");
    if (identity.size > DG_IDENTITY_MAX)
        return refuse(at, "the identity is longer than 255 bytes");
    if (memchr(identity.data, 0, identity.size))
        return refuse(at, "the identity holds a NUL byte, which the TLS library cannot tell from the end of the "
                          "identity; choose another");
    return true;
}

static bool check_key(const struct line_context *at, const char *key, size_t size)
{
    if (!is_hex(key, size))
        return refuse(at, "the key behind the last colon is not an even number of hex digits; expected "
                          "\"identity:hex key\"; do: psktool -u IDENTITY -p FILE");
    if (size / 2 < DG_PSK_KEY_MIN)
        return refuse(at, "the key has fewer than 128 bits; expected 32 to 128 hex digits (RFC 9257 6)");
    if (size / 2 > DG_PSK_KEY_MAX)
        return refuse(at, "the key has more than 512 bits; expected 32 to 128 hex digits");
    return true;
}

static bool load_line(struct dg_psk_table *table, const struct line_context *at, char *line, size_t size)
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
    char *key = colon + 1;
    size_t key_size = (size_t)(line + size - key);
    if (!check_key(at, key, key_size))
        return false;
    if (is_hex_identity)
        identity_size = hex_decode_in_place(identity, identity_size);
    struct dg_psk psk = {
        .identity = {(const uint8_t *)identity, identity_size},
        .key = {(const uint8_t *)key, hex_decode_in_place(key, key_size)},
        .line = at->line,
    };
    if (!check_identity(at, psk.identity))
        return false;
    const struct dg_psk *earlier = dg_psk_table_find(table, psk.identity);
    if (earlier) {
        char shown[SHOWN + 1], found[160];
        dg_escape(shown, sizeof shown, psk.identity.data, psk.identity.size);
        snprintf(found, sizeof found, "identity %s stands already in line %u; expected each identity once", shown,
                 earlier->line);
        return refuse(at, found);
    }
    return insert(table, &psk) || refuse(at, "no memory for another key");
}

static bool load_lines(struct dg_psk_table *table, const char *path, char *error, size_t error_size)
{
    struct line_context at = {.path = path, .error = error, .error_size = error_size};
    char *line = table->file.data;
    char *end = table->file.data + table->file.size_bytes;
    while (line < end) {
        at.line++;
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop)
            stop = end;
        if (!load_line(table, &at, line, (size_t)(stop - line)))
            return false;
        line = stop + 1;
    }
    if (table->count > 0)
        return true;
    snprintf(error, error_size, "%s: holds no key; expected at least one line \"identity:hex key\"", path);
    return false;
}

bool dg_psk_table_load(struct dg_psk_table *table, const char *path, char *error, size_t error_size)
{
    *table = (struct dg_psk_table){.hash_key = dg_hash_key_new()};
    if (!dg_file_read(path, "pre-shared keys", true, PSK_FILE_MAX, &table->file, error, error_size))
        return false;
    if (load_lines(table, path, error, error_size))
        return true;
    dg_psk_table_clear(table);
    return false;
}

void dg_psk_table_clear(struct dg_psk_table *table)
{
    dg_file_clear(&table->file);
    free(table->items);
    free(table->places);
    *table = (struct dg_psk_table){0};
}
