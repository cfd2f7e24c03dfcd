// SPDX-License-Identifier: GPL-3.0-or-later
// The socket filter beside dg_steer_datagram, over real loopback sockets: each datagram must lie in exactly
// the queue that the rules name. The kernel's own choice, a hash, would be right once in so many sockets.
#include "check.h"
#include "core/cid.h"
#include "core/wire_constants.h"
#include "io/sockaddr.h"
#include "io/socket.h"
#include "io/steer_filter.h"
#include "io/threads.h"
#include "support/random.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MAX 8
#define SENDERS 48
#define SIZE_MAX_BYTES 60

struct group {
    struct dg_socket sockets[1 + WORKERS_MAX];
    struct dg_steer steer;
    uint32_t workers;
};

struct sender {
    int fd;
    struct dg_address address;
};

static bool group_open_with(struct group *group, const char *address, uint32_t workers, uint64_t seed,
                            uint32_t cid_size)
{
    struct dg_address at;
    char error[256];
    group->workers = workers;
    group->steer = (struct dg_steer){.shard_count = 64, .seed = (uint32_t)seed, .cid_size = cid_size};
    if (!dg_address_parse(address, &at) ||
        !dg_socket_group_open(&at, group->sockets, 1 + workers, error, sizeof error)) {
        return false;
    }
    return dg_steer_filter_attach(group->sockets[0].fd, &group->steer, workers);
}

static bool group_open(struct group *group, const char *address, uint32_t workers, uint64_t seed)
{
    return group_open_with(group, address, workers, seed, DG_CID_SIZE_DEFAULT);
}

static void group_close(struct group *group) { dg_socket_group_close(group->sockets, 1 + group->workers); }

// Bound to any port, and for IPv4 to any address of 127/8; connected, so that a send needs no address.
static bool sender_open(struct sender *sender, struct test_random *random, const struct dg_address *to)
{
    union dg_sockaddr name;
    struct dg_address from = {.port = 0};
    if (dg_address_is_ipv4(to)) {
        struct in_addr ip = {.s_addr = htonl(0x7f000001 + (uint32_t)test_random_below(random, 0xfffff0))};
        dg_address_set_v4(&from, &ip);
    } else {
        from.ip[15] = 1;
    }
    socklen_t size = dg_sockaddr_from(&name, &from);
    sender->fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sender->fd < 0 || bind(sender->fd, &name.any, size) != 0) {
        return false;
    }
    size = sizeof name;
    if (getsockname(sender->fd, &name.any, &size) != 0 || !dg_sockaddr_to(&name, size, &sender->address)) {
        return false;
    }
    size = dg_sockaddr_from(&name, to);
    return connect(sender->fd, &name.any, size) == 0;
}

// All first bytes and all lengths, the interesting ones more often.
static size_t make_datagram(struct test_random *random, uint8_t *data)
{
    static const uint8_t telling[] = {20, 21, 22, 23, 25, 26, 0x20, 0x2c, 0x2d, 0x2e, 0x2f, 0x3c, 0x3d, 0x3e, 0x3f};
    size_t size = test_random_below(random, SIZE_MAX_BYTES + 1);
    test_random_fill(random, data, SIZE_MAX_BYTES);
    if (test_random_permille(random, 700)) {
        data[0] = telling[test_random_below(random, sizeof telling)];
    }
    if (test_random_permille(random, 800)) { // an epoch of records: 0, 1 or anything
        data[3] = 0;
        data[4] = (uint8_t)test_random_below(random, 2);
    }
    return size;
}

static uint32_t expected_socket(const struct group *group, const struct dg_address *peer, const uint8_t *data,
                                size_t size)
{
    uint32_t shard = dg_steer_datagram(&group->steer, peer, data, size);
    return shard == DG_STEER_FRONT ? 0 : 1 + dg_steer_worker(shard, group->workers);
}

// The socket that holds the datagram, or UINT32_MAX. Looks at the likely one first.
static uint32_t find_datagram(struct group *group, uint32_t likely, const uint8_t *data, size_t size)
{
    uint8_t got[SIZE_MAX_BYTES + 1];
    ssize_t got_size = recv(group->sockets[likely].fd, got, sizeof got, MSG_DONTWAIT);
    uint32_t reached = likely;
    if (got_size < 0) {
        struct pollfd polled[1 + WORKERS_MAX];
        for (uint32_t i = 0; i <= group->workers; i++) {
            polled[i] = (struct pollfd){.fd = group->sockets[i].fd, .events = POLLIN};
        }
        if (poll(polled, 1 + group->workers, 20000) <= 0) {
            return UINT32_MAX;
        }
        for (reached = 0; (polled[reached].revents & POLLIN) == 0; reached++) {
        }
        got_size = recv(group->sockets[reached].fd, got, sizeof got, MSG_DONTWAIT);
    }
    bool is_same = got_size == (ssize_t)size && memcmp(got, data, size) == 0;
    return is_same ? reached : UINT32_MAX;
}

