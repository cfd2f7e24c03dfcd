// SPDX-License-Identifier: GPL-3.0-or-later
// Parses fingerprint files line by line. They hold no secret: whoever shows such a certificate must still prove that it
// has the key.
#include "credentials/fingerprint_file.h"

#include "base/hex.h"
#include "base/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct line {
    const char *at, *end;
};

static size_t left(const struct line *line) { return (size_t)(line->end - line->at); }

static bool skip(struct line *line, const char *prefix)
{
    size_t size = strlen(prefix);
    if (left(line) < size || strncasecmp(line->at, prefix, size) != 0)
        return false;
    line->at += size;
    return true;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static bool read_digits(struct line *line, uint8_t out[DG_FINGERPRINT])
{
    for (size_t i = 0; i < DG_FINGERPRINT; i++) {
        if (i > 0 && left(line) > 0 && *line->at == ':')
            line->at++;
        if (left(line) < 2)
            return false;
        int high = dg_hex_digit(line->at[0]), low = dg_hex_digit(line->at[1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        line->at += 2;
    }
    return left(line) == 0 || is_blank(*line->at);
}

static bool grow(struct dg_fingerprints *fingerprints, size_t *capacity)
{
    if (fingerprints->count < *capacity)
        return true;
    size_t wanted = *capacity > 0 ? *capacity * 2 : 64;
    void *items = realloc(fingerprints->items, wanted * sizeof *fingerprints->items);
    if (!items)
        return false;
    fingerprints->items = items;
    *capacity = wanted;
    return true;
}

static bool refuse(const char *path, unsigned number, const char *found, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s:%u: %s", path, number, found);
    return false;
}

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, DG_FINGERPRINT); }

bool dg_fingerprints_parse(struct dg_fingerprints *fingerprints, const char *text, size_t size, const char *path,
                           char *error, size_t error_size)
{
    const char *end = text + size;
    size_t capacity = 0;
    unsigned number = 0;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct line line = {text, newline ? newline : end};
        text = newline ? newline + 1 : end;
        number++;
        while (left(&line) > 0 && is_blank(*line.at))
            line.at++;
        if (left(&line) == 0 || *line.at == '#')
            continue;
        if (fingerprints->count == DG_FINGERPRINTS_MAX)
            return refuse(path, number, "more than 65536 fingerprints; use a CA for so many clients", error, error_size);
        if (!grow(fingerprints, &capacity))
            return refuse(path, number, "out of memory", error, error_size);
        if (!skip(&line, "sha256 Fingerprint="))
            (void)skip(&line, "sha256:");
        if (!read_digits(&line, fingerprints->items[fingerprints->count]))
            return refuse(path, number,
                          "this is no fingerprint; expected 64 hexadecimal digits, as \"openssl x509 -in client.pem "
                          "-noout -fingerprint -sha256\" prints them, then a space before a comment",
                          error, error_size);
        fingerprints->count++;
    }
    if (fingerprints->count == 0) {
        snprintf(error, error_size, "%s: holds no fingerprint; expected one a line", path);
        return false;
    }
    qsort(fingerprints->items, fingerprints->count, sizeof *fingerprints->items, by_bytes);
    return true;
}

void dg_fingerprints_clear(struct dg_fingerprints *fingerprints)
{
    free(fingerprints->items);
    memset(fingerprints, 0, sizeof *fingerprints);
}

bool dg_fingerprints_hold(const struct dg_fingerprints *fingerprints, const uint8_t fingerprint[DG_FINGERPRINT])
{
    return fingerprints->count > 0 && bsearch(fingerprint, fingerprints->items, fingerprints->count,
                                              sizeof *fingerprints->items, by_bytes) != NULL;
}

bool dg_fingerprints_begin(const struct dg_fingerprints *fingerprints, uint64_t first)
{
    size_t low = 0, high = fingerprints->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct dg_reader reader = dg_reader_of(fingerprints->items[middle], DG_FINGERPRINT);
        uint64_t found = dg_read_u64(&reader);
        if (found == first)
            return true;
        if (found < first)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
