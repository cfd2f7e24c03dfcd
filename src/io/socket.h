// SPDX-License-Identifier: GPL-3.0-or-later
// The sockets of one listening address: a reuseport group with one socket for each thread. Opens and
// closes them; never reads or writes.
//
// [::] listens to IPv6 only (IPV6_V6ONLY is always set): who wants both families names both addresses, and
// a peer then has one form of address whatever the host's default is.
//
// A process of the same user may join a reuseport group and would get a share of its datagrams (the filter
// in steer_filter.h names sockets by their order of joining, so it would get none while ours are there, but
// the kernel does not promise that). That user can as well debug us; run the gate under a user of its own.
#ifndef DG_IO_SOCKET_H
#define DG_IO_SOCKET_H

#include "core/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Wished for. Below net.core.rmem_max and wmem_max any process gets them, above that who has CAP_NET_ADMIN.
#define DG_SOCKET_RECEIVE_BYTES (4 * 1024 * 1024)
#define DG_SOCKET_SEND_BYTES (1024 * 1024)

struct dg_socket {
    int fd;
    struct dg_address address; // bound to, with the port that the kernel chose where 0 was asked for
    uint64_t listener;         // digest of address, as in dg_path
};

// Stable over restarts, and below 2^32: who listens on several addresses makes sure that theirs differ.
uint64_t dg_listener_digest(const struct dg_address *address);

// Opens sockets[0..count-1], in this order, which is the order the filter's index names. Refuses an address
// that anybody else listens on, although a reuseport group could be joined. False: error says what is in the
// way; nothing stays open.
DG_MUST_USE bool dg_socket_group_open(const struct dg_address *address, struct dg_socket *sockets, size_t count,
                                      char *error, size_t error_size);
// One more socket of a group that is open already, at its end. False: error says why.
DG_MUST_USE bool dg_socket_group_join(const struct dg_address *bound, struct dg_socket *ret, char *error,
                                      size_t error_size);
// A socket that another process opened, perhaps a service manager: gets the options that ours have. False: it is no UDP socket that is bound; it stays the caller's.
DG_MUST_USE bool dg_socket_adopt(int fd, struct dg_socket *ret);
void dg_socket_group_close(struct dg_socket *sockets, size_t count);

// What the host gives its sockets, for the log. A short receive buffer loses datagrams in a burst (DROP_KERNEL).
struct dg_socket_facts {
    size_t receive_bytes, send_bytes; // at most what is wished for above
    bool can_join;                    // UDP_GRO: datagrams of one peer in a row are read as one message
    bool can_segment;                 // UDP_SEGMENT: the same for writing, until a device refuses
};
struct dg_socket_facts dg_socket_facts(const struct dg_socket *socket);

#endif
