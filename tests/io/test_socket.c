// SPDX-License-Identifier: GPL-3.0-or-later
// Socket groups and addresses: what may be listened on, what is refused, and how that is said.
#include "check.h"
#include "io/sockaddr.h"
#include "io/socket.h"
#include "support/random.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count;
}

DG_TEST(sockaddr_there_and_back)
{
    struct test_random random = {.state = dg_test_seed()};
    for (int round = 0; round < 2000; round++) {
        struct dg_address address = {.port = (uint16_t)test_random_next(&random)};
        test_random_fill(&random, address.ip, sizeof address.ip);
        if (round % 3 == 0) {
            struct in_addr ip = {.s_addr = (in_addr_t)test_random_next(&random)};
            dg_address_set_v4(&address, &ip);
            CHECK_EQ(dg_address_get_v4(&address).s_addr, ip.s_addr);
        } else if (round % 3 == 1) {
            address.ip[0] = 0xfe;
            address.ip[1] = 0x80;
            address.scope = (uint32_t)test_random_next(&random);
        }
        union dg_sockaddr name;
        struct dg_address back;
        socklen_t size = dg_sockaddr_from(&name, &address);
        REQUIRE(dg_sockaddr_to(&name, size, &back));
        CHECK(dg_address_equal(&address, &back));
        CHECK(!dg_sockaddr_to(&name, (socklen_t)(size - 1), &back));
    }
    union dg_sockaddr other = {.any = {.sa_family = AF_UNIX}};
    struct dg_address ignored;
    CHECK(!dg_sockaddr_to(&other, sizeof other, &ignored));
}

DG_TEST(sockaddr_knows_loopback_and_wildcard)
{
    static const struct {
        const char *text;
        bool is_loopback, is_wildcard;
    } cases[] = {
        {"127.0.0.1:1", true, false}, {"127.9.8.7:1", true, false}, {"128.0.0.1:1", false, false},
        {"0.0.0.0:1", false, true},   {"[::1]:1", true, false},     {"[::]:1", false, true},
        {"[1::1]:1", false, false},   {"[::2]:1", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dg_address address;
        REQUIRE(dg_address_parse(cases[i].text, &address));
        CHECK_MSG(dg_address_is_loopback(&address) == cases[i].is_loopback, "%s", cases[i].text);
        CHECK_MSG(dg_address_is_wildcard(&address) == cases[i].is_wildcard, "%s", cases[i].text);
    }
}

DG_TEST(socket_group_shares_one_port)
{
    struct dg_socket sockets[3], v4[1];
    struct dg_address address;
    char error[256];
    REQUIRE(dg_address_parse("[::]:0", &address));
    REQUIRE(dg_socket_group_open(&address, sockets, 3, error, sizeof error));
    for (size_t i = 0; i < 3; i++) {
        CHECK(sockets[i].address.port != 0);
        CHECK_EQ(sockets[i].address.port, sockets[0].address.port);
        CHECK_EQ(sockets[i].listener, dg_listener_digest(&sockets[0].address));
        CHECK(sockets[i].listener != dg_listener_digest(&address));
    }
    // IPv6 only: the same port is still free in the other family.
    REQUIRE(dg_address_parse("0.0.0.0:0", &address));
    address.port = sockets[0].address.port;
    CHECK_MSG(dg_socket_group_open(&address, v4, 1, error, sizeof error), "%s", error);
    dg_socket_group_close(v4, 1);
    dg_socket_group_close(sockets, 3);
}

DG_TEST(socket_group_never_joins_another)
{
    struct dg_socket first[2], second[2];
    struct dg_address address;
    char error[256] = "", text[DG_ADDRESS_TEXT];
    REQUIRE(dg_address_parse("127.0.0.1:0", &address));
    REQUIRE(dg_socket_group_open(&address, first, 2, error, sizeof error));
    size_t before = open_descriptors();
    CHECK(!dg_socket_group_open(&first[0].address, second, 2, error, sizeof error));
    CHECK_EQ(open_descriptors(), before);
    dg_address_format(&first[0].address, text);
    CHECK_MSG(strstr(error, "cannot listen on") != NULL && strstr(error, text) != NULL &&
                  strstr(error, "address in use;") != NULL,
              "%s", error);
    // Nor one that only overlaps.
    REQUIRE(dg_address_parse("0.0.0.0:0", &address));
    address.port = first[0].address.port;
    CHECK(!dg_socket_group_open(&address, second, 2, error, sizeof error));
    dg_socket_group_close(first, 2);
    REQUIRE(dg_address_parse("127.0.0.1:0", &address));
    CHECK(dg_socket_group_open(&first[0].address, second, 2, error, sizeof error)); // free again at once
    dg_socket_group_close(second, 2);
}

// With SO_REUSEPORT alone, the kernel gives out a port of another group of the same user for port 0: two servers
// would share their clients. Among 600 of some 28,000 ports that happens about six times.
DG_TEST(socket_group_of_port_0_never_joins_another)
{
    enum { GROUPS = 600 };
    static struct dg_socket sockets[GROUPS];
    static bool taken[65536];
    struct dg_address any;
    char error[256];
    REQUIRE(dg_address_parse("127.0.0.1:0", &any));
    for (size_t i = 0; i < GROUPS; i++) {
        CHECK_MSG(dg_socket_group_open(&any, &sockets[i], 1, error, sizeof error), "%s", error);
        CHECK_MSG(!taken[sockets[i].address.port], "port %u twice", sockets[i].address.port);
        taken[sockets[i].address.port] = true;
    }
    for (size_t i = 0; i < GROUPS; i++) {
        dg_socket_group_close(&sockets[i], 1);
    }
}

DG_TEST(socket_group_explains_an_address_that_is_not_ours)
{
    struct dg_socket sockets[2];
    struct dg_address address;
    char error[256] = "";
    REQUIRE(dg_address_parse("192.0.2.77:5684", &address));
    CHECK(!dg_socket_group_open(&address, sockets, 2, error, sizeof error));
    CHECK_MSG(strstr(error, "192.0.2.77:5684") != NULL && strstr(error, "no interface") != NULL, "%s", error);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(sockaddr_there_and_back),
        DG_CASE(sockaddr_knows_loopback_and_wildcard),
        DG_CASE(socket_group_shares_one_port),
        DG_CASE(socket_group_never_joins_another),
        DG_CASE(socket_group_of_port_0_never_joins_another),
        DG_CASE(socket_group_explains_an_address_that_is_not_ours),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
