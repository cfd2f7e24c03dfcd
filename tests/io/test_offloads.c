// SPDX-License-Identifier: GPL-3.0-or-later
// What the kernel does for us where it can: datagrams of one peer joined into a message on the way in and split on
// the way out, its count of what it dropped, buffers of the size that was wished for. And what is done where it
// cannot.
#include "check.h"
#include "core/wire_constants.h"
#include "io/receive_batch.h"
#include "io/send_batch.h"
#include "io/sockaddr.h"
#include "refusing_kernel.h"

#include <linux/sock_diag.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static struct dg_socket listener;
static struct dg_counters counters;

static void open_listener(const char *text)
{
    struct dg_address address;
    char error[256];
    memset(&counters, 0, sizeof counters);
    REQUIRE(dg_address_parse(text, &address));
    REQUIRE(dg_socket_group_open(&address, &listener, 1, error, sizeof error));
}

static uint64_t counted(enum dg_counter counter) { return dg_counter_read(&counters, counter); }

static int open_client(struct dg_address *ret_address)
{
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, &listener.address);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, &name.any, size) == 0);
    size = sizeof name;
    CHECK(getsockname(fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, ret_address));
    return fd;
}

static bool wait_readable(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 20000) == 1;
}

// --- on the way in -----------------------------------------------------------------------------------------

#define LOAD 60000
static uint8_t load[LOAD];

// size bytes in one call, which the kernel splits and, towards a socket that wants it, leaves joined.
static void send_joined(int fd, size_t size, uint16_t segment)
{
    REQUIRE(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &(int){segment}, sizeof(int)) == 0);
    REQUIRE(send(fd, load, size, 0) == (ssize_t)size);
}

static void fill_load(void)
{
    struct test_random random = {.state = dg_test_seed()};
    test_random_fill(&random, load, sizeof load);
}

// Everything that waits at the listener is taken: it must be the load in pieces of this size, of this peer.
static void take_load(size_t size, size_t segment, const struct dg_address *peer)
{
    struct dg_receive_batch *batch = dg_receive_batch_new(&listener, 1, &counters);
    REQUIRE(batch != NULL);
    size_t at = 0;
    while (at < size && wait_readable(listener.fd) && dg_receive_batch_read(batch, 0) > 0) {
        struct dg_received *received;
        size_t count;
        while ((count = dg_receive_batch_take(batch, &received)) > 0) {
            CHECK(count <= DG_RECEIVE_BATCH_MAX);
            for (size_t i = 0; i < count; i++) {
                size_t expected = size - at < segment ? size - at : segment;
                CHECK_EQ(received[i].size, expected);
                REQUIRE(received[i].size <= size - at);
                CHECK_MEM(received[i].data, load + at, received[i].size);
                CHECK(dg_address_equal(&received[i].path.peer, peer));
                CHECK(dg_address_equal(&received[i].path.local, &listener.address));
                CHECK_EQ(received[i].path.listener, listener.listener);
                at += received[i].size;
            }
        }
    }
    CHECK_EQ(at, size);
    CHECK_EQ(counted(DG_COUNT_DATAGRAMS_RECEIVED), (size + segment - 1) / segment);
    dg_receive_batch_free(batch);
}

static void joined(const char *listen, size_t size, uint16_t segment)
{
    struct dg_address peer;
    fill_load();
    open_listener(listen);
    int client = open_client(&peer);
    send_joined(client, size, segment);
    take_load(size, segment, &peer);
    close(client);
    dg_socket_group_close(&listener, 1);
}

DG_TEST(offloads_joined_datagrams_are_taken_apart)
{
    joined("127.0.0.1:0", 1000, 100);
    joined("127.0.0.1:0", 950, 100);  // an odd last one
    joined("127.0.0.1:0", 901, 100);  // of one byte
    joined("127.0.0.1:0", 100, 100);  // joined to nothing
    joined("127.0.0.1:0", 60, 30);
    joined("127.0.0.1:0", 54000, 1200);
    joined("[::1]:0", 950, 100);
}

