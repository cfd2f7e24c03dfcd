// SPDX-License-Identifier: GPL-3.0-or-later
// Two directions in one loop: what clients send goes on one by one, since each has a socket of its own; answers are
// collected and go out in batches. Whom an answer is for, the socket says. Never looks at a byte.
#include "measure/plain_relay.h"

#include "io/receive_batch.h"
#include "measure/process.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH DG_RECEIVE_BATCH_MAX
#define CLIENTS 1024
#define FIRST_CLIENT 0x7f000101u
#define LISTENER UINT32_MAX
#define MESSAGE 65536
#define CONTROL (CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint32_t)))

static struct client {
    int fd; // 0: not yet
    struct sockaddr_in peer;
    struct in_addr local; // that it spoke to
} clients[CLIENTS];

static struct mmsghdr messages[BATCH], answers[BATCH];
static struct iovec vectors[BATCH], answer_vectors[BATCH];
static struct sockaddr_in peers[BATCH];
static uint8_t buffers[BATCH][MESSAGE + 64], answer_buffers[BATCH][MESSAGE + 64];
static _Alignas(struct cmsghdr) uint8_t controls[BATCH][CONTROL], answer_controls[BATCH][CONTROL];
static unsigned answer_count;

static void open_client(struct client *client, int epoll, uint16_t service)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(service), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(client - clients)};
    client->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
        BENCH_FAIL("the plain relay opens no socket");
}

static struct in_addr local_of(struct msghdr *message)
{
    struct in_pktinfo info = {0};
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO)
            memcpy(&info, CMSG_DATA(part), sizeof info);
    return info.ipi_spec_dst;
}

static void serve_listener(const struct plain_relay *relay, int epoll)
{
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){buffers[i], MESSAGE};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                              .msg_namelen = sizeof peers[i],
                                              .msg_iov = &vectors[i],
                                              .msg_iovlen = 1,
                                              .msg_control = controls[i],
                                              .msg_controllen = CONTROL};
    }
    int count = recvmmsg(relay->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        uint32_t number = ntohl(peers[i].sin_addr.s_addr) - FIRST_CLIENT;
        if (number >= CLIENTS)
            continue;
        struct client *client = &clients[number];
        if (client->fd == 0)
            open_client(client, epoll, relay->service);
        client->peer = peers[i];
        client->local = local_of(&messages[i].msg_hdr);
        (void)send(client->fd, buffers[i], messages[i].msg_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void send_answers(int fd)
{
    for (unsigned sent = 0; sent < answer_count;) {
        int now = sendmmsg(fd, answers + sent, answer_count - sent, 0);
        sent += now > 0 ? (unsigned)now : 1;
    }
    answer_count = 0;
}

static void serve_client(struct client *client, int fd)
{
    unsigned at = answer_count;
    ssize_t size = recv(client->fd, answer_buffers[at], MESSAGE, MSG_DONTWAIT);
    if (size < 0)
        return;
    struct cmsghdr *part = (struct cmsghdr *)(void *)answer_controls[at];
    const struct in_pktinfo info = {.ipi_spec_dst = client->local};
    *part = (struct cmsghdr){
        .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
    memcpy(CMSG_DATA(part), &info, sizeof info);
    answer_vectors[at] = (struct iovec){answer_buffers[at], (size_t)size};
    answers[at].msg_hdr = (struct msghdr){.msg_name = &client->peer,
                                          .msg_namelen = sizeof client->peer,
                                          .msg_iov = &answer_vectors[at],
                                          .msg_iovlen = 1,
                                          .msg_control = answer_controls[at],
                                          .msg_controllen = CMSG_SPACE(sizeof info)};
    answer_count++;
    if (answer_count == BATCH)
        send_answers(fd);
}

void plain_relay_run(void *context)
{
    const struct plain_relay *relay = context;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[BATCH] = {{.events = EPOLLIN, .data.u32 = LISTENER}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, relay->fd, events);
    for (;;) {
        int count = epoll_wait(epoll, events, BATCH, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u32 == LISTENER)
                serve_listener(relay, epoll);
            else
                serve_client(&clients[events[i].data.u32], relay->fd);
        }
        send_answers(relay->fd);
    }
}