static void feed(const char *address, uint32_t workers, unsigned datagrams)
{
    struct test_random random = {.state = dg_test_seed() + workers};
    struct group group;
    REQUIRE(group_open(&group, address, workers, test_random_next(&random)));
    unsigned wrong = 0, counts[1 + WORKERS_MAX] = {0};
    struct sender senders[SENDERS];
    for (unsigned round = 0; round < datagrams / 1000 && wrong == 0; round++) {
        for (size_t i = 0; i < SENDERS; i++) {
            REQUIRE(sender_open(&senders[i], &random, &group.sockets[0].address));
        }
        for (unsigned i = 0; i < 1000; i++) {
            const struct sender *sender = &senders[test_random_below(&random, SENDERS)];
            uint8_t data[SIZE_MAX_BYTES];
            size_t size = make_datagram(&random, data);
            uint32_t expected = expected_socket(&group, &sender->address, data, size);
            REQUIRE(send(sender->fd, data, size, 0) == (ssize_t)size);
            uint32_t reached = find_datagram(&group, expected, data, size);
            counts[expected]++;
            if (reached != expected && wrong++ == 0) {
                char text[DG_ADDRESS_TEXT];
                dg_address_format(&sender->address, text);
                CHECK_MSG(false, "%zu bytes, first %u, from %s: socket %u, expected %u", size, data[0], text, reached,
                          expected);
            }
        }
        for (size_t i = 0; i < SENDERS; i++) {
            close(senders[i].fd);
        }
    }
    CHECK_EQ(wrong, 0);
    for (uint32_t i = 0; i <= workers; i++) {
        CHECK_MSG(counts[i] > datagrams / 100, "socket %u got %u", i, counts[i]);
    }
    group_close(&group);
}

DG_TEST(steer_filter_ipv4_1_worker) { feed("127.0.0.1:0", 1, 20000); }
DG_TEST(steer_filter_ipv4_2_workers) { feed("127.0.0.1:0", 2, 20000); }
DG_TEST(steer_filter_ipv4_8_workers) { feed("0.0.0.0:0", 8, 20000); }
DG_TEST(steer_filter_ipv6_1_worker) { feed("[::1]:0", 1, 20000); }
DG_TEST(steer_filter_ipv6_2_workers) { feed("[::1]:0", 2, 20000); }
DG_TEST(steer_filter_ipv6_8_workers) { feed("[::]:0", 8, 20000); }

static void sorts_every_first_byte_and_length(uint32_t cid_size)
{
    struct test_random random = {.state = dg_test_seed()};
    struct group group;
    struct sender sender;
    REQUIRE(group_open_with(&group, "127.0.0.1:0", 8, test_random_next(&random), cid_size));
    REQUIRE(sender_open(&sender, &random, &group.sockets[0].address));
    unsigned wrong = 0;
    for (unsigned first = 0; first < 256; first++) {
        for (size_t size = 0; size <= 32; size++) {
            uint8_t data[SIZE_MAX_BYTES];
            test_random_fill(&random, data, sizeof data);
            data[0] = (uint8_t)first;
            uint32_t expected = expected_socket(&group, &sender.address, data, size);
            REQUIRE(send(sender.fd, data, size, 0) == (ssize_t)size);
            wrong += find_datagram(&group, expected, data, size) != expected;
        }
    }
    CHECK_MSG(wrong == 0, "connection IDs of %u bytes: %u wrong", cid_size, wrong);
    CHECK_EQ(dg_steer_filter_check(group.sockets, 8, &group.steer), DG_STEER_RIGHT);
    close(sender.fd);
    group_close(&group);
}

// Every first byte with every length, in order: nothing is left to chance.
DG_TEST(steer_filter_every_first_byte_and_length) { sorts_every_first_byte_and_length(DG_CID_SIZE_DEFAULT); }

DG_TEST(steer_filter_every_connection_id_length)
{
    static const uint32_t CID_SIZES[] = {4, 5, 15, 16};
    for (size_t i = 0; i < sizeof CID_SIZES / sizeof CID_SIZES[0]; i++) {
        sorts_every_first_byte_and_length(CID_SIZES[i]);
    }
}

