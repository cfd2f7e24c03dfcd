// SPDX-License-Identifier: GPL-3.0-or-later
// The one translation between dg_address and the kernel's socket addresses. Never opens a socket.
#ifndef DG_IO_SOCKADDR_H
#define DG_IO_SOCKADDR_H

#include "core/address.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

union dg_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// Returns the size of what it wrote: IPv4-mapped addresses become AF_INET. RFC 4007 6: a scope id is kept
// where the address is link-local.
socklen_t dg_sockaddr_from(union dg_sockaddr *ret, const struct dg_address *address);
// False: neither IPv4 nor IPv6, or too short.
DG_MUST_USE bool dg_sockaddr_to(const union dg_sockaddr *from, socklen_t size, struct dg_address *ret);

void dg_address_set_v4(struct dg_address *address, const struct in_addr *ip);
struct in_addr dg_address_get_v4(const struct dg_address *address);

#endif
