// SPDX-License-Identifier: GPL-3.0-or-later
// A server of real loops, sockets, rings and threads around the stand-ins, and clients that speak to it.
#ifndef DG_TESTS_IO_LOOP_SERVER_H
#define DG_TESTS_IO_LOOP_SERVER_H

#include "backend/echo.h"
#include "core/balance.h"
#include "io/clock.h"
#include "io/front_loop.h"
#include "io/leftovers.h"
#include "io/sockaddr.h"
#include "io/steer_filter.h"
#include "io/threads.h"
#include "io/worker_loop.h"
#include "stand_ins.h"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

struct server {
    uint32_t workers;
    struct dg_mesh *mesh;
    struct dg_memory memory;
    struct dg_memory_header header;
    struct dg_socket sockets[1 + WORKERS_MAX];
    struct dg_counters counters[1 + WORKERS_MAX];
    struct dg_front_loop *front;
    struct dg_worker_loop *worker[WORKERS_MAX];
    struct dg_thread threads[1 + WORKERS_MAX];
    _Atomic uint32_t opened, closed, no_room;
    void *_Atomic replaced_gate;
    _Atomic uint32_t policies_replaced; // the first one
};

static void count_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                         const struct dg_handover *handover)
{
    (void)now, (void)ref, (void)slot, (void)handover;
    ((struct server *)context)->opened++;
}
static void count_no_room(void *context, const void *policy, dg_time now, const struct dg_handover *handover,
                          enum dg_counter reason, uint16_t rule)
{
    struct server *server = context;
    (void)policy, (void)now, (void)handover, (void)rule;
    server->no_room += reason == DG_COUNT_TABLE_FULL;
}

static void count_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                         struct dg_bytes identity, enum dg_counter reason)
{
    (void)now, (void)ref, (void)slot, (void)identity, (void)reason;
    ((struct server *)context)->closed++;
}
static void keep_gate(void *context, void *gate) { ((struct server *)context)->replaced_gate = gate; }

static struct dg_backend make_echo(void *context, uint16_t number, const struct dg_backend_sink *sink, uint32_t worker,
                                   uint32_t worker_count, struct dg_counters *counters, char *error, size_t error_size)
{
    (void)context, (void)number, (void)worker, (void)worker_count, (void)counters, (void)error, (void)error_size;
    return dg_backend_echo_new(sink);
}

static int first_gate, second_gate, first_policy, second_policy, third_policy;

#define SECOND_GENERATION 10
#define THIRD_GENERATION 11

static uint32_t take_policy(void *context, const void *policy, struct dg_engine_config *config)
{
    (void)context, (void)config;
    return policy == &third_policy ? THIRD_GENERATION : policy == &second_policy ? SECOND_GENERATION : 1;
}

static void count_policy(void *context, void *policy)
{
    ((struct server *)context)->policies_replaced += policy == &first_policy;
}

static struct server *server_start(const char *listen, uint32_t workers, bool with_filter)
{
    struct server *server = calloc(1, sizeof *server);
    struct dg_address address;
    char error[256] = "memory";
    bool is_made = server != NULL && dg_address_parse(listen, &address) &&
                   dg_socket_group_open(&address, server->sockets, 1 + workers, error, sizeof error) &&
                   (server->mesh = dg_mesh_new(dg_mesh_size(workers), DG_MESH_RING_BYTES)) != NULL;
    if (!is_made) {
        abort();
    }
    server->workers = workers;
    server->header.steer = (struct dg_steer){.shard_count = 16, .seed = (uint32_t)dg_test_seed(), .cid_size = DG_CID_SIZE_DEFAULT};
    server->memory.header = &server->header;
    if (with_filter) {
        CHECK(dg_steer_filter_attach(server->sockets[0].fd, &server->header.steer, workers));
    }
    const struct dg_front_loop_config front = {
        .worker_count = workers,
        .mesh = server->mesh,
        .sockets = &server->sockets[0],
        .socket_count = 1,
        .steer = server->header.steer,
        .gate = &first_gate,
        .hooks = {.context = server, .gate_replaced = keep_gate},
        .counters = &server->counters[0],
    };
    server->front = dg_front_loop_new(&front, error, sizeof error);
    bool is_started = server->front != NULL &&
                      dg_thread_start(&server->threads[0], "front", dg_front_loop_run, server->front);
    for (uint32_t i = 0; i < workers; i++) {
        const struct dg_worker_loop_config worker = {
            .worker = i,
            .worker_count = workers,
            .mesh = server->mesh,
            .sockets = &server->sockets[1 + i],
            .socket_count = 1,
            .memory = &server->memory,
            .engine = dg_engine_config_default(),
            .backend = {.make = make_echo},
            .hooks = {.context = server, .opened = count_opened, .refused = count_no_room, .closed = count_closed,
                      .policy_taken = take_policy, .policy_replaced = count_policy},
            .counters = &server->counters[1 + i],
            .policy = &first_policy,
            .policy_generation = 1,
        };
        server->worker[i] = dg_worker_loop_new(&worker, error, sizeof error);
        is_started = is_started && server->worker[i] != NULL &&
                     dg_thread_start(&server->threads[1 + i], "worker", dg_worker_loop_run, server->worker[i]);
    }
    CHECK_MSG(is_started, "%s", error);
    return server;
}

