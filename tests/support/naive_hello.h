// SPDX-License-Identifier: GPL-3.0-or-later
// The plain oracle beside dg_hello_parse, for tests and fuzzers. Says only yes or no.
#ifndef DG_TESTS_NAIVE_HELLO_H
#define DG_TESTS_NAIVE_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// d: the whole ClientHello without its handshake header.
bool naive_hello_accepts(const uint8_t *d, size_t size);

#endif
