// SPDX-License-Identifier: GPL-3.0-or-later
// The administration's thread: its callers and its turns. What they ask for, admin_request.c does.
#include "admin/admin_state.h"
#include "base/random.h"
#include "io/clock.h"
#include "io/local_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_PATIENCE (5 * DG_SECOND) // for the line
#define WORKER_PATIENCE (10 * DG_SECOND) // unless the configuration says another
#define LISTENER_PAUSE DG_SECOND         // after an accept that failed for want of descriptors or memory
#define EVENT_LISTENER UINT32_MAX
#define EVENT_WAKE (UINT32_MAX - 1)
#define MESSAGE_ROOM ((DG_MESSAGE_BYTES_MAX + DG_CACHE_LINE - 1) / DG_CACHE_LINE * DG_CACHE_LINE)

// --- callers -------------------------------------------------------------------------------------------------------

// Sends, and asks for what comes next. False: the session has ended.
static bool step(struct dg_admin *admin, struct dg_session *session, dg_time now)
{
    bool has_sent;
    if (dg_session_write(session, &has_sent) == DG_SESSION_OVER)
        return false;
    if (has_sent)
        session->deadline = now + DG_ADMIN_READER_PATIENCE;
    if (session->out)
        return true;
    if (session->state == DG_SESSION_LEAVING)
        return false;
    if (session->state == DG_SESSION_WORKING && !session->is_asked && !session->is_reloading &&
        !dg_admin_ask_worker(admin, session, now)) {
        dg_admin_refuse(admin, session, "a worker takes no further question: try again", now);
        return step(admin, session, now);
    }
    return true;
}

static void watch_session(struct dg_admin *admin, uint32_t number)
{
    struct dg_session *session = &admin->sessions[number];
    uint32_t events = (session->state == DG_SESSION_READING ? (uint32_t)EPOLLIN : 0) | (session->out ? (uint32_t)EPOLLOUT : 0);
    struct epoll_event event = {.events = events, .data.u32 = number};
    if (events != session->events)
        (void)epoll_ctl(admin->epoll_fd, EPOLL_CTL_MOD, session->fd, &event);
    session->events = events;
}

static void watch_listener(struct dg_admin *admin, bool is_wanted)
{
    struct epoll_event event = {.events = is_wanted ? (uint32_t)EPOLLIN : 0, .data.u32 = EVENT_LISTENER};
    if (is_wanted != admin->is_listening)
        (void)epoll_ctl(admin->epoll_fd, EPOLL_CTL_MOD, admin->listener, &event);
    admin->is_listening = is_wanted;
}

static void end_session(struct dg_admin *admin, struct dg_session *session)
{
    dg_session_end(session);
    admin->listen_at = 0; // a place and a descriptor are free
}

static void serve_session(struct dg_admin *admin, uint32_t number, uint32_t events, dg_time now)
{
    struct dg_session *session = &admin->sessions[number];
    if (session->state == DG_SESSION_VACANT)
        return;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 && session->state != DG_SESSION_READING) {
        end_session(admin, session);
        return;
    }
    if (session->state == DG_SESSION_READING) {
        switch (dg_session_read(session)) {
        case DG_SESSION_GOES_ON:
            return;
        case DG_SESSION_OVER:
            end_session(admin, session);
            return;
        case DG_SESSION_HAS_LINE:
            dg_admin_begin_request(admin, session, now);
        }
    }
    if (!step(admin, session, now)) {
        end_session(admin, session);
        return;
    }
    watch_session(admin, number);
}

static void rest_listener(struct dg_admin *admin, dg_time until)
{
    admin->listen_at = until;
    watch_listener(admin, false);
}

