// SPDX-License-Identifier: GPL-3.0-or-later
// Copies addresses between their two forms, byte by byte and in both directions the same.
#include "io/sockaddr.h"

#include <arpa/inet.h>
#include <string.h>

#define MAPPED_PREFIX 12 // bytes before the IPv4 address in its IPv4-mapped form (RFC 4291 2.5.5.2)

void dg_address_set_v4(struct dg_address *address, const struct in_addr *ip)
{
    memset(address->ip, 0, sizeof address->ip);
    address->ip[10] = 0xff;
    address->ip[11] = 0xff;
    memcpy(address->ip + MAPPED_PREFIX, &ip->s_addr, 4);
    address->scope = 0;
}

struct in_addr dg_address_get_v4(const struct dg_address *address)
{
    struct in_addr ip;
    memcpy(&ip.s_addr, address->ip + MAPPED_PREFIX, 4);
    return ip;
}

socklen_t dg_sockaddr_from(union dg_sockaddr *ret, const struct dg_address *address)
{
    memset(ret, 0, sizeof *ret);
    if (dg_address_is_ipv4(address)) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(address->port);
        ret->v4.sin_addr = dg_address_get_v4(address);
        return sizeof ret->v4;
    }
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(address->port);
    ret->v6.sin6_scope_id = address->scope;
    memcpy(&ret->v6.sin6_addr, address->ip, sizeof address->ip);
    return sizeof ret->v6;
}

bool dg_sockaddr_to(const union dg_sockaddr *from, socklen_t size, struct dg_address *ret)
{
    if (size >= sizeof from->v4 && from->any.sa_family == AF_INET) {
        *ret = (struct dg_address){.port = ntohs(from->v4.sin_port)};
        dg_address_set_v4(ret, &from->v4.sin_addr);
        return true;
    }
    if (size >= sizeof from->v6 && from->any.sa_family == AF_INET6) {
        *ret = (struct dg_address){.port = ntohs(from->v6.sin6_port)};
        memcpy(ret->ip, &from->v6.sin6_addr, sizeof ret->ip);
        // Elsewhere the kernel leaves it 0, but an address must have one form only to be compared.
        ret->scope = dg_address_is_link_local(ret) ? from->v6.sin6_scope_id : 0;
        return true;
    }
    return false;
}
