// SPDX-License-Identifier: GPL-3.0-or-later
// The other end of the control socket: says a request and passes the answer on as it comes. Judges nothing: the server
// made the words.
#ifndef DG_ADMIN_CLIENT_H
#define DG_ADMIN_CLIENT_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DG_CONTROL_DEFAULT "/run/dtlsgate/control.sock"

struct dg_control_call {
    const char *path;
    const char *command;  // as docs/control.md names it
    const char *argument; // NULL: none. What does not fit a line is escaped here
    bool is_json;
};

// Lines of the answer go to out, its last word into word (the rest of ".done" or "!why not"). True: it was done.
DG_MUST_USE bool dg_control_ask(const struct dg_control_call *call, FILE *out, char *word, size_t word_size);

#endif
