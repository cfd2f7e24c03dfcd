// SPDX-License-Identifier: GPL-3.0-or-later
// Where a server may be looked at over HTTP: a Unix socket, or an address of loopback. Never opens anything.
#ifndef DG_IO_LOCAL_ADDRESS_H
#define DG_IO_LOCAL_ADDRESS_H

#include "base/attributes.h"
#include "core/address.h"

#include <stdbool.h>
#include <stddef.h>

#define DG_LOCAL_PATH_MAX 108 // of a Unix socket, with its NUL

struct dg_local_address {
    const char *path;          // in the text that it was read from; NULL: a network's
    struct dg_address address;
};

// Reads "unix:PATH", where PATH begins with /, or "ADDR:PORT". False: error says what was found and what is expected, behind
// "--OPTION: ".
DG_MUST_USE bool dg_local_address_read(const char *option, const char *text, struct dg_local_address *ret, char *error,
                                       size_t error_size);

#endif
