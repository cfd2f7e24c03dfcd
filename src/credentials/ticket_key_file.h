// SPDX-License-Identifier: GPL-3.0-or-later
// Ticket keys that several servers share, from a file. Never makes a key, never uses one.
#ifndef DG_CREDENTIALS_TICKET_KEY_FILE_H
#define DG_CREDENTIALS_TICKET_KEY_FILE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_SHARED_TICKET_NAME 16 // bytes
#define DG_SHARED_TICKET_KEY 32
#define DG_SHARED_TICKET_KEYS 3

struct dg_ticket_keys {
    size_t count; // 0: there is no file
    uint8_t name[DG_SHARED_TICKET_KEYS][DG_SHARED_TICKET_NAME];
    uint8_t key[DG_SHARED_TICKET_KEYS][DG_SHARED_TICKET_KEY]; // secret; the first encrypts
};

// One key a line, "name:key" in hexadecimal, 32 and 64 digits; lines that begin with '#', and empty ones, are passed
// over. False: error names path, line and what is wrong, never a key; keys is then wiped.
DG_MUST_USE bool dg_ticket_keys_parse(struct dg_ticket_keys *keys, const char *text, size_t size, const char *path,
                                      char *error, size_t error_size);

#endif
