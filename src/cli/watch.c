// SPDX-License-Identifier: GPL-3.0-or-later
// Asks the server's threads whether they turn, and passes the answer on, until it is told to end.
#include "cli/watch.h"

#include "host/privilege.h"
#include "server/alive.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void run(void *context)
{
    struct dg_watch *watch = context;
    struct dg_alive alive = {0};
    struct pollfd end = {.fd = watch->end_fd, .events = POLLIN};
    int ready;
    dg_privilege_begin_serving();
    do {
        if (dg_server_is_alive(watch->server, &alive))
            (void)dg_notify_say(watch->notify, "WATCHDOG=1");
        ready = poll(&end, 1, watch->period_ms);
    } while (ready == 0 || (ready < 0 && errno == EINTR));
}

bool dg_watch_start(struct dg_watch *watch, struct dg_server *server, const struct dg_notify *notify, int period_ms)
{
    *watch = (struct dg_watch){.server = server, .notify = notify, .period_ms = period_ms, .end_fd = -1};
    if (period_ms < 0)
        return true;
    watch->end_fd = eventfd(0, EFD_CLOEXEC);
    if (watch->end_fd >= 0 && dg_thread_start(&watch->thread, "dg-watch", run, watch))
        return true;
    dg_watch_end(watch);
    return false;
}

void dg_watch_end(struct dg_watch *watch)
{
    if (watch->end_fd < 0)
        return;
    (void)!eventfd_write(watch->end_fd, 1);
    dg_thread_join(&watch->thread);
    close(watch->end_fd);
    watch->end_fd = -1;
}