// One a turn: whoever calls again and again takes its turn like the others. Callers beyond the places wait in the
// kernel's queue until one is free.
static void accept_caller(struct dg_admin *admin, dg_time now)
{
    uint32_t number = 0;
    while (number < DG_ADMIN_CALLERS_MAX && admin->sessions[number].state != DG_SESSION_VACANT)
        number++;
    if (number == DG_ADMIN_CALLERS_MAX) {
        rest_listener(admin, DG_NEVER); // until a session ends
        return;
    }
    bool is_refused;
    int fd = dg_local_accept(admin->listener, &is_refused);
    if (fd < 0) {
        if (!is_refused && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            rest_listener(admin, now + LISTENER_PAUSE); // or its readiness would keep this thread turning
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    if (epoll_ctl(admin->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        close(fd);
        return;
    }
    dg_session_begin(&admin->sessions[number], fd, now + REQUEST_PATIENCE);
    admin->sessions[number].events = EPOLLIN;
}

// --- the turns -----------------------------------------------------------------------------------------------------

static void take_answers(struct dg_admin *admin, dg_time now)
{
    uint32_t kind;
    size_t size;
    while (dg_mesh_get(admin->config.mesh, admin->self, &kind, admin->message, &size)) {
        const struct dg_scan_answer *slice = (const struct dg_scan_answer *)(const void *)admin->message; // aligned
        DG_BUG_UNLESS(kind == DG_MESSAGE_SCANNED && size >= offsetof(struct dg_scan_answer, rows));
        for (uint32_t i = 0; i < DG_ADMIN_CALLERS_MAX; i++) {
            struct dg_session *session = &admin->sessions[i];
            if (session->state != DG_SESSION_WORKING || !session->is_asked || session->query != slice->query)
                continue; // its asker has gone
            session->is_asked = false;
            dg_admin_answer_slice(admin, session, slice, now);
            if (!step(admin, session, now))
                end_session(admin, session);
            else
                watch_session(admin, i);
        }
    }
}

static void end_the_late(struct dg_admin *admin, dg_time now)
{
    for (uint32_t i = 0; i < DG_ADMIN_CALLERS_MAX; i++) {
        struct dg_session *session = &admin->sessions[i];
        if (session->state == DG_SESSION_VACANT || session->deadline > now)
            continue;
        if (session->is_asked) {
            session->is_asked = false;
            dg_admin_refuse(admin, session, "a worker does not answer: it may have more to do than it can", now);
            bool has_sent;
            (void)dg_session_write(session, &has_sent);
        }
        end_session(admin, session);
    }
}

static void sample(struct dg_admin *admin, dg_time now)
{
    if (admin->sample_at > now)
        return;
    admin->config.server.status(admin->config.server.context, &admin->status);
    dg_rates_sample(&admin->rates, now, admin->status.counters);
    admin->sample_at = now + DG_RATE_PERIOD;
}

static int wait_ms(const struct dg_admin *admin, dg_time now)
{
    dg_time deadline = admin->sample_at;
    for (size_t i = 0; i < DG_ADMIN_CALLERS_MAX; i++)
        if (admin->sessions[i].state != DG_SESSION_VACANT)
            deadline = dg_time_min(deadline, admin->sessions[i].deadline);
    return (int)((dg_time_since(deadline, now) + DG_MILLISECOND - 1) / DG_MILLISECOND);
}

static void turn(struct dg_admin *admin)
{
    struct epoll_event events[DG_ADMIN_CALLERS_MAX + 2];
    dg_time now = dg_clock_now();
    sample(admin, now);
    if (now >= admin->listen_at)
        watch_listener(admin, true);
    dg_wake_will_sleep(admin->wake);
    int timeout = dg_mesh_is_empty(admin->config.mesh, admin->self) ? wait_ms(admin, now) : 0;
    int count = epoll_wait(admin->epoll_fd, events, DG_ADMIN_CALLERS_MAX + 2, timeout);
    dg_wake_is_awake(admin->wake);
    now = dg_clock_now();
    for (int i = 0; i < count; i++) {
        uint32_t what = events[i].data.u32;
        if (what == EVENT_LISTENER)
            accept_caller(admin, now);
        else if (what != EVENT_WAKE)
            serve_session(admin, what, events[i].events, now);
    }
    take_answers(admin, now);
    dg_admin_end_reload(admin, now);
    for (uint32_t i = 0; i < DG_ADMIN_CALLERS_MAX; i++)
        if (admin->sessions[i].state == DG_SESSION_WORKING || admin->sessions[i].state == DG_SESSION_LEAVING)
            watch_session(admin, i);
    end_the_late(admin, now);
}

static void run(void *context)
{
    struct dg_admin *admin = context;
    while (!atomic_load_explicit(&admin->must_end, memory_order_acquire))
        turn(admin);
}

// --- making and ending ---------------------------------------------------------------------------------------------

static bool watch(const struct dg_admin *admin, int fd, uint32_t what, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = what};
    return epoll_ctl(admin->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct dg_admin *dg_admin_new(const struct dg_admin_config *config, char *error, size_t error_size)
{
    struct dg_admin *admin = calloc(1, sizeof *admin);
    if (!admin) {
        snprintf(error, error_size, "memory is short for the control socket");
        return NULL;
    }
    admin->config = *config;
    if (admin->config.worker_patience == 0)
        admin->config.worker_patience = WORKER_PATIENCE;
    admin->epoll_fd = -1;
    admin->self = dg_mesh_admin(config->worker_count);
    admin->wake = dg_mesh_wake(config->mesh, admin->self);
    admin->next_query = dg_random_u64();
    snprintf(admin->path, sizeof admin->path, "%s", config->path);
    admin->message = aligned_alloc(DG_CACHE_LINE, MESSAGE_ROOM);
    admin->listener = dg_local_listen(config->path, SOCK_STREAM, DG_ADMIN_CALLERS_MAX, error, error_size);
    if (admin->listener < 0) {
        dg_admin_free(admin);
        return NULL;
    }
    admin->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    admin->is_listening = true;
    if (!admin->message || admin->epoll_fd < 0 || !watch(admin, admin->listener, EVENT_LISTENER, EPOLLIN) ||
        !watch(admin, admin->wake->fd, EVENT_WAKE, EPOLLIN | EPOLLET)) {
        snprintf(error, error_size, "memory or descriptors are short for the control socket");
        dg_admin_free(admin);
        return NULL;
    }
    return admin;
}

bool dg_admin_start(struct dg_admin *admin)
{
    return dg_thread_start(&admin->thread, "dg-admin", run, admin);
}

void dg_admin_free(struct dg_admin *admin)
{
    if (!admin)
        return;
    atomic_store_explicit(&admin->must_end, true, memory_order_release);
    dg_wake_surely(admin->wake);
    dg_thread_join(&admin->thread);
    dg_thread_join(&admin->reload_thread);
    for (size_t i = 0; i < DG_ADMIN_CALLERS_MAX; i++)
        if (admin->sessions[i].state != DG_SESSION_VACANT)
            dg_session_end(&admin->sessions[i]);
    if (admin->listener >= 0) {
        close(admin->listener);
        (void)unlink(admin->path);
    }
    if (admin->epoll_fd >= 0)
        close(admin->epoll_fd);
    free(admin->message);
    free(admin);
}
