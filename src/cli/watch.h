// SPDX-License-Identifier: GPL-3.0-or-later
// A thread that tells whoever watches this process that front and workers turn. One of its own, since the main thread may
// be busy for long with reading keys. Never judges what silence means: the keeper's watchdog does.
#ifndef DG_CLI_WATCH_H
#define DG_CLI_WATCH_H

#include "io/notify.h"
#include "io/threads.h"
#include "server/server.h"

#include <stdbool.h>

struct dg_watch {
    struct dg_server *server;
    const struct dg_notify *notify;
    int period_ms;
    int end_fd;
    struct dg_thread thread;
};

// Speaks every period_ms; below zero nobody watches, and there is no thread. server and notify stay until dg_watch_end. False:
// the host is short of descriptors or threads.
DG_MUST_USE bool dg_watch_start(struct dg_watch *watch, struct dg_server *server, const struct dg_notify *notify,
                                int period_ms);
// Before the server stops its threads, and before notify is closed. Again: nothing.
void dg_watch_end(struct dg_watch *watch);

#endif