static uint64_t count_all(const struct server *server, enum dg_counter counter)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= server->workers; i++) {
        sum += dg_counter_read(&server->counters[i], counter);
    }
    return sum;
}

static void server_join(struct server *server, enum dg_stop how)
{
    dg_front_loop_stop(server->front, how);
    for (uint32_t i = 0; i < server->workers; i++) {
        dg_worker_loop_stop(server->worker[i], how);
    }
    for (uint32_t i = 0; i <= server->workers; i++) {
        dg_thread_join(&server->threads[i]);
    }
}

static void server_free(struct server *server)
{
    const struct dg_counters *sets[1 + WORKERS_MAX];
    struct dg_imbalance found = {.text = "", .name = ""};
    dg_leftovers_count(server->mesh, dg_mesh_size(server->workers), &server->counters[0]);
    for (uint32_t i = 0; i <= server->workers; i++) {
        sets[i] = &server->counters[i];
    }
    bool is_balanced = dg_counters_balance(sets, 1 + server->workers, &found); // before found is read
    CHECK_MSG(is_balanced, "%s: %s is %llu, its parts %llu", found.text,
              found.name, (unsigned long long)found.whole, (unsigned long long)found.parts);
    dg_front_loop_free(server->front);
    for (uint32_t i = 0; i < server->workers; i++) {
        dg_worker_loop_free(server->worker[i]);
    }
    dg_mesh_free(server->mesh);
    dg_socket_group_close(server->sockets, 1 + server->workers);
    free(server);
}

struct client {
    int fd;
    struct dg_address address;
};

static bool client_open(struct client *client, const struct server *server)
{
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, &server->sockets[0].address);
    client->fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, &name.any, size) != 0) {
        return false;
    }
    size = sizeof name;
    return getsockname(client->fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, &client->address);
}

// The answer's thread and what was passed on; false: none within two seconds.
static bool client_hear(const struct client *client, uint32_t number, uint8_t *ret_thread, uint8_t *ret_passed_on)
{
    struct pollfd polled = {.fd = client->fd, .events = POLLIN};
    uint8_t answer[ANSWER_SIZE];
    uint32_t answered;
    if (poll(&polled, 1, 20000) != 1 || recv(client->fd, answer, sizeof answer, 0) != ANSWER_SIZE) {
        return false;
    }
    memcpy(&answered, answer + 1, sizeof answered);
    *ret_thread = answer[0];
    *ret_passed_on = answer[5];
    return answered == number;
}

#define DATAGRAM_SIZE 40
static void client_say(const struct client *client, uint8_t *data, uint32_t number, uint8_t mark)
{
    memcpy(data + DATAGRAM_SIZE - 5, &number, sizeof number);
    data[DATAGRAM_SIZE - 1] = mark;
    CHECK_EQ(send(client->fd, data, DATAGRAM_SIZE, 0), DATAGRAM_SIZE);
}

static bool wait_for(const _Atomic uint32_t *value, uint32_t expected)
{
    dg_time until = dg_clock_now() + 20 * DG_SECOND;
    while (*value != expected && dg_clock_now() < until) {
        sched_yield();
    }
    return *value == expected;
}

#endif