// The port then lies further back: IHL says where.
DG_TEST(steer_filter_ipv4_options)
{
    struct test_random random = {.state = dg_test_seed()};
    struct group group;
    REQUIRE(group_open(&group, "127.0.0.1:0", 8, test_random_next(&random)));
    unsigned wrong = 0;
    for (size_t round = 0; round < 200; round++) {
        struct sender sender;
        REQUIRE(sender_open(&sender, &random, &group.sockets[0].address));
        const uint8_t no_operations[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        socklen_t size = (socklen_t)(4 * (1 + test_random_below(&random, 3)));
        REQUIRE(setsockopt(sender.fd, IPPROTO_IP, IP_OPTIONS, no_operations, size) == 0);
        uint8_t data[13] = {DG_CONTENT_APPLICATION_DATA, 0xfe, 0xfd, 0, 1};
        uint32_t expected = expected_socket(&group, &sender.address, data, sizeof data);
        REQUIRE(send(sender.fd, data, sizeof data, 0) == (ssize_t)sizeof data);
        wrong += find_datagram(&group, expected, data, sizeof data) != expected;
        close(sender.fd);
    }
    CHECK_EQ(wrong, 0);
    group_close(&group);
}

// IPv6 with an extension header: by connection ID as ever, by address to the front, which passes it on.
DG_TEST(steer_filter_ipv6_extension_header)
{
    struct test_random random = {.state = dg_test_seed()};
    struct group group;
    struct sender sender;
    REQUIRE(group_open(&group, "[::1]:0", 8, test_random_next(&random)));
    REQUIRE(sender_open(&sender, &random, &group.sockets[0].address));
    const uint8_t padding[8] = {0, 0, 1, 4}; // RFC 8200 4.6: destination options of 8 bytes, one PadN
    if (setsockopt(sender.fd, IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof padding) == 0) {
        uint8_t by_address[13] = {DG_CONTENT_APPLICATION_DATA, 0xfe, 0xfd, 0, 1};
        REQUIRE(send(sender.fd, by_address, sizeof by_address, 0) == (ssize_t)sizeof by_address);
        CHECK_EQ(find_datagram(&group, 0, by_address, sizeof by_address), 0);
        uint8_t by_cid[20] = {0x3d, 7};
        REQUIRE(send(sender.fd, by_cid, sizeof by_cid, 0) == (ssize_t)sizeof by_cid);
        CHECK_EQ(find_datagram(&group, 8, by_cid, sizeof by_cid), 8);
    } // else: takes CAP_NET_RAW
    close(sender.fd);
    group_close(&group);
}

DG_TEST(steer_filter_self_check_sees_the_order_of_sockets)
{
    struct group group;
    REQUIRE(group_open(&group, "127.0.0.1:0", 4, 1));
    CHECK_EQ(dg_steer_filter_check(group.sockets, 4, &group.steer), DG_STEER_RIGHT);
    struct dg_socket swapped[5];
    memcpy(swapped, group.sockets, sizeof swapped);
    swapped[1] = group.sockets[2];
    swapped[2] = group.sockets[1];
    CHECK_EQ(dg_steer_filter_check(swapped, 4, &group.steer), DG_STEER_WRONG);
    group_close(&group);

    REQUIRE(group_open(&group, "[::]:0", 2, 1));
    CHECK_EQ(dg_steer_filter_check(group.sockets, 2, &group.steer), DG_STEER_RIGHT);
    group_close(&group);
}

struct flood {
    struct dg_address to;
    atomic_bool is_over;
};

static void flood_body(void *context)
{
    struct flood *flood = context;
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, &flood->to);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    while (!atomic_load(&flood->is_over)) {
        (void)sendto(fd, "junk", 4, 0, &name.any, size);
    }
    close(fd);
}

// A start while strangers send: a probe that is lost (here it goes elsewhere) must not make the check read what
// they send for ever. Without a bound over all of a probe this case hangs.
DG_TEST(steer_filter_self_check_ends_under_a_flood)
{
    struct group group, elsewhere;
    REQUIRE(group_open(&group, "127.0.0.1:0", 2, 7));
    REQUIRE(group_open(&elsewhere, "127.0.0.1:0", 2, 7));
    struct flood flood = {.to = group.sockets[0].address};
    struct dg_thread thread;
    group.sockets[0].address = elsewhere.sockets[0].address;
    REQUIRE(dg_thread_start(&thread, "flood", flood_body, &flood));
    CHECK_EQ(dg_steer_filter_check(group.sockets, 2, &group.steer), DG_STEER_UNKNOWN);
    atomic_store(&flood.is_over, true);
    dg_thread_join(&thread);
    group_close(&elsewhere);
    group_close(&group);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(steer_filter_ipv4_1_worker),
        DG_CASE(steer_filter_ipv4_2_workers),
        DG_CASE(steer_filter_ipv4_8_workers),
        DG_CASE(steer_filter_ipv6_1_worker),
        DG_CASE(steer_filter_ipv6_2_workers),
        DG_CASE(steer_filter_ipv6_8_workers),
        DG_CASE(steer_filter_every_first_byte_and_length),
        DG_CASE(steer_filter_every_connection_id_length),
        DG_CASE(steer_filter_ipv4_options),
        DG_CASE(steer_filter_ipv6_extension_header),
        DG_CASE(steer_filter_self_check_sees_the_order_of_sockets),
        DG_CASE(steer_filter_self_check_ends_under_a_flood),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
