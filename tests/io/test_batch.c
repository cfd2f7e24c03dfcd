// SPDX-License-Identifier: GPL-3.0-or-later
// The batches over real sockets, and the send batch against a kernel that refuses.
#include "check.h"
#include "core/wire_constants.h"
#include "io/receive_batch.h"
#include "io/send_batch.h"
#include "io/sockaddr.h"
#include "refusing_kernel.h"

#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// --- helpers ---------------------------------------------------------------------------------------------

static bool listen_on(const char *text, struct dg_socket *ret)
{
    struct dg_address address;
    char error[256];
    return dg_address_parse(text, &address) && dg_socket_group_open(&address, ret, 1, error, sizeof error);
}

// A client that takes answers from one address only.
static int client_to(const struct dg_address *to)
{
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, to);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, &name.any, size) == 0 ? fd : -1;
}

static struct dg_address name_of(int fd)
{
    union dg_sockaddr name;
    socklen_t size = sizeof name;
    struct dg_address address = {.port = 0};
    CHECK(getsockname(fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, &address));
    return address;
}

static bool wait_readable(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 20000) == 1;
}

static bool queue(const struct dg_output *output, const struct dg_path *path, const void *data, size_t size)
{
    uint8_t *room = output->reserve(output->context, size);
    if (room == NULL) {
        return false;
    }
    memcpy(room, data, size);
    output->commit(output->context, path, size);
    return true;
}

// --- cases -----------------------------------------------------------------------------------------------

// One of our addresses is spoken to; the batch says which; the answer leaves from there, which the client's
// connected socket checks.
static void answer_from(const char *listen, const char *spoken_to)
{
    struct dg_socket socket;
    struct dg_counters counters = {0};
    REQUIRE(listen_on(listen, &socket));
    struct dg_address to;
    REQUIRE(dg_address_parse(spoken_to, &to));
    to.port = socket.address.port;
    int client = client_to(&to);
    REQUIRE(client >= 0);
    struct dg_address client_address = name_of(client);
    struct dg_receive_batch *receive = dg_receive_batch_new(&socket, 1, &counters);
    struct dg_send_batch *batch = dg_send_batch_new(&socket, 1, &counters);
    REQUIRE(receive != NULL && batch != NULL);
    struct dg_output output = dg_send_batch_output(batch);

    REQUIRE(send(client, "one", 3, 0) == 3 && send(client, "", 0, 0) == 0 && send(client, "three", 5, 0) == 5);
    REQUIRE(wait_readable(socket.fd));
    struct dg_received *received;
    CHECK_EQ(dg_receive_batch_read(receive, 0), 3);
    REQUIRE(dg_receive_batch_take(receive, &received) == 3);
    CHECK_EQ(received[0].size, 3);
    CHECK_MEM(received[0].data, "one", 3);
    CHECK_EQ(received[1].size, 0);
    CHECK_MEM(received[2].data, "three", 5);
    for (size_t i = 0; i < 3; i++) {
        CHECK(dg_address_equal(&received[i].path.peer, &client_address));
        CHECK(dg_address_equal(&received[i].path.local, &to));
        CHECK_EQ(received[i].path.listener, socket.listener);
    }
    CHECK(queue(&output, &received[0].path, "answer", 6));
    dg_send_batch_flush(batch);
    char got[16];
    REQUIRE(wait_readable(client));
    CHECK_EQ(recv(client, got, sizeof got, 0), 6);
    CHECK_MEM(got, "answer", 6);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DATAGRAMS_RECEIVED), 3);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DATAGRAMS_SENT), 1);
    CHECK_EQ(dg_receive_batch_take(receive, &received), 0);
    CHECK_EQ(dg_receive_batch_read(receive, 0), 0); // never blocks
    CHECK_EQ(dg_receive_batch_take(receive, &received), 0);
    dg_send_batch_free(batch);
    dg_receive_batch_free(receive);
    close(client);
    dg_socket_group_close(&socket, 1);
}

DG_TEST(batch_answers_from_the_address_that_was_spoken_to)
{
    answer_from("0.0.0.0:0", "127.0.0.1:0");
    answer_from("0.0.0.0:0", "127.11.12.13:0");
    answer_from("127.0.0.1:0", "127.0.0.1:0");
    answer_from("[::]:0", "[::1]:0");
    answer_from("[::1]:0", "[::1]:0");
}