// The kernel really joins: or the case above shows nothing.
DG_TEST(offloads_one_message_is_several_datagrams)
{
    struct dg_address peer;
    fill_load();
    open_listener("127.0.0.1:0");
    REQUIRE(dg_socket_facts(&listener).can_join);
    int client = open_client(&peer);
    send_joined(client, 950, 100);
    struct dg_receive_batch *batch = dg_receive_batch_new(&listener, 1, &counters);
    REQUIRE(batch != NULL && wait_readable(listener.fd));
    CHECK_EQ(dg_receive_batch_read(batch, 0), 1);
    struct dg_received *received;
    CHECK_EQ(dg_receive_batch_take(batch, &received), 10);
    CHECK_EQ(dg_receive_batch_take(batch, &received), 0);
    dg_receive_batch_free(batch);
    close(client);
    dg_socket_group_close(&listener, 1);
}

// More datagrams than one take gives, of two peers by turns, and single ones between: each keeps its own peer.
DG_TEST(offloads_takes_are_bounded_and_peers_are_kept_apart)
{
    enum { ROUNDS = 3, JOINED = 50 };
    struct dg_address peers[2];
    open_listener("127.0.0.1:0");
    int clients[2] = {open_client(&peers[0]), open_client(&peers[1])};
    for (size_t round = 0; round < ROUNDS; round++) {
        for (uint8_t who = 0; who < 2; who++) {
            memset(load, who, sizeof load);
            send_joined(clients[who], JOINED * 64, 64);
            send_joined(clients[who], 40, 64);
        }
    }
    struct dg_receive_batch *batch = dg_receive_batch_new(&listener, 1, &counters);
    REQUIRE(batch != NULL);
    size_t by_peer[2] = {0};
    size_t full = 0;
    while (by_peer[0] + by_peer[1] < (size_t)2 * ROUNDS * (JOINED + 1) && wait_readable(listener.fd) &&
           dg_receive_batch_read(batch, 0) > 0) {
        struct dg_received *received;
        size_t count;
        while ((count = dg_receive_batch_take(batch, &received)) > 0) {
            full += count == DG_RECEIVE_BATCH_MAX;
            for (size_t i = 0; i < count; i++) {
                uint8_t who = received[i].data[0];
                REQUIRE(who < 2);
                CHECK(dg_address_equal(&received[i].path.peer, &peers[who]));
                by_peer[who]++;
            }
        }
    }
    CHECK_EQ(by_peer[0], ROUNDS * (JOINED + 1));
    CHECK_EQ(by_peer[1], ROUNDS * (JOINED + 1));
    CHECK(full > 0);
    dg_receive_batch_free(batch);
    close(clients[0]);
    close(clients[1]);
    dg_socket_group_close(&listener, 1);
}

// --- what the kernel drops ---------------------------------------------------------------------------------

static uint32_t drops_of(int fd)
{
    uint32_t facts[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof facts;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, facts, &size) == 0);
    return facts[SK_MEMINFO_DROPS];
}

static void read_all(struct dg_receive_batch *batch)
{
    while (dg_receive_batch_read(batch, 0) > 0) {
        struct dg_received *received;
        while (dg_receive_batch_take(batch, &received) > 0) {
        }
    }
}

// Nobody reads while more comes than the buffer holds; what comes afterwards tells how much was lost.
static void overflow(int client, struct dg_receive_batch *batch)
{
    for (unsigned i = 0; i < 300; i++) {
        CHECK_EQ(send(client, load, 1000, 0), 1000);
    }
    read_all(batch);
    CHECK_EQ(send(client, load, 5, 0), 5);
    CHECK(wait_readable(listener.fd));
    read_all(batch);
}

