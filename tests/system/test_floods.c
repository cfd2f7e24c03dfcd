// SPDX-License-Identifier: GPL-3.0-or-later
// A flood is a non-event: while hellos, junk, forged records and a storm of honest handshakes come as fast as a
// thread can send them, those who are in are served, nobody new gets in by it, and nothing grows. A live server
// and real sockets; sources all over 127/8.
// ctest: serial timeout=300
#include "check.h"

#include "support/first_hello.h"
#include "support/live_client.h"
#include "support/random.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FLOOD 20000u
#define STORM 60u
#else
#define FLOOD 100000u
#define STORM 300u
#endif
#define INSIDERS 12u
#define DATAGRAM_MAX 1500

// --- the flood --------------------------------------------------------------------------------------------

struct flood {
    pthread_t thread;
    _Atomic bool is_over;
    struct test_random random;
    const dtlsgate_server *gate;
    const char *counter;           // what must have come of it
    struct sockaddr_in server;
    int fd;
    uint32_t sources; // how many addresses of 127/8 it says that it comes from
    // Makes the next datagram. Returns its size.
    size_t (*make)(struct flood *flood, uint8_t datagram[DATAGRAM_MAX]);
    uint8_t sample[DATAGRAM_MAX]; // of what it is made
    size_t sample_size;
    uint8_t cids[INSIDERS][255];
    size_t cid_size;
};

static void send_from(struct flood *flood, const uint8_t *datagram, size_t size)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec vector = {.iov_base = (void *)(uintptr_t)datagram, .iov_len = size};
    struct msghdr message = {.msg_name = &flood->server,
                             .msg_namelen = sizeof flood->server,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    uint32_t source = (UINT32_C(127) << 24 | UINT32_C(64) << 16) + 1 +
                      (uint32_t)test_random_below(&flood->random, flood->sources);
    struct in_pktinfo info = {.ipi_spec_dst = {.s_addr = htonl(source)}};
    control.head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
    memcpy(CMSG_DATA(&control.head), &info, sizeof info);
    (void)!sendmsg(flood->fd, &message, 0); // what does not go out is no flood
}

static bool has_shown(const struct flood *flood)
{
    return dtlsgate_server_counter(flood->gate, flood->counter) > FLOOD / 1000;
}

// A machine that has little time for the server drops most of it at the socket: then it takes more.
static void *run(void *context)
{
    struct flood *flood = context;
    uint8_t datagram[DATAGRAM_MAX];
    for (uint32_t i = 0; i < FLOOD || (i < 20 * FLOOD && !has_shown(flood)); i++)
        send_from(flood, datagram, flood->make(flood, datagram));
    atomic_store(&flood->is_over, true);
    return NULL;
}

