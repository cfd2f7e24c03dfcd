// SPDX-License-Identifier: GPL-3.0-or-later
// One caller of the control socket: its request as it comes in, its answer as it goes out. What it does not read waits
// here, one slice at most, and nothing more is made until that is gone. Never judges a request.
#ifndef DG_ADMIN_SESSION_H
#define DG_ADMIN_SESSION_H

#include "admin/request.h"
#include "base/time_value.h"

#include <stdio.h>

enum dg_session_state {
    DG_SESSION_VACANT,
    DG_SESSION_READING, // the request
    DG_SESSION_WORKING, // what is asked for is not all made
    DG_SESSION_LEAVING, // all is made; it ends when that has gone out
};

struct dg_session {
    enum dg_session_state state;
    int fd;
    uint32_t events;         // that epoll watches for
    dg_time deadline;        // until something must have happened
    char line[DG_REQUEST_MAX + 1];
    size_t line_size;
    char *out;               // NULL: nothing waits
    size_t out_size, out_sent;
    struct dg_request request;
    // of a request that goes through the associations
    uint64_t query;
    uint32_t worker, place, cursor;
    bool is_asked;           // a worker has the word
    uint64_t rows;
    bool is_reloading;
};

enum dg_session_step { DG_SESSION_GOES_ON, DG_SESSION_HAS_LINE, DG_SESSION_OVER };

void dg_session_begin(struct dg_session *session, int fd, dg_time deadline);
void dg_session_end(struct dg_session *session); // closes, frees
// Reads what has come. HAS_LINE: line and line_size hold the request.
enum dg_session_step dg_session_read(struct dg_session *session);
// Sends what waits. OVER: nobody will read it. *ret_has_sent: something went out.
enum dg_session_step dg_session_write(struct dg_session *session, bool *ret_has_sent);

#endif
