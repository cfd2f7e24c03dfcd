// SPDX-License-Identifier: GPL-3.0-or-later
// From `HOST:PORT` to an address, or to all of a name's, once, at start. Never called while associations are served: looking up a
// name blocks.
#ifndef DG_IO_RESOLVE_H
#define DG_IO_RESOLVE_H

#include "base/attributes.h"
#include "core/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_HOST_MAX 256 // bytes of a host's name with its NUL

// "HOST:PORT" or "[IPv6]:PORT": numeric, or a name that is looked up. False: error says what is wrong with it,
// without saying what "it" is. host: HOST alone, without brackets.
DG_MUST_USE bool dg_resolve(const char *text, struct dg_address *ret, char host[DG_HOST_MAX], char *error,
                            size_t error_size);
// Whether it is of that form, whatever the host is; looks nothing up.
DG_MUST_USE bool dg_resolve_takes(const char *text);
// The same for all addresses of a name, at most max: in the system's order of preference (RFC 6724), but for the
// families, which take turns (RFC 8305 4). ret_count: 1 or more.
DG_MUST_USE bool dg_resolve_all(const char *text, struct dg_address *ret, uint32_t max, uint32_t *ret_count,
                                char host[DG_HOST_MAX], char *error, size_t error_size);

#endif
