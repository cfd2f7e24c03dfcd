// SPDX-License-Identifier: GPL-3.0-or-later
// Lines of hexadecimal digits, read strictly: half a pair or a stranger's letter refuses the whole line.
#include "client/hex_line.h"

#include "base/hex.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool dg_hex_read(const char *line, size_t size, uint8_t *bytes, size_t capacity, size_t *ret_size)
{
    size_t count = 0;
    for (size_t i = 0; i < size;) {
        if (is_blank(line[i])) {
            i++;
            continue;
        }
        int high = dg_hex_digit(line[i]);
        int low = i + 1 < size ? dg_hex_digit(line[i + 1]) : -1;
        if (high < 0 || low < 0 || count == capacity)
            return false;
        bytes[count++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    *ret_size = count;
    return true;
}

void dg_hex_write(const uint8_t *bytes, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
}
