// SPDX-License-Identifier: GPL-3.0-or-later
// socket(2), connect(2), send(2), recv(2), and what their errors mean for a client.
#include "client/upstream.h"

#include "io/sockaddr.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int dg_upstream_open(const struct dg_address *server, struct dg_address *ret_local)
{
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, server);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, &name.any, size) == 0) {
        size = sizeof name;
        if (getsockname(fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, ret_local))
            return fd;
    }
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

static bool is_cut(int code)
{
    return code == ENETUNREACH || code == EHOSTUNREACH || code == EADDRNOTAVAIL || code == ENETDOWN ||
           code == EINVAL || code == ENODEV;
}

enum dg_upstream_sent dg_upstream_send(int fd, const uint8_t *data, size_t size)
{
    bool refused = false;
    // An error that an earlier datagram met comes up here, and this one was not sent for it.
    for (int tries = 0; tries < 2; tries++) {
        if (send(fd, data, size, MSG_NOSIGNAL) >= 0)
            return refused ? DG_UPSTREAM_REFUSED : DG_UPSTREAM_SENT;
        if (errno != ECONNREFUSED && errno != EINTR)
            break;
        refused = refused || errno == ECONNREFUSED;
    }
    if (errno == ECONNREFUSED || errno == EINTR)
        return DG_UPSTREAM_REFUSED;
    if (errno == EAGAIN || errno == ENOBUFS)
        return DG_UPSTREAM_FULL;
    return is_cut(errno) ? DG_UPSTREAM_CUT : DG_UPSTREAM_FAILED;
}

ssize_t dg_upstream_receive(int fd, uint8_t *data, size_t capacity, bool *refused)
{
    for (int tries = 0; tries < 4; tries++) {
        ssize_t size = recv(fd, data, capacity, 0);
        if (size >= 0)
            return size;
        if (errno == ECONNREFUSED)
            *refused = true;
        else if (errno == EAGAIN)
            return -1;
    }
    return -1;
}
