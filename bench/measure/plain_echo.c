// SPDX-License-Identifier: GPL-3.0-or-later
// recvmmsg and sendmmsg in batches of the gate's size, answering from the address that was spoken to, with
// the gate's way of waiting (epoll). The echo never looks at a byte.
#include "measure/plain_echo.h"

#include "core/wire_constants.h"
#include "io/receive_batch.h"
#include "io/socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH DG_RECEIVE_BATCH_MAX
// Packet info, the size of joined datagrams, what the kernel dropped.
#define CONTROL (CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint32_t)))
#define MESSAGE 65536

static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];
static struct sockaddr_in peers[BATCH];
static uint8_t buffers[BATCH][MESSAGE + 64]; // as the gate's: not a power of two apart
static _Alignas(struct cmsghdr) uint8_t controls[BATCH][CONTROL];

int plain_echo_open(uint16_t *ret_port)
{
    struct dg_address address;
    struct dg_socket socket;
    char error[256];
    if (!dg_address_parse("127.0.0.1:0", &address) || !dg_socket_group_open(&address, &socket, 1, error, sizeof error))
        return -1;
    *ret_port = socket.address.port;
    return socket.fd;
}

static struct mmsghdr answers[BATCH];
static struct iovec answer_vectors[BATCH];

static void prepare_receive(void)
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
}

static size_t append(uint8_t *control, size_t size, int level, int type, const void *data, size_t data_size)
{
    struct cmsghdr *part = (struct cmsghdr *)(void *)(control + size);
    *part = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(data_size)};
    memcpy(CMSG_DATA(part), data, data_size);
    return size + CMSG_SPACE(data_size);
}

// The packet info that came with the datagram says where the answer leaves from. As in the gate, which
// interface it came in by does not say where the answer goes out. What came joined is split on its way out.
static void prepare_send(int count)
{
    for (int i = 0; i < count; i++) {
        struct msghdr *message = &messages[i].msg_hdr;
        struct in_pktinfo info = {0};
        int joined = 0;
        for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
            if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO)
                memcpy(&info, CMSG_DATA(part), sizeof info);
            else if (part->cmsg_level == IPPROTO_UDP && part->cmsg_type == UDP_GRO)
                memcpy(&joined, CMSG_DATA(part), sizeof joined);
        }
        info.ipi_ifindex = 0;
        vectors[i].iov_len = messages[i].msg_len;
        message->msg_controllen = append(controls[i], 0, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        uint16_t segment = (uint16_t)joined;
        if (joined > 0 && messages[i].msg_len > segment)
            message->msg_controllen =
                append(controls[i], message->msg_controllen, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
}

static void send_all(int fd, struct mmsghdr *batch, int count)
{
    for (int sent = 0; sent < count;) {
        int now = sendmmsg(fd, batch + sent, (unsigned)(count - sent), 0);
        sent += now > 0 ? now : 1;
    }
}

// The answers to one datagram, to where it came from. Returns how many stand in the batch.
static int obey(const struct mmsghdr *message, int count)
{
    static uint8_t nothing[DG_DATAGRAM_MAX];
    const uint8_t *order = message->msg_hdr.msg_iov->iov_base;
    for (int i = 0; i < order[0] && count < BATCH; i++, count++) {
        size_t size = (size_t)order[1 + 2 * i] << 8 | order[2 + 2 * i];
        answer_vectors[count] = (struct iovec){nothing, size < sizeof nothing ? size : sizeof nothing};
        answers[count].msg_hdr = message->msg_hdr;
        answers[count].msg_hdr.msg_iov = &answer_vectors[count];
    }
    return count;
}

static __attribute__((noreturn)) void run(int fd, bool is_echo)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    for (;;) {
        if (epoll_wait(epoll, &event, 1, -1) != 1)
            continue;
        prepare_receive();
        int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
        if (count <= 0)
            continue;
        prepare_send(count);
        int ordered = 0;
        for (int i = 0; i < count && !is_echo; i++)
            ordered = obey(&messages[i], ordered);
        send_all(fd, is_echo ? messages : answers, is_echo ? count : ordered);
    }
}

void plain_echo_run(int fd) { run(fd, true); }
void plain_answers_run(int fd) { run(fd, false); }
