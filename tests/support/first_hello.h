// SPDX-License-Identifier: GPL-3.0-or-later
// The first hello that an honest client sends, for floods that repeat it with another random each time.
#ifndef DG_TESTS_FIRST_HELLO_H
#define DG_TESTS_FIRST_HELLO_H

#include <stddef.h>
#include <stdint.h>

// Record header (13), handshake header (12), version (2): RFC 6347 4.2.2.
#define FIRST_HELLO_RANDOM_AT 27
#define FIRST_HELLO_RANDOM 32

// wolfSSL's for a client with a pre-shared key; version 12 or 13, the latter without a key share. Returns its size.
// Aborts when none comes about or it is longer than capacity.
size_t first_hello(int version, uint8_t *hello, size_t capacity);

#endif
