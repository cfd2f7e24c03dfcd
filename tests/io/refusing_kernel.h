// SPDX-License-Identifier: GPL-3.0-or-later
// A sendmmsg of the test's own: it keeps what it is given instead of sending it, and can be told to take less, to
// be full, to refuse a datagram, or to refuse to split one message into several. Off, it is the kernel's.
#ifndef DG_TESTS_IO_REFUSING_KERNEL_H
#define DG_TESTS_IO_REFUSING_KERNEL_H

#include "support/random.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    bool is_on;
    struct test_random random;
    int full_fd;              // always full
    unsigned full_permille;   // sometimes full
    unsigned refuse_permille; // the first message of a call
    bool takes_all;           // else a random part of them
    int segment_code;         // not 0: the error for each message that is to be split
    unsigned sent_count;      // datagrams
    struct {
        int fd;
        uint32_t number; // the datagram's first four bytes
        size_t size;
    } sent[8192];
    unsigned message_count;
    size_t segments[8192]; // datagrams of each message
    unsigned refused;      // datagrams
    unsigned unsplit;      // messages that were refused and would have been split
} kernel;

static void kernel_begin(void)
{
    memset(&kernel, 0, sizeof kernel);
    kernel.is_on = true;
    kernel.full_fd = -1;
}

// 0: the message is one datagram.
static size_t kernel_segment_size(struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == IPPROTO_UDP && part->cmsg_type == UDP_SEGMENT) {
            uint16_t size;
            memcpy(&size, CMSG_DATA(part), sizeof size);
            return size;
        }
    }
    return 0;
}

static void kernel_take(int fd, struct mmsghdr *message)
{
    const struct iovec *vector = message->msg_hdr.msg_iov;
    const uint8_t *bytes = vector->iov_base;
    size_t segment = kernel_segment_size(&message->msg_hdr);
    size_t step = segment > 0 ? segment : vector->iov_len;
    size_t *segments = &kernel.segments[kernel.message_count++];
    for (size_t at = 0; at < vector->iov_len; at += step, (*segments)++) {
        size_t left = vector->iov_len - at;
        kernel.sent[kernel.sent_count].fd = fd;
        kernel.sent[kernel.sent_count].size = left < step ? left : step;
        memcpy(&kernel.sent[kernel.sent_count++].number, bytes + at, sizeof kernel.sent[0].number);
    }
    message->msg_len = (unsigned)vector->iov_len;
}

static int kernel_refuse(struct mmsghdr *message, int code)
{
    if (kernel_segment_size(&message->msg_hdr) > 0) {
        kernel.unsplit++;
    } else {
        kernel.refused++;
    }
    errno = code;
    return -1;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (!kernel.is_on) {
        return (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
    }
    if (fd == kernel.full_fd || test_random_permille(&kernel.random, kernel.full_permille)) {
        errno = EAGAIN;
        return -1;
    }
    if (test_random_permille(&kernel.random, kernel.refuse_permille)) {
        static const int codes[] = {EPERM, EMSGSIZE, ECONNREFUSED, ENETUNREACH, EINVAL, EHOSTUNREACH, EACCES};
        return kernel_refuse(messages, codes[test_random_below(&kernel.random, sizeof codes / sizeof codes[0])]);
    }
    unsigned wanted = kernel.takes_all ? count : 1 + (unsigned)test_random_below(&kernel.random, count);
    for (unsigned i = 0; i < wanted; i++) {
        if (kernel.segment_code != 0 && kernel_segment_size(&messages[i].msg_hdr) > 0) {
            return i > 0 ? (int)i : kernel_refuse(messages, kernel.segment_code);
        }
        kernel_take(fd, &messages[i]);
    }
    return (int)wanted;
}

#endif
