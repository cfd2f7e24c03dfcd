// SPDX-License-Identifier: GPL-3.0-or-later
// What the keeper knows, shared by its loop (keeper.c) and by the change of programs (replace.c). Never seen elsewhere.
#ifndef DG_KEEPER_KEEPER_STATE_H
#define DG_KEEPER_KEEPER_STATE_H

#include "base/log.h"
#include "keeper/child.h"
#include "keeper/keeper.h"
#include "keeper/restart.h"
#include "keeper/store.h"

struct keeper {
    const struct dg_keeper_config *config;
    struct dg_notify above;
    struct dg_store store;
    struct dg_restart restart;
    char binary[4096];          // that an upgrade starts
    int good_binary;            // of the last server that became ready; -1: none ever did, there is nothing to keep
    struct dg_child server;     // pid 0: dead
    struct dg_child next;       // of an upgrade, while the server lives
    dg_time restart_at;         // DG_NEVER: not dead
    int upgrade_fd;             // listens; -1: not
    int caller_fd;              // waits for the upgrade's end; -1: nobody does
    dg_time upgrade_until;      // the step that is under way has so long; DG_NEVER: none is
    dg_time told_above_at;      // that we turn; DG_NEVER: nobody wants to know
    int signal_fd;
    bool is_stopping;           // was told to end, with the server
    bool is_over;
    int status;
};

// Starts a server from this program. False: it could not be, which has been logged.
bool dg_keeper_start(struct keeper *keeper, struct dg_child *child, int binary, bool replaces);
// To one of our servers. That it is not allowed is logged: such a server neither stops nor hands over.
void dg_keeper_signal(pid_t pid, int number);
void dg_keeper_log(enum dg_log_level level, const char *event, const char *reason);

// --- watchdog.c ----------------------------------------------------------------------------------------------------

// A server says that its threads turn.
void dg_watchdog_heard(struct dg_child *child, dg_time now);
dg_time dg_watchdog_deadline(const struct keeper *keeper);
// Kills a server that hangs, and tells the service manager that the keeper does not.
void dg_watchdog_check(struct keeper *keeper, dg_time now);

// --- replace.c: an upgrade's steps ---------------------------------------------------------------------------------

// Somebody asks.
void dg_replace_asked(struct keeper *keeper);
// The new server waits for the memory: the old one is told to hand over.
void dg_replace_prepared(struct keeper *keeper);
// A server became ready: the upgrade, if it was that, is done.
void dg_replace_ready(struct keeper *keeper, struct dg_child *child);
// The new server died before it became ready; why: how.
void dg_replace_failed(struct keeper *keeper, const struct dg_child *child, const char *why);
// The new server was ready, and died before the old one had ended.
void dg_replace_lost(struct keeper *keeper, const char *why);
// The old server has ended while a new one lives: that is the server from now on.
void dg_replace_promote(struct keeper *keeper);
// A step took too long.
void dg_replace_late(struct keeper *keeper);
// Answers the caller and ends the upgrade.
void dg_replace_refuse(struct keeper *keeper, const char *reason);

#endif
