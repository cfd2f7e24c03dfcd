// SPDX-License-Identifier: GPL-3.0-or-later
// Reading and writing without ever waiting.
#include "admin/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void dg_session_begin(struct dg_session *session, int fd, dg_time deadline)
{
    memset(session, 0, sizeof *session);
    session->state = DG_SESSION_READING;
    session->fd = fd;
    session->deadline = deadline;
}

void dg_session_end(struct dg_session *session)
{
    char rest[4096];
    for (int i = 0; i < 16 && recv(session->fd, rest, sizeof rest, MSG_DONTWAIT) > 0; i++) {
        // what was never read would make the kernel tell the caller of an error behind its answer
    }
    close(session->fd);
    free(session->out);
    memset(session, 0, sizeof *session);
    session->fd = -1;
}

enum dg_session_step dg_session_read(struct dg_session *session)
{
    ssize_t size = recv(session->fd, session->line + session->line_size, sizeof session->line - session->line_size, 0);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? DG_SESSION_GOES_ON : DG_SESSION_OVER;
    if (size == 0)
        return DG_SESSION_OVER;
    session->line_size += (size_t)size;
    const char *end = memchr(session->line, '\n', session->line_size);
    if (!end && session->line_size < sizeof session->line)
        return DG_SESSION_GOES_ON;
    if (end) // a line that is too long stays so, and is refused as that
        session->line_size = (size_t)(end - session->line);
    return DG_SESSION_HAS_LINE;
}

enum dg_session_step dg_session_write(struct dg_session *session, bool *ret_has_sent)
{
    *ret_has_sent = false;
    while (session->out && session->out_sent < session->out_size) {
        ssize_t size = send(session->fd, session->out + session->out_sent, session->out_size - session->out_sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return errno == EAGAIN ? DG_SESSION_GOES_ON : DG_SESSION_OVER;
        session->out_sent += (size_t)size;
        *ret_has_sent = true;
    }
    free(session->out);
    session->out = NULL;
    session->out_size = session->out_sent = 0;
    return DG_SESSION_GOES_ON;
}