static void flood_begin(struct flood *flood, const dtlsgate_server *server)
{
    flood->random.state = dg_test_seed();
    flood->gate = server;
    flood->server = (struct sockaddr_in){.sin_family = AF_INET,
                                         .sin_port = htons(dtlsgate_server_port(server, 0)),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    flood->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (flood->fd < 0 || pthread_create(&flood->thread, NULL, run, flood) != 0)
        abort();
}

static void flood_end(struct flood *flood)
{
    pthread_join(flood->thread, NULL);
    close(flood->fd);
}

// --- those who are in -------------------------------------------------------------------------------------

struct gate {
    struct live_psk psk;
    dtlsgate_server *server;
    struct live_client *insiders[INSIDERS];
    size_t heap_before;
};

static size_t heap_now(void) { return mallinfo2().uordblks; }

static bool gate_open(struct gate *gate)
{
    live_psk_make(&gate->psk);
    gate->server = live_server_start(&gate->psk);
    for (unsigned i = 0; i < INSIDERS; i++) {
        const struct live_visit visit = {.version = i % 4 < 2 ? 12 : 13, .has_cid = i % 2 == 0};
        gate->insiders[i] = live_client_open(gate->server, &gate->psk, &visit);
        if (!gate->insiders[i] || !live_client_echo(gate->insiders[i], i))
            return false;
    }
    gate->heap_before = heap_now();
    return true;
}

static void gate_close(struct gate *gate)
{
    for (unsigned i = 0; i < INSIDERS; i++)
        live_client_free(gate->insiders[i]);
    dtlsgate_server_free(gate->server);
    live_psk_remove(&gate->psk);
}

struct answers {
    unsigned asked, missing;
};

// Everybody in turn asks until the flood is over, each a last time after it.
static struct answers ask_during(struct gate *gate, struct flood *flood)
{
    struct answers answers = {0};
    for (bool last = false; !last;) {
        last = atomic_load(&flood->is_over);
        for (unsigned i = 0; i < INSIDERS; i++, answers.asked++)
            answers.missing += !live_client_echo(gate->insiders[i], answers.asked);
    }
    return answers;
}

static uint64_t count(const struct gate *gate, const char *name) { return dtlsgate_server_counter(gate->server, name); }

static void check_nothing_came_of_it(struct gate *gate)
{
    CHECK_EQ(dtlsgate_server_associations(gate->server), INSIDERS);
    CHECK_EQ(count(gate, "handshakes_started"), INSIDERS);
#ifndef __SANITIZE_ADDRESS__ // its allocator does not say
    size_t now = heap_now();
    CHECK_MSG(now <= gate->heap_before + 65536, "%zu bytes of heap, %zu before", now, gate->heap_before);
#endif
    const struct live_visit newcomer = {.version = 13, .has_cid = true, .echoes = 1};
    CHECK(live_server_visit(gate->server, &gate->psk, &newcomer));
}

// The socket filter keeps what comes for the front out of the worker's queue: nobody who is in loses anything.
static void run_past_the_front(struct flood *flood)
{
    struct gate gate;
    REQUIRE(gate_open(&gate));
    flood_begin(flood, gate.server);
    struct answers answers = ask_during(&gate, flood);
    flood_end(flood);
    CHECK_MSG(answers.missing == 0, "%u of %u messages were not answered", answers.missing, answers.asked);
    CHECK_MSG(has_shown(flood), "%s: %llu", flood->counter, (unsigned long long)count(&gate, flood->counter));
    check_nothing_came_of_it(&gate);
    gate_close(&gate);
}

// --- hellos -----------------------------------------------------------------------------------------------

static size_t make_hello(struct flood *flood, uint8_t datagram[DATAGRAM_MAX])
{
    memcpy(datagram, flood->sample, flood->sample_size);
    test_random_fill(&flood->random, datagram + FIRST_HELLO_RANDOM_AT, FIRST_HELLO_RANDOM);
    return flood->sample_size;
}

DG_TEST(flood_of_hellos_1_2_from_spoofed_sources_disturbs_nobody)
{
    static struct flood flood = {.sources = 1u << 20, .make = make_hello, .counter = "hellos_answered"};
    flood.sample_size = first_hello(12, flood.sample, sizeof flood.sample);
    run_past_the_front(&flood);
}

DG_TEST(flood_of_hellos_1_3_from_spoofed_sources_disturbs_nobody)
{
    static struct flood flood = {.sources = 1u << 20, .make = make_hello, .counter = "hellos_answered"};
    flood.sample_size = first_hello(13, flood.sample, sizeof flood.sample);
    run_past_the_front(&flood);
}

DG_TEST(flood_of_hellos_from_one_source_is_answered_at_a_limited_rate)
{
    static struct flood flood = {.sources = 1, .make = make_hello, .counter = "drop_answer_limited"};
    flood.sample_size = first_hello(12, flood.sample, sizeof flood.sample);
    run_past_the_front(&flood);
}

// --- junk -------------------------------------------------------------------------------------------------

static size_t make_junk(struct flood *flood, uint8_t datagram[DATAGRAM_MAX])
{
    size_t size = 1 + test_random_below(&flood->random, 200);
    test_random_fill(&flood->random, datagram, size);
    datagram[0] &= 0x0f; // no content type that there is: all of it is the front's
    return size;
}

DG_TEST(flood_of_junk_disturbs_nobody)
{
    static struct flood flood = {.sources = 1000, .make = make_junk, .counter = "drop_unknown_type"};
    run_past_the_front(&flood);
}

// --- forged records ---------------------------------------------------------------------------------------

// A record of DTLS 1.2 with a live connection ID (RFC 9146 4): all but the key.
static size_t make_forged(struct flood *flood, uint8_t datagram[DATAGRAM_MAX])
{
    size_t body = 24 + test_random_below(&flood->random, 40);
    const uint8_t *cid = flood->cids[test_random_below(&flood->random, INSIDERS)];
    const uint8_t head[] = {25, 0xfe, 0xfd, 0, 1, 0, 0};
    memcpy(datagram, head, sizeof head);
    test_random_fill(&flood->random, datagram + 7, 4);
    memcpy(datagram + 11, cid, flood->cid_size);
    size_t at = 11 + flood->cid_size;
    datagram[at++] = 0;
    datagram[at++] = (uint8_t)body;
    test_random_fill(&flood->random, datagram + at, body);
    return at + body;
}

// The connection IDs of those who have one; at_one: all the same, hence one shard, one association.
static void aim_at(struct flood *flood, struct gate *gate, bool at_one)
{
    for (unsigned i = 0; i < INSIDERS; i++) {
        struct live_client *aimed = gate->insiders[at_one ? 0 : i / 4 * 4]; // 1.2, with a connection ID
        flood->cid_size = live_client_server_cid(aimed, flood->cids[i]);
    }
}

// These do come into the worker's queue, which may be full when an honest datagram arrives: as on any network, it is
// then sent again. What must hold: it comes through, and nothing forged has any effect.
static void run_against_associations(struct flood *flood, bool at_one)
{
    struct gate gate;
    REQUIRE(gate_open(&gate));
    aim_at(flood, &gate, at_one);
    REQUIRE(flood->cid_size > 0);
    uint64_t delivered = count(&gate, "plaintext_delivered");
    flood_begin(flood, gate.server);
    unsigned asked = 0, sent = 0;
    for (bool last = false; !last;) {
        last = atomic_load(&flood->is_over);
        for (unsigned i = 0; i < INSIDERS; i++) {
            unsigned times = live_client_echo_repeated(gate.insiders[i], asked++);
            CHECK_MSG(times > 0, "message %u was never answered", asked);
            sent += times;
        }
    }
    flood_end(flood);
    uint64_t now = count(&gate, "plaintext_delivered") - delivered;
    CHECK_MSG(now >= asked && now <= sent, "%llu delivered, %u sent", (unsigned long long)now, sent);
    CHECK(count(&gate, "drop_forged") > 0);
    CHECK_MSG(has_shown(flood), "%s: %llu", flood->counter, (unsigned long long)count(&gate, flood->counter));
    CHECK_EQ(count(&gate, "paths_moved") + count(&gate, "path_checks"), 0);
    check_nothing_came_of_it(&gate);
    gate_close(&gate);
}

DG_TEST(flood_of_forged_records_for_live_connection_ids_changes_nothing)
{
    static struct flood flood = {.sources = 1000, .make = make_forged, .counter = "drop_open_paced"};
    run_against_associations(&flood, false);
}

DG_TEST(flood_of_forged_records_at_one_shard_and_association_changes_nothing)
{
    static struct flood flood = {.sources = 1, .make = make_forged, .counter = "drop_open_paced"};
    run_against_associations(&flood, true);
}

// --- everybody at once ------------------------------------------------------------------------------------

struct crowd {
    pthread_t thread;
    _Atomic bool is_over;
    struct gate *gate;
    unsigned number, came_in;
};

static void *come_in(void *context)
{
    struct crowd *crowd = context;
    for (unsigned i = 0; i < STORM; i++) {
        const struct live_visit visit = {
            .version = i % 2 ? 13 : 12, .has_cid = i % 4 < 2, .vanishes = true, .echoes = 1};
        crowd->came_in += live_server_visit(crowd->gate->server, &crowd->gate->psk, &visit);
    }
    atomic_store(&crowd->is_over, true);
    return NULL;
}

#define CROWDS 16u

DG_TEST(storm_of_honest_handshakes_lets_everybody_in_and_disturbs_nobody)
{
    struct gate gate;
    static struct crowd crowds[CROWDS];
    REQUIRE(gate_open(&gate));
    for (unsigned i = 0; i < CROWDS; i++) {
        crowds[i] = (struct crowd){.gate = &gate, .number = i};
        REQUIRE(pthread_create(&crowds[i].thread, NULL, come_in, &crowds[i]) == 0);
    }
    unsigned asked = 0, missing = 0, came_in = 0;
    for (unsigned i = 0; i < CROWDS; i++)
        for (; !atomic_load(&crowds[i].is_over); asked++)
            missing += !live_client_echo(gate.insiders[asked % INSIDERS], asked);
    for (unsigned i = 0; i < CROWDS; i++) {
        pthread_join(crowds[i].thread, NULL);
        came_in += crowds[i].came_in;
    }
    CHECK_EQ(came_in, CROWDS * STORM);
    CHECK_MSG(missing == 0, "%u of %u messages were not answered", missing, asked);
    gate_close(&gate);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(flood_of_hellos_1_2_from_spoofed_sources_disturbs_nobody),
        DG_CASE(flood_of_hellos_1_3_from_spoofed_sources_disturbs_nobody),
        DG_CASE(flood_of_hellos_from_one_source_is_answered_at_a_limited_rate),
        DG_CASE(flood_of_junk_disturbs_nobody),
        DG_CASE(flood_of_forged_records_for_live_connection_ids_changes_nothing),
        DG_CASE(flood_of_forged_records_at_one_shard_and_association_changes_nothing),
        DG_CASE(storm_of_honest_handshakes_lets_everybody_in_and_disturbs_nobody),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
