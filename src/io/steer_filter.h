// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of core/steer.h as a classic BPF program for a reuseport group, so that the kernel puts each
// datagram into the queue of the thread that it belongs to. Index 0 of the group is the front's socket,
// 1..worker_count are the workers'. Never decides anything that steer.h does not say; what it cannot tell
// (IPv6 with extension headers) goes to the front, which passes it on.
#ifndef DG_IO_STEER_FILTER_H
#define DG_IO_STEER_FILTER_H

#include "core/steer.h"
#include "io/socket.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_STEER_FILTER_MAX 160 // instructions

// Returns how many instructions were written.
size_t dg_steer_filter_build(const struct dg_steer *steer, uint32_t worker_count,
                             struct sock_filter program[DG_STEER_FILTER_MAX]);
// fd: any socket of the group. False: the kernel refuses, errno says why; threads then pass on what is not
// theirs.
DG_MUST_USE bool dg_steer_filter_attach(int fd, const struct dg_steer *steer, uint32_t worker_count);

// Without a filter the kernel spreads datagrams over the group. Where there is none, nothing happens.
void dg_steer_filter_detach(int fd);

enum dg_steer_check {
    DG_STEER_RIGHT,
    DG_STEER_WRONG,   // a probe reached another socket than the rules say
    DG_STEER_UNKNOWN, // a probe did not arrive (a packet filter on the host, perhaps)
};
// Sends one datagram for each thread to the group itself and looks where it arrives. Before the threads
// start: datagrams of others that come meanwhile are lost, which their retransmission makes good.
enum dg_steer_check dg_steer_filter_check(const struct dg_socket *sockets, uint32_t worker_count,
                                          const struct dg_steer *steer);

#endif