// scope: of a group's address, the interface.
static bool send_to(int client, const char *text, uint32_t scope, uint16_t port)
{
    struct dg_address to;
    union dg_sockaddr name;
    CHECK(dg_address_parse(text, &to));
    to.port = port;
    socklen_t size = dg_sockaddr_from(&name, &to);
    if (name.any.sa_family == AF_INET6)
        name.v6.sin6_scope_id = scope;
    return sendto(client, text, strlen(text), 0, &name.any, size) == (ssize_t)strlen(text);
}

// Through the first interface that takes it; a host may have none for groups of IPv6.
static bool send_to_many(int client, const char *text, uint16_t port)
{
    bool is_sent = false;
    struct if_nameindex *interfaces = if_nameindex();
    if (interfaces == NULL)
        return false;
    for (struct if_nameindex *at = interfaces; at->if_index != 0 && !is_sent; at++)
        is_sent = send_to(client, text, at->if_index, port);
    if_freenameindex(interfaces);
    return is_sent;
}

// What is for many comes to every socket of a group: each thread would answer, one forged hello with a flight from each,
// and none of them from the address that was spoken to.
static void takes_only(const char *listen, const char *for_many, const char *for_us)
{
    struct dg_socket group[3];
    struct dg_counters counters = {0};
    struct dg_address address;
    char error[256];
    REQUIRE(dg_address_parse(listen, &address) && dg_socket_group_open(&address, group, 3, error, sizeof error));
    int client = socket(dg_address_is_ipv4(&address) ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(client >= 0 && setsockopt(client, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int)) == 0);
    size_t copies = send_to_many(client, for_many, group[0].address.port) ? 3 : 0;
    CHECK(copies == 3 || !dg_address_is_ipv4(&address));
    CHECK(send_to(client, for_us, 0, group[0].address.port));
    size_t taken = 0, read = 0;
    struct dg_receive_batch *batch = dg_receive_batch_new(group, 3, &counters);
    REQUIRE(batch != NULL);
    for (size_t i = 0; i < 3; i++) {
        struct dg_received *received;
        read += dg_receive_batch_read(batch, i);
        for (size_t count; (count = dg_receive_batch_take(batch, &received)) > 0; taken += count)
            CHECK_MEM(received[0].data, for_us, strlen(for_us));
    }
    CHECK_MSG(read == copies + 1, "%s: %zu datagrams", for_many, read); // within a host all is there before send returns
    CHECK_EQ(taken, 1);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DATAGRAMS_RECEIVED), read);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_FOR_MANY), read - 1);
    dg_receive_batch_free(batch);
    close(client);
    dg_socket_group_close(group, 3);
}

DG_TEST(batch_drops_what_is_for_many)
{
    takes_only("0.0.0.0:0", "127.255.255.255:0", "127.0.0.1:0");
    takes_only("[::]:0", "[ff01::1]:0", "[::1]:0");
}

DG_TEST(batch_drops_what_is_longer_than_any_record)
{
    struct dg_socket socket;
    struct dg_counters counters = {0};
    REQUIRE(listen_on("127.0.0.1:0", &socket));
    int client = client_to(&socket.address);
    struct dg_receive_batch *receive = dg_receive_batch_new(&socket, 1, &counters);
    static uint8_t bytes[DG_DATAGRAM_MAX + 1];
    REQUIRE(client >= 0 && receive != NULL);
    REQUIRE(send(client, bytes, DG_DATAGRAM_MAX, 0) == DG_DATAGRAM_MAX);
    REQUIRE(send(client, bytes, DG_DATAGRAM_MAX + 1, 0) == DG_DATAGRAM_MAX + 1);
    REQUIRE(send(client, bytes, 5, 0) == 5);
    REQUIRE(wait_readable(socket.fd));
    struct dg_received *received;
    CHECK_EQ(dg_receive_batch_read(receive, 0), 3);
    size_t count = dg_receive_batch_take(receive, &received);
    REQUIRE(count >= 1);
    CHECK_EQ(received[0].size, DG_DATAGRAM_MAX);
    CHECK_EQ(count, 2);
    CHECK_EQ(received[count - 1].size, 5);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_RECORD_TOO_LONG), 1);
    CHECK_EQ(dg_datagram_drops_read(&counters, DG_COUNT_DROP_RECORD_TOO_LONG), 1); // its end
    dg_receive_batch_free(receive);
    close(client);
    dg_socket_group_close(&socket, 1);
}