DG_TEST(offloads_what_the_kernel_drops_is_counted_once)
{
    struct dg_address peer;
    open_listener("127.0.0.1:0");
    REQUIRE(setsockopt(listener.fd, SOL_SOCKET, SO_RCVBUF, &(int){8192}, sizeof(int)) == 0);
    int client = open_client(&peer);
    struct dg_receive_batch *batch = dg_receive_batch_new(&listener, 1, &counters);
    REQUIRE(batch != NULL);
    overflow(client, batch);
    uint64_t first = counted(DG_COUNT_DROP_KERNEL);
    CHECK(first > 100);
    CHECK_EQ(first, drops_of(listener.fd));
    overflow(client, batch); // the kernel's number goes on, and ours goes on by the difference
    CHECK(counted(DG_COUNT_DROP_KERNEL) > first);
    CHECK_EQ(counted(DG_COUNT_DROP_KERNEL), drops_of(listener.fd));
    CHECK_EQ(counted(DG_COUNT_DATAGRAMS_RECEIVED) + counted(DG_COUNT_DROP_KERNEL), 602);
    dg_receive_batch_free(batch);

    // A process that goes on with the socket does not count again what the one before has seen.
    uint32_t before = drops_of(listener.fd);
    memset(&counters, 0, sizeof counters);
    batch = dg_receive_batch_new(&listener, 1, &counters);
    REQUIRE(batch != NULL);
    overflow(client, batch);
    CHECK_EQ(counted(DG_COUNT_DROP_KERNEL), drops_of(listener.fd) - before);
    dg_receive_batch_free(batch);
    close(client);
    dg_socket_group_close(&listener, 1);
}

// What waits in a socket that another process has left carries the count of when it came.
DG_TEST(offloads_a_process_that_goes_on_does_not_count_drops_backwards)
{
    struct dg_address peer;
    open_listener("127.0.0.1:0");
    REQUIRE(setsockopt(listener.fd, SOL_SOCKET, SO_RCVBUF, &(int){8192}, sizeof(int)) == 0);
    int client = open_client(&peer);
    struct dg_receive_batch *batch = dg_receive_batch_new(&listener, 1, &counters);
    REQUIRE(batch != NULL);
    overflow(client, batch);
    dg_receive_batch_free(batch);
    for (unsigned i = 0; i < 300; i++) { // the first of them carry a smaller count than stands at the end
        CHECK_EQ(send(client, load, 1000, 0), 1000);
    }
    memset(&counters, 0, sizeof counters);
    batch = dg_receive_batch_new(&listener, 1, &counters);
    REQUIRE(batch != NULL);
    read_all(batch);
    CHECK_EQ(counted(DG_COUNT_DROP_KERNEL), 0);
    dg_receive_batch_free(batch);
    close(client);
    dg_socket_group_close(&listener, 1);
}

static size_t limit_of(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t limit = 0;
    CHECK(file != NULL && fscanf(file, "%zu", &limit) == 1);
    if (file != NULL) {
        fclose(file);
    }
    return limit;
}

// Forced where that is allowed; else what the host allows everybody.
DG_TEST(offloads_buffers_are_as_large_as_the_host_allows)
{
    open_listener("127.0.0.1:0");
    const struct dg_socket_facts facts = dg_socket_facts(&listener);
    size_t limit = limit_of("/proc/sys/net/core/rmem_max");
    size_t most = limit < DG_SOCKET_RECEIVE_BYTES ? limit : DG_SOCKET_RECEIVE_BYTES;
    CHECK(facts.receive_bytes == DG_SOCKET_RECEIVE_BYTES || facts.receive_bytes == most);
    limit = limit_of("/proc/sys/net/core/wmem_max");
    most = limit < DG_SOCKET_SEND_BYTES ? limit : DG_SOCKET_SEND_BYTES;
    CHECK(facts.send_bytes == DG_SOCKET_SEND_BYTES || facts.send_bytes == most);
    // What a host with a lower limit reports.
    CHECK_EQ(setsockopt(listener.fd, SOL_SOCKET, SO_RCVBUF, &(int){65536}, sizeof(int)), 0);
    CHECK_EQ(dg_socket_facts(&listener).receive_bytes, 65536);
    dg_socket_group_close(&listener, 1);
}

// --- on the way out ----------------------------------------------------------------------------------------

static struct dg_send_batch *start_sending(void)
{
    open_listener("127.0.0.1:0");
    CHECK(dg_socket_facts(&listener).can_segment);
    struct dg_send_batch *batch = dg_send_batch_new(&listener, 1, &counters);
    CHECK(batch != NULL);
    kernel_begin();
    kernel.takes_all = true;
    return batch;
}

static void stop_sending(struct dg_send_batch *batch)
{
    kernel.is_on = false;
    dg_send_batch_free(batch);
    dg_socket_group_close(&listener, 1);
}

static uint32_t queued;

