// SPDX-License-Identifier: GPL-3.0-or-later
// A second reading of ClientHellos: indexes and lengths, no reader. Shares nothing with the parser that it judges.
#include "support/naive_hello.h"

#include <string.h>

static size_t number(const uint8_t *data, size_t at, size_t width)
{
    size_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value = value * 256 + data[at + i];
    }
    return value;
}

// Steps over a block behind a length of `width` bytes; SIZE_MAX: it does not fit before end.
static size_t step(const uint8_t *data, size_t at, size_t end, size_t width)
{
    if (at == SIZE_MAX || at > end || end - at < width) {
        return SIZE_MAX;
    }
    size_t length = number(data, at, width);
    return length <= end - at - width ? at + width + length : SIZE_MAX;
}

static bool naive_psk(const uint8_t *d, size_t at, size_t end)
{
    size_t identities_end = step(d, at, end, 2);
    size_t binders_end = step(d, identities_end, end, 2);
    if (binders_end != end) {
        return false;
    }
    size_t identities = 0, binders = 0;
    for (size_t p = at + 2; p < identities_end; identities++) {
        size_t next = step(d, p, identities_end, 2);
        if (next == SIZE_MAX || next == p + 2 || identities_end - next < 4) {
            return false;
        }
        p = next + 4;
    }
    for (size_t p = identities_end + 2; p < binders_end; binders++) {
        size_t next = step(d, p, binders_end, 1);
        if (next == SIZE_MAX || next - p < 33) {
            return false;
        }
        p = next;
    }
    return identities == binders && identities >= 1 && identities <= 8;
}

static bool naive_key_share(const uint8_t *d, size_t at, size_t end)
{
    if (step(d, at, end, 2) != end) {
        return false;
    }
    for (size_t p = at + 2; p < end;) {
        if (end - p < 2) {
            return false;
        }
        size_t next = step(d, p + 2, end, 2);
        if (next == SIZE_MAX || next == p + 4) {
            return false;
        }
        p = next;
    }
    return true;
}

bool naive_hello_accepts(const uint8_t *d, size_t size)
{
    if (size < 34 || number(d, 0, 2) != 0xfefd) {
        return false;
    }
    size_t session = 34, cookie = step(d, session, size, 1), suites = step(d, cookie, size, 1);
    size_t compression = step(d, suites, size, 2), extensions = step(d, compression, size, 1);
    if (extensions == SIZE_MAX || d[session] > 32 || number(d, suites, 2) < 2 || number(d, suites, 2) % 2 != 0) {
        return false;
    }
    bool has_null = false, offers_12 = true, offers_13 = false;
    for (size_t p = compression + 1; p < extensions; p++) {
        has_null |= d[p] == 0;
    }
    if (!has_null) {
        return false;
    }
    if (extensions == size) {
        return true;
    }
    if (step(d, extensions, size, 2) != size) {
        return false;
    }
    static uint8_t seen[65536];
    memset(seen, 0, sizeof seen);
    size_t count = 0;
    for (size_t p = extensions + 2; p < size;) {
        if (size - p < 4) {
            return false;
        }
        size_t type = number(d, p, 2), at = p + 4, end = step(d, p + 2, size, 2);
        if (end == SIZE_MAX || seen[type]++ != 0 || ++count > 64) {
            return false;
        }
        if (type == 43) {
            if (step(d, at, end, 1) != end || d[at] == 0 || d[at] % 2 != 0) {
                return false;
            }
            offers_12 = false;
            for (size_t v = at + 1; v < end; v += 2) {
                offers_12 |= number(d, v, 2) == 0xfefd;
                offers_13 |= number(d, v, 2) == 0xfefc;
            }
        }
        if (type == 44 && (step(d, at, end, 2) != end || end == at + 2)) {
            return false;
        }
        if (type == 54 && (step(d, at, end, 1) != end || d[at] > 64)) {
            return false;
        }
        if ((type == 61 && end != at) || (type == 51 && !naive_key_share(d, at, end))) {
            return false;
        }
        if (type == 41 && (end != size || !naive_psk(d, at, end))) {
            return false;
        }
        p = end;
    }
    if (offers_13 && d[compression] != 1) {
        return false;
    }
    return offers_12 || offers_13;
}
