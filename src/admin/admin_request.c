// SPDX-License-Identifier: GPL-3.0-or-later
// What a caller asked for, and its answer piece by piece: workers are asked one after the other, and a reload runs on a
// thread of its own. Reads and writes no socket.
#include "admin/admin_state.h"
#include "io/clock.h"

#include <stdio.h>
#include <string.h>

// --- what is asked of the associations -----------------------------------------------------------------------------

bool dg_admin_ask_worker(struct dg_admin *admin, struct dg_session *session, dg_time now)
{
    struct dg_scan_request request = {
        .query = session->query,
        .id = session->request.id,
        .what = session->request.command == DG_REQUEST_CLOSE || session->request.command == DG_REQUEST_CLOSE_IDENTITY
                    ? DG_SCAN_CLOSE
                    : DG_SCAN_LIST,
        .place = session->place,
        .cursor = session->cursor,
    };
    memcpy(request.pattern, session->request.pattern, sizeof request.pattern);
    if (session->request.command == DG_REQUEST_WHY) {
        request.identity_size = session->request.identity_size;
        memcpy(request.identity, session->request.identity, session->request.identity_size);
        request.has_peer = session->request.has_address;
        request.peer = session->request.address;
    }
    const struct dg_ring_part part = {&request, sizeof request};
    session->is_asked =
        dg_mesh_put(admin->config.mesh, admin->self, dg_mesh_worker(session->worker), DG_MESSAGE_SCAN, &part, 1);
    session->deadline = now + admin->config.worker_patience;
    return session->is_asked;
}

static void tell_row(struct dg_admin *admin, const struct dg_session *session, const struct dg_answer *answer,
                     const struct dg_scan_row *row)
{
    struct dg_admin_names names = {0};
    admin->config.server.name(admin->config.server.context, row, &names);
    if (session->request.command == DG_REQUEST_WHY)
        dg_answer_connected(answer, row, &names);
    else
        dg_answer_association(answer, row, &names);
}

// The last line, once all workers have been asked.
static void conclude(struct dg_admin *admin, struct dg_session *session, const struct dg_answer *answer)
{
    unsigned long long rows = session->rows;
    session->state = DG_SESSION_LEAVING;
    switch (session->request.command) {
    case DG_REQUEST_CLOSE:
    case DG_REQUEST_CLOSE_IDENTITY:
        if (rows == 0)
            dg_answer_refused(answer, "no association fits: nothing was closed");
        else
            dg_answer_done(answer, "%llu closed", rows);
        return;
    case DG_REQUEST_WHY:
        admin->config.server.status(admin->config.server.context, &admin->status);
        dg_answer_why(answer, &session->request, admin->config.failures, &admin->status, rows);
        dg_answer_done(answer, "%llu connected", rows);
        return;
    default:
        dg_answer_done(answer, "%llu associations", rows);
        return;
    }
}

// --- an answer's next piece ----------------------------------------------------------------------------------------

typedef void make_piece(struct dg_admin *admin, struct dg_session *session, const struct dg_answer *answer, const void *from);

// Nothing waits to go out: what make writes is next.
static void make(struct dg_admin *admin, struct dg_session *session, dg_time now, make_piece *piece, const void *from)
{
    struct dg_answer answer = {.is_json = session->request.is_json};
    answer.out = open_memstream(&session->out, &session->out_size);
    if (!answer.out) {
        session->state = DG_SESSION_LEAVING; // without a word: there is no memory for one
        return;
    }
    piece(admin, session, &answer, from);
    fclose(answer.out);
    session->out_sent = 0;
    if (session->out_size > 0)
        session->deadline = now + DG_ADMIN_READER_PATIENCE;
}

static void make_slice(struct dg_admin *admin, struct dg_session *session, const struct dg_answer *answer, const void *from)
{
    const struct dg_scan_answer *slice = from;
    if (session->rows == 0 && slice->row_count > 0 && session->request.command != DG_REQUEST_WHY)
        dg_answer_association_head(answer);
    for (uint32_t i = 0; i < slice->row_count; i++)
        tell_row(admin, session, answer, &slice->rows[i]);
    session->rows += slice->row_count;
    session->place = slice->place;
    session->cursor = slice->cursor;
    bool is_found = session->request.command == DG_REQUEST_CLOSE && slice->row_count > 0; // there is one of an id
    if (slice->is_over) {
        session->worker++;
        session->place = session->cursor = 0;
    }
    if (is_found || session->worker == admin->config.worker_count)
        conclude(admin, session, answer);
}

