// SPDX-License-Identifier: GPL-3.0-or-later
// Opens the sockets of a listening address with the options that the batches and the filter rest on.
#include "io/socket.h"

#include "base/hash.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint64_t dg_listener_digest(const struct dg_address *address)
{
    // A fixed key: the digest lies in slots that outlive the process. Only our own addresses are hashed.
    static const struct dg_hash_key key = {.k0 = UINT64_C(0x6c697374656e6572), .k1 = UINT64_C(0x64746c7367617465)};
    return (uint32_t)dg_hash(&key, address, sizeof *address); // slots keep 32 bits
}

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// Where we may not force it, the kernel cuts the size to its limit for everybody.
static void set_buffer(int fd, int force, int option, int size)
{
    if (!set_option(fd, SOL_SOCKET, force, size)) {
        (void)set_option(fd, SOL_SOCKET, option, size);
    }
}

// What every listening socket of ours is asked for. NULL: fine; else the step that failed, errno says why.
static const char *equip(int fd, bool is_v6)
{
    if (is_v6 ? !set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : !set_option(fd, IPPROTO_IP, IP_PKTINFO, 1)) {
        return "asking for packet info";
    }
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, DG_SOCKET_RECEIVE_BYTES);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, DG_SOCKET_SEND_BYTES);
    (void)set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1); // always there since Linux 2.6.33
    (void)set_option(fd, IPPROTO_UDP, UDP_GRO, 1);    // Linux 5.0; without it each datagram is a message
    return NULL;
}

// NULL: fine; else the step that failed, errno says why.
static const char *open_one(const struct dg_address *address, bool reuse_port, int *ret_fd)
{
    union dg_sockaddr name;
    socklen_t name_size = dg_sockaddr_from(&name, address);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return "opening a socket";
    }
    *ret_fd = fd;
    bool is_v6 = name.any.sa_family == AF_INET6;
    if (is_v6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
        return "setting IPV6_V6ONLY";
    }
    if (reuse_port && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
        return "setting SO_REUSEPORT";
    }
    const char *failed = equip(fd, is_v6);
    if (failed != NULL) {
        return failed;
    }
    if (bind(fd, &name.any, name_size) != 0) {
        return "binding";
    }
    return NULL;
}

static const char *advice(int code)
{
    switch (code) {
    case EADDRINUSE:
        return "; another program listens there: stop it, or choose another port (ss -ulpn shows who)";
    case EADDRNOTAVAIL:
        return "; no interface of this host has that address (ip address shows them)";
    case EACCES:
        return "; ports below 1024 take CAP_NET_BIND_SERVICE";
    case EAFNOSUPPORT:
        return "; this host has no such address family";
    case EMFILE:
        return "; raise the limit of open files (ulimit -n)";
    default:
        return "";
    }
}

static void explain(const struct dg_address *address, const char *step, int code, char *error, size_t error_size)
{
    char text[DG_ADDRESS_TEXT];
    dg_address_format(address, text);
    const char *reason = code == EADDRINUSE ? "address in use" : strerror(code);
    if (strcmp(step, "binding") == 0) {
        snprintf(error, error_size, "cannot listen on %s: %s%s", text, reason, advice(code));
    } else {
        snprintf(error, error_size, "cannot listen on %s: %s failed: %s%s", text, step, reason, advice(code));
    }
}

static bool bound_address(int fd, struct dg_address *ret)
{
    union dg_sockaddr name;
    socklen_t size = sizeof name;
    return getsockname(fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, ret);
}

// Binds alone, without SO_REUSEPORT, which fails if anybody listens there: joining a stranger's group would
// succeed, and each of the two would lose a share of its datagrams without a word. Port 0 becomes one that the
// kernel finds free: with SO_REUSEPORT it would hand out ports of other groups of the same user too.
static bool address_is_free(struct dg_address *address, char *error, size_t error_size)
{
    int fd = -1;
    const char *failed = open_one(address, false, &fd);
    if (failed == NULL && !bound_address(fd, address)) {
        failed = "asking for the bound address";
    }
    if (failed != NULL) {
        explain(address, failed, errno, error, error_size);
    }
    if (fd >= 0) {
        close(fd);
    }
    return failed == NULL;
}

bool dg_socket_group_open(const struct dg_address *address, struct dg_socket *sockets, size_t count, char *error,
                          size_t error_size)
{
    struct dg_address bound = *address;
    for (size_t i = 0; i < count; i++) {
        sockets[i].fd = -1;
    }
    if (!address_is_free(&bound, error, error_size)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *failed = open_one(&bound, true, &sockets[i].fd);
        if (failed != NULL) {
            explain(&bound, failed, errno, error, error_size);
            dg_socket_group_close(sockets, count);
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        sockets[i].address = bound;
        sockets[i].listener = dg_listener_digest(&bound);
    }
    return true;
}

bool dg_socket_group_join(const struct dg_address *bound, struct dg_socket *ret, char *error, size_t error_size)
{
    *ret = (struct dg_socket){.fd = -1, .address = *bound, .listener = dg_listener_digest(bound)};
    const char *failed = open_one(bound, true, &ret->fd);
    if (failed != NULL) {
        explain(bound, failed, errno, error, error_size);
        dg_socket_group_close(ret, 1);
    }
    return failed == NULL;
}

bool dg_socket_adopt(int fd, struct dg_socket *ret)
{
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_DGRAM ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        return false;
    }
    union dg_sockaddr name;
    socklen_t name_size = sizeof name;
    struct dg_address address;
    if (getsockname(fd, &name.any, &name_size) != 0 || !dg_sockaddr_to(&name, name_size, &address) || address.port == 0 ||
        equip(fd, name.any.sa_family == AF_INET6) != NULL) { // it may be one that a service manager bound
        return false;
    }
    *ret = (struct dg_socket){.fd = fd, .address = address, .listener = dg_listener_digest(&address)};
    return true;
}

void dg_socket_group_close(struct dg_socket *sockets, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        if (sockets[i].fd >= 0) {
            close(sockets[i].fd);
        }
        sockets[i].fd = -1;
    }
}

static int get_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, level, option, &value, &size) == 0 ? value : -1;
}

// The kernel says twice what was asked for: its own bookkeeping is counted in (socket(7)).
static size_t buffer_bytes(int fd, int option)
{
    int value = get_option(fd, SOL_SOCKET, option);
    return value > 0 ? (size_t)value / 2 : 0;
}

struct dg_socket_facts dg_socket_facts(const struct dg_socket *socket)
{
    return (struct dg_socket_facts){
        .receive_bytes = buffer_bytes(socket->fd, SO_RCVBUF),
        .send_bytes = buffer_bytes(socket->fd, SO_SNDBUF),
        .can_join = get_option(socket->fd, IPPROTO_UDP, UDP_GRO) > 0,
        .can_segment = get_option(socket->fd, IPPROTO_UDP, UDP_SEGMENT) >= 0, // Linux 4.18
    };
}