// To the peer with this port, from 127.0.0.x; numbered one after the other.
static void queue(struct dg_send_batch *batch, uint16_t port, uint8_t from, size_t size)
{
    static uint8_t bytes[DG_DATAGRAM_MAX];
    const struct dg_output output = dg_send_batch_output(batch);
    struct dg_path path = {.peer = listener.address, .local = listener.address, .listener = listener.listener};
    path.peer.port = port;
    path.local.ip[15] = from;
    uint8_t *room = output.reserve(output.context, size);
    REQUIRE(room != NULL);
    memcpy(bytes, &queued, sizeof queued);
    queued++;
    memcpy(room, bytes, size);
    output.commit(output.context, &path, size);
}

// The messages that the kernel got are of so many datagrams each; every datagram once, in order.
static void check_messages(const size_t *expected, size_t count)
{
    CHECK_EQ(kernel.message_count, count);
    for (size_t i = 0; i < count && i < kernel.message_count; i++) {
        CHECK_MSG(kernel.segments[i] == expected[i], "message %zu: %zu datagrams, not %zu", i, kernel.segments[i],
                  expected[i]);
    }
    CHECK_EQ(kernel.sent_count, queued);
    for (uint32_t i = 0; i < kernel.sent_count; i++) {
        CHECK_EQ(kernel.sent[i].number, i);
    }
    CHECK_EQ(counted(DG_COUNT_DATAGRAMS_SENT), queued);
}

static void sizes_go_as(const size_t *sizes, size_t size_count, const size_t *expected, size_t count)
{
    struct dg_send_batch *batch = start_sending();
    queued = 0;
    for (size_t i = 0; i < size_count; i++) {
        queue(batch, 9, 1, sizes[i]);
    }
    dg_send_batch_flush(batch);
    check_messages(expected, count);
    for (size_t i = 0; i < size_count; i++) {
        CHECK_EQ(kernel.sent[i].size, sizes[i]);
    }
    stop_sending(batch);
}
#define SIZES(...) (const size_t[]){__VA_ARGS__}, sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t)

DG_TEST(offloads_runs_of_one_size_are_one_message)
{
    sizes_go_as(SIZES(100, 100, 100, 100, 100), SIZES(5));
    sizes_go_as(SIZES(100, 100, 60, 100, 100), SIZES(3, 2)); // only the last of a message may be shorter
    sizes_go_as(SIZES(100, 120, 120), SIZES(1, 2));          // and none longer
    sizes_go_as(SIZES(100, 60, 60, 60), SIZES(2, 2));
    sizes_go_as(SIZES(4, 5, 6, 7), SIZES(1, 1, 1, 1));
    sizes_go_as(SIZES(16000, 16000, 16000, 16000, 16000), SIZES(4, 1)); // as much as one IP packet holds
}

DG_TEST(offloads_runs_end_where_the_peer_or_our_address_changes)
{
    struct dg_send_batch *batch = start_sending();
    queued = 0;
    queue(batch, 9, 1, 100);
    queue(batch, 9, 1, 100);
    queue(batch, 8, 1, 100);
    queue(batch, 8, 2, 100);
    queue(batch, 8, 2, 100);
    queue(batch, 9, 2, 100);
    dg_send_batch_flush(batch);
    check_messages(SIZES(2, 1, 2, 1));
    stop_sending(batch);
}

DG_TEST(offloads_runs_are_no_longer_than_the_kernel_takes)
{
    struct dg_send_batch *batch = start_sending();
    queued = 0;
    for (unsigned i = 0; i < 150; i++) {
        queue(batch, 9, 1, 50);
    }
    dg_send_batch_flush(batch);
    check_messages(SIZES(64, 64, 22));
    stop_sending(batch);
}

// A device that cannot compute checksums: at once one by one, and from then on without another try.
DG_TEST(offloads_without_checksums_all_go_one_by_one)
{
    struct dg_send_batch *batch = start_sending();
    kernel.segment_code = EIO;
    queued = 0;
    for (unsigned turn = 0; turn < 3; turn++) {
        for (unsigned i = 0; i < 10; i++) {
            queue(batch, 9, 1, 100);
        }
        dg_send_batch_flush(batch);
    }
    CHECK_EQ(dg_send_batch_waiting(batch), 0);
    CHECK_EQ(kernel.sent_count, 30);
    CHECK_EQ(kernel.message_count, 30);
    CHECK_EQ(kernel.unsplit, 1);
    CHECK_EQ(counted(DG_COUNT_SEGMENTATION_REFUSED), 1);
    CHECK_EQ(counted(DG_COUNT_DROP_SEND_ERROR), 0);
    stop_sending(batch);
}

