// SPDX-License-Identifier: GPL-3.0-or-later
// Addresses and paths as plain data: IPv4 is kept in its IPv4-mapped form, so that one comparison and
// one hash serve both families. Never a sockaddr: src/io translates.
#ifndef DG_CORE_ADDRESS_H
#define DG_CORE_ADDRESS_H

#include "base/attributes.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_address {
    uint8_t ip[16];  // network order; ::ffff:a.b.c.d for IPv4
    uint32_t scope;  // IPv6 scope id of link-local addresses, else 0
    uint16_t port;   // host order
    uint16_t unused; // 0, so that the struct has no padding
};
_Static_assert(sizeof(struct dg_address) == 24, "dg_address has no padding");

// Who speaks with whom: the peer, the local address that it spoke to (an answer leaves from there),
// and which listener that was (a stable digest of the listening address, not an index; below 2^32, as slots keep it).
struct dg_path {
    struct dg_address peer;
    struct dg_address local;
    uint64_t listener;
};

// In words: every datagram is asked several times.
static inline bool dg_address_is_ipv4(const struct dg_address *address)
{
    return (dg_load_u32(address->ip) | dg_load_u32(address->ip + 4)) == 0 && dg_load_u32(address->ip + 8) == 0xffff;
}
bool dg_address_equal(const struct dg_address *a, const struct dg_address *b);
// "192.0.2.1:5684" or "[2001:db8::1%3]:5684"; text holds at least DG_ADDRESS_TEXT bytes.
#define DG_ADDRESS_TEXT 64
void dg_address_format(const struct dg_address *address, char *text);
// Parses "ADDR:PORT", "[ADDR]:PORT"; numeric only. False: text is not such an address.
DG_MUST_USE bool dg_address_parse(const char *text, struct dg_address *ret);

// RFC 9147 11 and the first rung of the admission ladder: a source that cannot be a peer is unspecified,
// multicast, broadcast (255.255.255.255) or has port 0. That it is none of ours is the front's to say.
DG_MUST_USE bool dg_address_can_be_peer(const struct dg_address *address);
bool dg_address_is_link_local(const struct dg_address *address); // fe80::/10
bool dg_address_is_loopback(const struct dg_address *address);   // 127/8, ::1
bool dg_address_is_wildcard(const struct dg_address *address);   // 0.0.0.0, ::

#endif
