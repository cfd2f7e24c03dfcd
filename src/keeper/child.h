// SPDX-License-Identifier: GPL-3.0-or-later
// One server process as its keeper sees it: started from an open program with the kept descriptors, heard over a socket
// pair that nobody else has. Owns the process' number and our end of the pair; never decides when to start or to stop.
#ifndef DG_KEEPER_CHILD_H
#define DG_KEEPER_CHILD_H

#include "base/attributes.h"
#include "base/time_value.h"
#include "keeper/notice.h"
#include "keeper/store.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dg_child {
    pid_t pid;        // 0: there is none
    int fd;           // our end; -1: it has closed its own
    int binary;       // its program, kept open so that exactly this one can be started again
    bool is_new;      // started by an upgrade and not ready yet
    bool is_prepared;
    bool is_ready;
    bool is_leaving;  // was told to hand over
    dg_time ready_at;
    dg_time alive_at; // it became ready, or last said that its threads turn; 0: not ready, and not watched
    bool has_watchdog; // it has said how long it may be silent:
    dg_time watchdog;
    bool is_late;     // and then nothing for too long; it gets a second chance
    char status[DG_NOTICE_STATUS]; // its last word for people
};

struct dg_child_start {
    int binary;                   // copied; the caller's stays open
    char **argv;                  // of the program, with its name first
    const struct dg_store *store;
    uint32_t restarts;
    bool replaces;                // another server still lives
};

// What one message brought.
struct dg_child_news {
    struct dg_notice notice;
    int fd; // -1: no descriptor; otherwise the caller's
};

// Signals that the keeper has blocked stay so in the server, which blocks them itself as soon as it can: one that is
// passed on in between waits, and does not end it. False: error says why; child is empty. That the program itself cannot be run comes as a status and exit 127.
DG_MUST_USE bool dg_child_start(struct dg_child *child, const struct dg_child_start *how, char *error,
                                size_t error_size);
// The next message without waiting. False: none for now, or the other end is closed (then child->fd is -1).
bool dg_child_hear(struct dg_child *child, struct dg_child_news *ret);
void dg_child_clear(struct dg_child *child); // after its death: closes what was kept of it

#endif
