// SPDX-License-Identifier: GPL-3.0-or-later
// Lines of hexadecimal digits and the bytes that they mean. Never reads a file.
#ifndef DG_CLIENT_HEX_LINE_H
#define DG_CLIENT_HEX_LINE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a line: pairs of digits, with blanks between pairs where there are any. False: something else stands
// there, half a pair, or more than capacity bytes.
DG_MUST_USE bool dg_hex_read(const char *line, size_t size, uint8_t *bytes, size_t capacity, size_t *ret_size);
// 2 * size digits, no NUL.
void dg_hex_write(const uint8_t *bytes, size_t size, char *text);

#endif
