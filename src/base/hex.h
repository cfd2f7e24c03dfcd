// SPDX-License-Identifier: GPL-3.0-or-later
// A hexadecimal digit's value. Never reads a string.
#ifndef DG_BASE_HEX_H
#define DG_BASE_HEX_H

// -1: not a digit.
static inline int dg_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

#endif
