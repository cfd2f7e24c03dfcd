// SPDX-License-Identifier: GPL-3.0-or-later
// Line by line, every length checked. Copies what fits and is in order, or nothing.
#include "keeper/notice.h"

#include <string.h>

struct line {
    const char *text;
    size_t size;
};

static bool is(struct line line, const char *word)
{
    return line.size == strlen(word) && strncmp(line.text, word, line.size) == 0;
}

static bool begins(struct line line, const char *word, struct line *ret_rest)
{
    size_t size = strlen(word);
    if (line.size < size || strncmp(line.text, word, size) != 0)
        return false;
    *ret_rest = (struct line){line.text + size, line.size - size};
    return true;
}

// Letters, digits and '-': neither ':' (which separates names) nor anything that could be a second line.
static bool is_name(struct line name)
{
    if (name.size == 0 || name.size >= DG_INHERITED_NAME)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

// Microseconds, at most a year. False: that is no such number.
static bool take_time(struct line number, dg_time *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < number.size; i++) {
        if (number.text[i] < '0' || number.text[i] > '9' || value > UINT64_C(31536000000000) / 10)
            return false;
        value = value * 10 + (uint64_t)(number.text[i] - '0');
    }
    *ret = value * (DG_MILLISECOND / 1000);
    return number.size > 0;
}

static void take_line(struct dg_notice *notice, struct line line)
{
    struct line rest;
    if (is(line, "READY=1")) {
        notice->is_ready = true;
    } else if (is(line, "WATCHDOG=1")) {
        notice->is_alive = true;
    } else if (begins(line, "WATCHDOG_USEC=", &rest)) {
        notice->is_watched = take_time(rest, &notice->watchdog);
    } else if (is(line, "STOPPING=1")) {
        notice->is_stopping = true;
    } else if (is(line, "X_DTLSGATE_PREPARED=1")) {
        notice->is_prepared = true;
    } else if (is(line, "FDSTORE=1")) {
        notice->stores = true;
    } else if (is(line, "FDSTOREREMOVE=1")) {
        notice->forgets = true;
    } else if (begins(line, "FDNAME=", &rest) && is_name(rest)) {
        memcpy(notice->name, rest.text, rest.size);
        notice->name[rest.size] = '\0';
    } else if (begins(line, "STATUS=", &rest)) {
        size_t size = rest.size < sizeof notice->status ? rest.size : sizeof notice->status - 1;
        memcpy(notice->status, rest.text, size);
        notice->status[size] = '\0';
    }
}

void dg_notice_parse(struct dg_notice *ret, const char *text, size_t size)
{
    *ret = (struct dg_notice){0};
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end ? (size_t)(end - text) : size;
        take_line(ret, (struct line){text, length});
        size_t step = end ? length + 1 : length;
        text += step;
        size -= step;
    }
}
