// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of the administration's thread share: admin.c (callers and turns) and admin_request.c (what is asked
// for). Nobody else includes this.
#ifndef DG_ADMIN_STATE_H
#define DG_ADMIN_STATE_H

#include "admin/admin.h"
#include "admin/answer.h"
#include "admin/session.h"
#include "io/threads.h"

#define DG_ADMIN_READER_PATIENCE (10 * DG_SECOND) // for a caller to read some of its answer

struct dg_admin {
    struct dg_admin_config config;
    char path[108];
    int listener, epoll_fd;
    bool is_listening; // watched; not while all places are taken, nor
    dg_time listen_at; // before this, since the host was short of something
    uint32_t self;     // in the mesh
    struct dg_wake *wake;
    uint8_t *message;  // MESSAGE_ROOM
    struct dg_session sessions[DG_ADMIN_CALLERS_MAX];
    uint64_t next_query;
    struct dg_admin_status status;
    struct dg_rates rates;
    dg_time sample_at;
    struct dg_thread thread;
    _Atomic bool must_end;

    struct dg_thread reload_thread;
    bool is_reloading;
    _Atomic bool reload_has_ended;
    bool reload_is_done; // these two are the reload's thread's until then
    char reload_error[1024];
};

// The line of a session has come whole. What it asks for is answered at once, or goes on with dg_admin_ask_worker, or
// by a reload.
void dg_admin_begin_request(struct dg_admin *admin, struct dg_session *session, dg_time now);

// Asks the session's next worker for its associations. False: the worker's ring is full.
bool dg_admin_ask_worker(struct dg_admin *admin, struct dg_session *session, dg_time now);

// What that worker answered becomes the session's next output, with the last line when all have been asked.
void dg_admin_answer_slice(struct dg_admin *admin, struct dg_session *session, const struct dg_scan_answer *slice, dg_time now);

// The session's last line says why not.
void dg_admin_refuse(struct dg_admin *admin, struct dg_session *session, const char *reason, dg_time now);

// Tells those who wait for a reload that it has ended, once it has.
void dg_admin_end_reload(struct dg_admin *admin, dg_time now);

#endif
