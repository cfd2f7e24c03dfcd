// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of the UDP backend share: the pool, its targets, and how talkers come and go. Never seen outside of them.
#ifndef DG_BACKEND_UDP_INNER_H
#define DG_BACKEND_UDP_INNER_H

#include "backend/complaint.h"
#include "backend/udp.h"
#include "backend/udp_table.h"
#include "io/sockaddr.h"

#define DG_UDP_ANSWERS_AT_ONCE 8 // read at most from one socket before the next has its turn

struct dg_udp_pool {
    struct dg_backend_udp_config config;
    struct dg_counters *counters;
    unsigned users;  // its targets, and who made it
    bool is_watched; // one of its targets has its descriptor watched
    struct dg_udp_target *targets[DG_BACKENDS_MAX];
    struct dg_port_allocator *ports;
    uint32_t restore_next; // port to look at; above the range: all has been looked at
    dg_time restore_again_at; // DG_NEVER: the network refused none of them
    struct dg_udp_table table;
    int epoll_fd;
    struct mmsghdr messages[DG_UDP_ANSWERS_AT_ONCE];
    struct iovec vectors[DG_UDP_ANSWERS_AT_ONCE];
    uint8_t *answers; // DG_UDP_ANSWERS_AT_ONCE buffers of ANSWER_BYTES
};

struct dg_udp_target {
    struct dg_udp_pool *pool;
    uint16_t number;
    bool is_watcher; // serves the pool's descriptor and its restoring
    struct dg_backend_sink sink;
    struct dg_address address;
    union dg_sockaddr name;
    socklen_t name_size;
    struct dg_complaint no_port, unreachable, refused;
};

// udp_sockets.c
// The association's socket towards this target: the port that it held before, else a new one. NULL: counted and said.
struct dg_udp_talker *dg_udp_open_talker(struct dg_udp_target *target, dg_time now, struct dg_ref ref);
void dg_udp_close_talker(struct dg_udp_pool *pool, dg_time now, struct dg_udp_talker *talker);
// Binds some of the ports again that associations held before this process began. sink: any target's, to ask with.
dg_time dg_udp_restore_deadline(const struct dg_udp_pool *pool);
void dg_udp_restore(struct dg_udp_pool *pool, const struct dg_backend_sink *sink, dg_time now);

#endif