// Of a random load through a random kernel: each datagram is sent once, refused and counted, or given up and
// counted; those of one socket leave in their order.
DG_TEST(batch_loses_nothing_to_short_counts_and_full_sockets)
{
    struct test_random random = {.state = dg_test_seed()};
    struct dg_socket sockets[2];
    struct dg_counters counters = {0};
    REQUIRE(listen_on("127.0.0.1:0", &sockets[0]) && listen_on("[::1]:0", &sockets[1]));
    struct dg_send_batch *batch = dg_send_batch_new(sockets, 2, &counters);
    REQUIRE(batch != NULL);
    struct dg_output output = dg_send_batch_output(batch);
    kernel_begin();
    kernel.full_permille = 200;
    kernel.refuse_permille = 250;
    kernel.random.state = test_random_next(&random);

    static uint8_t data[DG_DATAGRAM_MAX];
    uint32_t committed = 0, without_room = 0;
    for (uint32_t i = 0; i < 6000; i++) {
        size_t which = test_random_below(&random, 2);
        struct dg_path path = {
            .peer = sockets[which].address, .local = sockets[which].address, .listener = sockets[which].listener};
        memcpy(data, &committed, sizeof committed);
        size_t size = test_random_permille(&random, 20) ? sizeof data : 4 + test_random_below(&random, 1200);
        if (queue(&output, &path, data, size)) {
            committed++;
        } else {
            without_room++;
        }
        if (test_random_permille(&random, 30)) {
            dg_send_batch_flush(batch);
        }
        for (size_t s = 0; s < 2; s++) {
            if (dg_send_batch_is_blocked(batch, s) && test_random_permille(&random, 6)) {
                dg_send_batch_writable(batch, s);
            }
        }
    }
    kernel.full_permille = 0;
    dg_send_batch_writable(batch, 0);
    dg_send_batch_writable(batch, 1);
    CHECK_EQ(dg_send_batch_waiting(batch), 0);
    uint64_t given_up = dg_counter_read(&counters, DG_COUNT_DROP_SEND_FULL);
    CHECK_EQ(kernel.sent_count + kernel.refused + given_up, committed);
    CHECK(given_up > 0);
    CHECK(kernel.sent_count > kernel.message_count);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_SEGMENTATION_REFUSED), kernel.unsplit);
    CHECK(kernel.refused > 0);
    CHECK_EQ(without_room, 0); // the share of each leaves some
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DATAGRAMS_SENT), kernel.sent_count);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_SEND_ERROR), kernel.refused);
    int64_t last[2] = {-1, -1};
    for (unsigned i = 0; i < kernel.sent_count; i++) {
        size_t which = kernel.sent[i].fd == sockets[0].fd ? 0 : 1;
        CHECK((int64_t)kernel.sent[i].number > last[which]);
        last[which] = kernel.sent[i].number;
    }
    kernel.is_on = false;
    dg_send_batch_free(batch);
    dg_socket_group_close(&sockets[0], 1);
    dg_socket_group_close(&sockets[1], 1);
}

DG_TEST(batch_full_socket_does_not_hold_up_another_listener)
{
    struct dg_socket sockets[2];
    struct dg_counters counters = {0};
    REQUIRE(listen_on("127.0.0.1:0", &sockets[0]) && listen_on("127.0.0.1:0", &sockets[1]));
    struct dg_send_batch *batch = dg_send_batch_new(sockets, 2, &counters);
    REQUIRE(batch != NULL);
    struct dg_output output = dg_send_batch_output(batch);
    kernel_begin();
    kernel.full_fd = sockets[0].fd;
    for (uint32_t i = 0; i < 100; i++) {
        size_t which = i % 2;
        struct dg_path path = {
            .peer = sockets[which].address, .local = sockets[which].address, .listener = sockets[which].listener};
        CHECK(queue(&output, &path, &i, sizeof i));
    }
    dg_send_batch_flush(batch);
    CHECK_EQ(kernel.sent_count, 50);
    CHECK_EQ(dg_send_batch_waiting(batch), 50);
    CHECK(dg_send_batch_is_blocked(batch, 0));
    CHECK(!dg_send_batch_is_blocked(batch, 1));
    kernel.full_fd = -1;
    dg_send_batch_flush(batch); // not before it is said to be writable
    CHECK_EQ(dg_send_batch_waiting(batch), 50);
    dg_send_batch_writable(batch, 0);
    CHECK_EQ(dg_send_batch_waiting(batch), 0);
    CHECK_EQ(kernel.sent_count, 100);

    struct dg_path gone = {.peer = sockets[0].address, .local = sockets[0].address, .listener = 1};
    uint32_t number = 0;
    CHECK(queue(&output, &gone, &number, sizeof number)); // a listener that there is not any more
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_SEND_ERROR), 1);
    kernel.is_on = false;
    dg_send_batch_free(batch);
    dg_socket_group_close(&sockets[0], 1);
    dg_socket_group_close(&sockets[1], 1);
}

