// SPDX-License-Identifier: GPL-3.0-or-later
// The small process that outlives the server: it holds the descriptors of the memory and of the sockets, starts the
// server, starts it again when it dies, changes it for a new program, passes signals on and ends with it. It has one
// thread, holds no secret in its own memory, and reads nothing that comes from a network.
//
// Under a service manager it passes what it keeps on to that as well, so that its own death loses nothing either.
#ifndef DG_KEEPER_KEEPER_H
#define DG_KEEPER_KEEPER_H

#include "base/time_value.h"
#include "io/notify.h"

struct dg_keeper_config {
    char **argv;                    // of the server, with the program's name first
    const char *binary;             // the program that an upgrade starts; NULL or "": the one that runs now
    dg_time watchdog;               // a server that says nothing for so long is killed; 0: none is
    const char *upgrade_socket;     // "": upgrades are not asked for at a socket
    struct dg_notify above;         // the service manager, if there is one; closed here
    struct dg_inheritance kept;     // what it kept while no keeper lived; the descriptors are taken
};

// Serves until the server ends for good. Returns the exit status: the server's, or 128 and the signal that killed it.
int dg_keeper_run(const struct dg_keeper_config *config);

#endif