// Above the path's MTU the kernel does not split, but it still sends fragments: this run goes one by one, the next
// is tried.
DG_TEST(offloads_a_refused_run_goes_one_by_one)
{
    struct dg_send_batch *batch = start_sending();
    kernel.segment_code = EINVAL;
    queued = 0;
    for (unsigned turn = 0; turn < 2; turn++) {
        queue(batch, 7, 1, 40); // one that is taken first
        for (unsigned i = 0; i < 10; i++) {
            queue(batch, 9, 1, 100);
        }
        queue(batch, 8, 1, 200);
        dg_send_batch_flush(batch);
    }
    CHECK_EQ(kernel.message_count, 24);
    CHECK_EQ(kernel.unsplit, 2);
    CHECK_EQ(counted(DG_COUNT_SEGMENTATION_REFUSED), 2);
    kernel.segment_code = 0;
    for (unsigned i = 0; i < 10; i++) {
        queue(batch, 9, 1, 100);
    }
    dg_send_batch_flush(batch);
    CHECK_EQ(kernel.segments[24], 10);
    CHECK_EQ(kernel.sent_count, 34);
    for (uint32_t i = 0; i < kernel.sent_count; i++) {
        CHECK_EQ(kernel.sent[i].number, i);
    }
    stop_sending(batch);
}

// Through the real kernel: the client gets single datagrams, as long as they were, from where it spoke to.
DG_TEST(offloads_split_messages_arrive_as_they_were)
{
    static const size_t sizes[] = {700, 700, 700, 300, 64, 64, 64, 64, 64, 63, 1, 0, 1200};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct dg_address peer;
    fill_load();
    open_listener("127.0.0.1:0");
    int client = open_client(&peer); // connected: it takes nothing from another address
    struct dg_send_batch *batch = dg_send_batch_new(&listener, 1, &counters);
    REQUIRE(batch != NULL);
    const struct dg_output output = dg_send_batch_output(batch);
    const struct dg_path path = {.peer = peer, .local = listener.address, .listener = listener.listener};
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t *room = output.reserve(output.context, sizes[i]);
        REQUIRE(room != NULL);
        memcpy(room, load + i, sizes[i]);
        output.commit(output.context, &path, sizes[i]);
    }
    dg_send_batch_flush(batch);
    CHECK_EQ(dg_send_batch_waiting(batch), 0);
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t got[2048];
        REQUIRE(wait_readable(client));
        CHECK_EQ(recv(client, got, sizeof got, 0), sizes[i]);
        CHECK_MEM(got, load + i, sizes[i]);
    }
    CHECK_EQ(counted(DG_COUNT_DATAGRAMS_SENT), COUNT);
    CHECK_EQ(counted(DG_COUNT_SEGMENTATION_REFUSED) + counted(DG_COUNT_DROP_SEND_ERROR), 0);
    dg_send_batch_free(batch);
    close(client);
    dg_socket_group_close(&listener, 1);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(offloads_joined_datagrams_are_taken_apart),
        DG_CASE(offloads_one_message_is_several_datagrams),
        DG_CASE(offloads_takes_are_bounded_and_peers_are_kept_apart),
        DG_CASE(offloads_what_the_kernel_drops_is_counted_once),
        DG_CASE(offloads_a_process_that_goes_on_does_not_count_drops_backwards),
        DG_CASE(offloads_buffers_are_as_large_as_the_host_allows),
        DG_CASE(offloads_runs_of_one_size_are_one_message),
        DG_CASE(offloads_runs_end_where_the_peer_or_our_address_changes),
        DG_CASE(offloads_runs_are_no_longer_than_the_kernel_takes),
        DG_CASE(offloads_without_checksums_all_go_one_by_one),
        DG_CASE(offloads_a_refused_run_goes_one_by_one),
        DG_CASE(offloads_split_messages_arrive_as_they_were),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