// Two listeners, one of them full for good: whatever is sent there, the other goes on, and what waits is bounded.
DG_TEST(batch_full_socket_leaves_room_to_another_listener)
{
    struct dg_socket sockets[2];
    struct dg_counters counters = {0};
    REQUIRE(listen_on("127.0.0.1:0", &sockets[0]) && listen_on("127.0.0.1:0", &sockets[1]));
    struct dg_send_batch *batch = dg_send_batch_new(sockets, 2, &counters);
    REQUIRE(batch != NULL);
    struct dg_output output = dg_send_batch_output(batch);
    kernel_begin();
    kernel.full_fd = sockets[0].fd;
    static uint8_t data[1200];
    struct dg_path paths[2];
    for (size_t i = 0; i < 2; i++) {
        paths[i] = (struct dg_path){
            .peer = sockets[i].address, .local = sockets[i].address, .listener = sockets[i].listener};
    }
    for (uint32_t i = 0; i < 3 * DG_SEND_QUEUE_MAX; i++) {
        memcpy(data, &i, sizeof i);
        CHECK(queue(&output, &paths[0], data, sizeof data)); // more than the queue holds, and it never fills up
    }
    uint64_t given_up = dg_counter_read(&counters, DG_COUNT_DROP_SEND_FULL);
    CHECK(given_up > 0);
    CHECK_EQ(dg_send_batch_waiting(batch) + given_up, 3 * DG_SEND_QUEUE_MAX);
    CHECK(dg_send_batch_waiting(batch) >= DG_SEND_QUEUE_MAX / 4);
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK(queue(&output, &paths[1], data, sizeof data));
    }
    dg_send_batch_flush(batch);
    CHECK_EQ(kernel.sent_count, 1000);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_SEND_FULL), given_up);
    kernel.full_fd = -1;
    size_t waiting = dg_send_batch_waiting(batch);
    dg_send_batch_writable(batch, 0);
    CHECK_EQ(kernel.sent_count, 1000 + waiting);
    for (uint32_t i = 0; i < waiting; i++) {
        CHECK_EQ(kernel.sent[1000 + i].number, i); // the oldest were kept
    }
    kernel.is_on = false;
    dg_send_batch_free(batch);
    dg_socket_group_close(&sockets[0], 1);
    dg_socket_group_close(&sockets[1], 1);
}

// The only listener has the whole queue; when it is used up, whoever wants room is told before anything is sealed.
DG_TEST(batch_full_queue_of_one_listener_says_so)
{
    struct dg_socket socket;
    struct dg_counters counters = {0};
    REQUIRE(listen_on("127.0.0.1:0", &socket));
    struct dg_send_batch *batch = dg_send_batch_new(&socket, 1, &counters);
    REQUIRE(batch != NULL);
    struct dg_output output = dg_send_batch_output(batch);
    kernel_begin();
    kernel.full_fd = socket.fd;
    const struct dg_path path = {.peer = socket.address, .local = socket.address, .listener = socket.listener};
    uint32_t number = 0;
    while (number < 2 * DG_SEND_QUEUE_MAX && queue(&output, &path, &number, sizeof number)) {
        number++;
    }
    CHECK_EQ(number, DG_SEND_QUEUE_MAX);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_SEND_FULL), 0); // the caller counts
    kernel.full_fd = -1;
    dg_send_batch_writable(batch, 0);
    CHECK_EQ(kernel.sent_count, DG_SEND_QUEUE_MAX);
    kernel.is_on = false;
    dg_send_batch_free(batch);
    dg_socket_group_close(&socket, 1);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(batch_answers_from_the_address_that_was_spoken_to),
        DG_CASE(batch_drops_what_is_for_many),
        DG_CASE(batch_drops_what_is_longer_than_any_record),
        DG_CASE(batch_loses_nothing_to_short_counts_and_full_sockets),
        DG_CASE(batch_full_socket_does_not_hold_up_another_listener),
        DG_CASE(batch_full_socket_leaves_room_to_another_listener),
        DG_CASE(batch_full_queue_of_one_listener_says_so),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
