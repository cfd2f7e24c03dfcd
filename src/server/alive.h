// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a server's threads still turn, for a watchdog. Never touches what they own.
#ifndef DG_SERVER_ALIVE_H
#define DG_SERVER_ALIVE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_server;

#define DG_ALIVE_THREADS_MAX 65 // the front and the workers
struct dg_alive {
    uint64_t turns[DG_ALIVE_THREADS_MAX];
};

// Have all threads turned since the last question with this object, zeroed at first? Wakes them. Only while they run:
// from the thread that starts and stops them, or from one that ends before them. A thread that is busy with one turn for long is not stuck: ask seconds
// apart.
DG_MUST_USE bool dg_server_is_alive(struct dg_server *server, struct dg_alive *alive);

#endif
