// SPDX-License-Identifier: GPL-3.0-or-later
// How a server speaks to whoever keeps its descriptors while it is dead: systemd, or our own keeper (src/keeper).
// One protocol for both, systemd's: descriptors come in by LISTEN_FDS (sd_listen_fds(3)), words and descriptors go out
// as datagrams (sd_notify(3)). Owns its socket; never says where descriptors go after that.
#ifndef DG_IO_NOTIFY_H
#define DG_IO_NOTIFY_H

#include "base/attributes.h"
#include "base/time_value.h"
#include "io/inheritance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DG_NOTIFY_MESSAGE 512 // bytes of the longest message
// What our keeper adds to systemd's words: a server that was started to replace a living one has prepared everything
// that can be without the memory, and waits for it.
#define DG_NOTIFY_PREPARED "X_DTLSGATE_PREPARED=1"
#define DG_NOTIFY_KEEPER_FD "DTLSGATE_KEEPER_FD"   // environment: our end of the keeper's socket pair
#define DG_NOTIFY_RESTARTS "DTLSGATE_RESTARTS"     // environment: servers that died before this one
#define DG_NOTIFY_REPLACES "DTLSGATE_REPLACES"     // environment: 1: another one still serves

struct dg_notify {
    int fd;              // -1: there is nobody to tell
    bool has_keeper;     // the other end is our own keeper, and readable means that it is gone
    bool replaces;       // another server still owns the memory and will hand over
    dg_time watchdog;    // systemd restarts who says nothing for so long; 0: it does not watch
    uint32_t restarts;   // servers of our keeper's that died before this one
    struct sockaddr_un name; // of systemd's socket
    socklen_t name_size;     // 0: connected
};

// Reads who keeps from the environment and takes the words out of it, so that no other program that is started ever
// believes them to be meant for it.
void dg_notify_open(struct dg_notify *notify);
void dg_notify_close(struct dg_notify *notify);

// Takes the descriptors that we were started with, close-on-exec from now on, and the words that name them out of the
// environment. ret->items is freed by the caller; none were given: count 0. False: error says why.
DG_MUST_USE bool dg_notify_inherit(struct dg_inheritance *ret, char *error, size_t error_size);

// text: lines of NAME=value. False: it could not be said. Nobody to tell: true, as everything below.
bool dg_notify_say(const struct dg_notify *notify, const char *text);
// Has a copy of the descriptor kept under its name. One that is kept already, be it by another number, is kept once.
DG_MUST_USE bool dg_notify_store(const struct dg_notify *notify, const struct dg_inherited *item);
// Has all descriptors of this name forgotten.
bool dg_notify_forget(const struct dg_notify *notify, const char *name);
// What was inherited and is wanted stays; the rest is forgotten, what is new is stored, in the order of the list. False:
// errno says why something could not be stored.
DG_MUST_USE bool dg_notify_keep(const struct dg_notify *notify, const struct dg_inheritance *inherited,
                                const struct dg_inheritance *wanted);
// Tells our keeper, and nobody else, how long we may say nothing before we count as hanging; 0: for ever. It was started
// with options that may be older than ours.
void dg_notify_watched(const struct dg_notify *notify, dg_time limit);
// We serve. A server whose keeper dies after this lives on.
void dg_notify_ready(const struct dg_notify *notify);

#endif