static void make_refusal(struct dg_admin *admin, struct dg_session *session, const struct dg_answer *answer, const void *from)
{
    (void)admin;
    dg_answer_refused(answer, "%s", (const char *)from);
    session->state = DG_SESSION_LEAVING;
}

void dg_admin_answer_slice(struct dg_admin *admin, struct dg_session *session, const struct dg_scan_answer *slice, dg_time now)
{
    make(admin, session, now, make_slice, slice);
}

void dg_admin_refuse(struct dg_admin *admin, struct dg_session *session, const char *reason, dg_time now)
{
    make(admin, session, now, make_refusal, reason);
}

static void make_status(struct dg_admin *admin, struct dg_session *session, const struct dg_answer *answer, const void *from)
{
    (void)from;
    admin->config.server.status(admin->config.server.context, &admin->status);
    dg_answer_status(answer, &admin->status, &admin->rates, dg_clock_now());
    dg_answer_done(answer, "done");
    session->state = DG_SESSION_LEAVING;
}

static void make_reloaded(struct dg_admin *admin, struct dg_session *session, const struct dg_answer *answer, const void *from)
{
    (void)from;
    if (admin->reload_is_done)
        dg_answer_done(answer, "reloaded");
    else
        dg_answer_refused(answer, "refused, and nothing has changed: %s", admin->reload_error);
    session->state = DG_SESSION_LEAVING;
}

// --- reload --------------------------------------------------------------------------------------------------------

static void reload(void *context)
{
    struct dg_admin *admin = context;
    admin->reload_error[0] = '\0';
    admin->reload_is_done =
        admin->config.server.reload(admin->config.server.context, admin->reload_error, sizeof admin->reload_error);
    atomic_store_explicit(&admin->reload_has_ended, true, memory_order_release);
    dg_wake_surely(admin->wake);
}

static void begin_reload(struct dg_admin *admin, struct dg_session *session, dg_time now)
{
    if (admin->is_reloading) {
        dg_admin_refuse(admin, session, "another reload is under way: say it again when that has ended", now);
        return;
    }
    atomic_store_explicit(&admin->reload_has_ended, false, memory_order_relaxed);
    admin->is_reloading = dg_thread_start(&admin->reload_thread, "dg-reload", reload, admin);
    if (!admin->is_reloading) {
        dg_admin_refuse(admin, session, "the host allows no further thread", now);
        return;
    }
    session->is_reloading = true;
    session->deadline = DG_NEVER;
}

void dg_admin_end_reload(struct dg_admin *admin, dg_time now)
{
    if (!admin->is_reloading || !atomic_load_explicit(&admin->reload_has_ended, memory_order_acquire))
        return;
    dg_thread_join(&admin->reload_thread);
    admin->is_reloading = false;
    for (size_t i = 0; i < DG_ADMIN_CALLERS_MAX; i++)
        if (admin->sessions[i].state == DG_SESSION_WORKING && admin->sessions[i].is_reloading)
            make(admin, &admin->sessions[i], now, make_reloaded, NULL);
}

// --- beginning -----------------------------------------------------------------------------------------------------

void dg_admin_begin_request(struct dg_admin *admin, struct dg_session *session, dg_time now)
{
    char error[256];
    session->state = DG_SESSION_WORKING;
    if (!dg_request_parse(session->line, session->line_size, &session->request, error, sizeof error)) {
        dg_admin_refuse(admin, session, error, now);
        return;
    }
    session->query = ++admin->next_query;
    if (session->request.command == DG_REQUEST_STATUS)
        make(admin, session, now, make_status, NULL);
    else if (session->request.command == DG_REQUEST_RELOAD)
        begin_reload(admin, session, now);
    // the others go through the associations: step() asks the first worker
}
