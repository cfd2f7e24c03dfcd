// SPDX-License-Identifier: GPL-3.0-or-later
// The front's and the workers' loops with real sockets, rings and threads around a stand-in engine and front
// that are defined here: they say which thread got what, and answer. No cryptography, no protocol.
#include "backend/echo.h"
#include "check.h"
#include "core/cid.h"
#include "io/clock.h"
#include "io/front_loop.h"
#include "io/sockaddr.h"
#include "io/steer_filter.h"
#include "io/threads.h"
#include "io/worker_loop.h"
#include "support/random.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MAX 4
#define ANSWER_SIZE 6
// The last byte of a datagram tells the stand-ins what to do.
#define MARK_KNOWN 'K'   // answer
#define MARK_UNKNOWN 'U' // name no association
#define MARK_FORWARD 'F' // front: forward it
#define MARK_HAND 'H'    // front: finish a handshake, with two early records

// --- the stand-in engine ---------------------------------------------------------------------------------

struct dg_engine {
    struct dg_output output;
    struct dg_engine_hooks hooks;
    struct dg_counters *counters;
    struct dg_path path; // of the datagram in hand
    uint32_t worker;
    _Atomic uint32_t live, taken_over, early, replaced, closed, generation;
    _Atomic uint64_t early_order; // first bytes of the early records, one after the other
    bool is_draining;
    _Atomic bool is_full; // refuses hand-overs
};
static struct dg_engine *engines[WORKERS_MAX];

static bool answer_path(const struct dg_output *output, const struct dg_path *path, const uint8_t *data, size_t size)
{
    uint8_t *room = output->reserve(output->context, size);
    if (room == NULL) {
        return false;
    }
    memcpy(room, data, size);
    output->commit(output->context, path, size);
    return true;
}

struct dg_engine_config dg_engine_config_default(void) { return (struct dg_engine_config){.datagram_max = 1200}; }

struct dg_engine *dg_engine_new(const struct dg_engine_config *config, const struct dg_memory *memory,
                                const uint32_t *shard_numbers, size_t shard_count, const struct dg_aead_ops *aead,
                                const struct dg_output *output, const struct dg_engine_hooks *hooks,
                                struct dg_counters *counters)
{
    (void)config, (void)memory, (void)aead;
    struct dg_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL || shard_count == 0) {
        abort();
    }
    engine->output = *output;
    engine->hooks = *hooks;
    engine->counters = counters;
    engine->worker = shard_numbers[0]; // the first of worker w's shards is w
    engines[engine->worker] = engine;
    return engine;
}
void dg_engine_free(struct dg_engine *engine) { free(engine); }

enum dg_engine_verdict dg_engine_receive(struct dg_engine *engine, dg_time now, const struct dg_path *path,
                                         uint8_t *data, size_t size)
{
    if (size == 1) { // an early record
        engine->early++;
        engine->early_order = engine->early_order << 8 | data[0];
        return DG_ENGINE_OPENED;
    }
    if (data[size - 1] == MARK_HAND) { // known once there was a hand-over
        if (engine->taken_over == 0) {
            return DG_ENGINE_UNKNOWN;
        }
    } else if (data[size - 1] != MARK_KNOWN) {
        return DG_ENGINE_UNKNOWN;
    }
    uint8_t plaintext[ANSWER_SIZE] = {(uint8_t)dg_mesh_worker(engine->worker)};
    memcpy(plaintext + 1, data + size - 5, 4); // the datagram's number
    engine->path = *path;
    engine->hooks.deliver(engine->hooks.context, now, (struct dg_ref){.id = 1}, NULL, plaintext, sizeof plaintext);
    return DG_ENGINE_OPENED;
}
bool dg_engine_send(struct dg_engine *engine, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    (void)now, (void)ref;
    return answer_path(&engine->output, &engine->path, data, size);
}
bool dg_engine_take_over(struct dg_engine *engine, dg_time now, const struct dg_handover *handover)
{
    if (engine->is_full) {
        return false;
    }
    engine->taken_over++;
    engine->live++;
    engine->hooks.opened(engine->hooks.context, now, (struct dg_ref){.id = 1}, NULL, handover);
    return true;
}
void dg_engine_replace_path(struct dg_engine *engine, dg_time now, const struct dg_path *path, dg_time proven_at)
{
    (void)path;
    CHECK(proven_at > 0 && proven_at <= now);
    engine->replaced++;
}
void dg_engine_close(struct dg_engine *engine, dg_time now, struct dg_ref ref, enum dg_counter reason)
{
    engine->closed++;
    engine->live--;
    engine->hooks.closed(engine->hooks.context, now, ref, NULL, reason);
}
struct dg_bytes dg_engine_identity(const struct dg_engine *engine, struct dg_ref ref)
{
    (void)engine, (void)ref;
    return (struct dg_bytes){NULL, 0};
}
void dg_engine_set_backend_port(struct dg_engine *engine, struct dg_ref ref, uint16_t port)
{
    (void)engine, (void)ref, (void)port;
}
void dg_engine_set_policy_generation(struct dg_engine *engine, uint32_t generation)
{
    engine->generation = generation;
}
void dg_engine_drain(struct dg_engine *engine, dg_time now)
{
    (void)now;
    engine->is_draining = true;
}
size_t dg_engine_live(const struct dg_engine *engine) { return engine->live; }
dg_time dg_engine_deadline(const struct dg_engine *engine) { return engine->is_draining ? 1 : DG_NEVER; }
void dg_engine_advance(struct dg_engine *engine, dg_time now, uint32_t now_wall_s)
{
    (void)now_wall_s;
    if (engine->is_draining && engine->live > 0) {
        dg_engine_close(engine, now, (struct dg_ref){.id = 1}, DG_COUNT_CLOSED_SHUTDOWN);
    }
}

// --- the stand-in front ----------------------------------------------------------------------------------

struct dg_front {
    struct dg_output output;
    struct dg_front_hooks hooks;
    _Atomic uint32_t passed_on;
    void *_Atomic gate;
    bool is_stopped;
};
static struct dg_front *the_front;
static uint8_t next_cid[DG_CID_SIZE_DEFAULT];

struct dg_front *dg_front_new(const struct dg_front_config *config, const struct dg_handshake_ops *ops, void *gate,
                              const struct dg_output *output, const struct dg_front_hooks *hooks,
                              struct dg_counters *counters)
{
    (void)config, (void)ops, (void)counters;
    struct dg_front *front = calloc(1, sizeof *front);
    if (front == NULL) {
        abort();
    }
    front->output = *output;
    front->hooks = *hooks;
    front->gate = gate;
    the_front = front;
    return front;
}
void dg_front_free(struct dg_front *front) { free(front); }
void dg_front_receive(struct dg_front *front, dg_time now, const struct dg_path *path, uint8_t *data, size_t size,
                      bool is_passed_on)
{
    uint8_t mark = data[size - 1];
    front->passed_on += is_passed_on;
    if (mark == MARK_FORWARD) {
        front->hooks.forward(front->hooks.context, now, path, data, size);
        return;
    }
    if (mark == MARK_HAND) {
        static struct dg_handover handover;
        handover = (struct dg_handover){.path = *path, .cid_size = DG_CID_SIZE_DEFAULT};
        memcpy(handover.cid, next_cid, sizeof next_cid);
        const struct dg_bytes early[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}};
        CHECK(front->hooks.hand_over(front->hooks.context, now, &handover, early, 2));
    }
    uint8_t answer[ANSWER_SIZE] = {DG_MESH_FRONT};
    memcpy(answer + 1, data + size - 5, 4);
    answer[5] = is_passed_on;
    (void)answer_path(&front->output, path, answer, sizeof answer);
}
dg_time dg_front_deadline(const struct dg_front *front)
{
    (void)front;
    return DG_NEVER;
}
void dg_front_advance(struct dg_front *front, dg_time now) { (void)front, (void)now; }
void dg_front_set_gate(struct dg_front *front, void *gate) { front->gate = gate; }
void dg_front_stop(struct dg_front *front) { front->is_stopped = true; }
size_t dg_front_busy(const struct dg_front *front)
{
    (void)front;
    return 0;
}

// --- a server of loops -----------------------------------------------------------------------------------

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
};

static void count_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                         const struct dg_handover *handover)
{
    (void)now, (void)ref, (void)slot, (void)handover;
    ((struct server *)context)->opened++;
}
static void count_no_room(void *context, dg_time now, const struct dg_handover *handover)
{
    struct server *server = context;
    (void)now, (void)handover;
    server->no_room++;
}

static void count_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                         struct dg_bytes identity, enum dg_counter reason)
{
    (void)now, (void)ref, (void)slot, (void)identity, (void)reason;
    ((struct server *)context)->closed++;
}
static void keep_gate(void *context, void *gate) { ((struct server *)context)->replaced_gate = gate; }

static struct dg_backend make_echo(void *context, const struct dg_backend_sink *sink, uint32_t worker,
                                   uint32_t worker_count, struct dg_counters *counters, char *error, size_t error_size)
{
    (void)context, (void)worker, (void)worker_count, (void)counters, (void)error, (void)error_size;
    return dg_backend_echo_new(sink);
}

static int first_gate, second_gate;

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
            .hooks = {.context = server, .opened = count_opened, .no_room = count_no_room, .closed = count_closed},
            .counters = &server->counters[1 + i],
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
    if (poll(&polled, 1, 2000) != 1 || recv(client->fd, answer, sizeof answer, 0) != ANSWER_SIZE) {
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
    dg_time until = dg_clock_now() + 5 * DG_SECOND;
    while (*value != expected && dg_clock_now() < until) {
        sched_yield();
    }
    return *value == expected;
}

// --- cases -----------------------------------------------------------------------------------------------

// Whatever the filter does: each datagram is handled by the thread that the rules name, and answered.
static void feed(const char *listen, uint32_t workers, bool with_filter)
{
    enum { CLIENTS = 24, DATAGRAMS = 3000 };
    struct test_random random = {.state = dg_test_seed()};
    struct server *server = server_start(listen, workers, with_filter);
    struct client clients[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        REQUIRE(client_open(&clients[i], server));
    }
    unsigned wrong = 0, unanswered = 0;
    for (uint32_t number = 0; number < DATAGRAMS && unanswered == 0; number++) {
        static const uint8_t types[] = {20, 21, 22, 23, 23, 25, 25, 26, 0x20, 0x2d, 0x2e, 0x2f, 0x3d, 0x3e, 0x3f, 99};
        const struct client *client = &clients[test_random_below(&random, CLIENTS)];
        uint8_t data[DATAGRAM_SIZE], thread, passed_on;
        test_random_fill(&random, data, sizeof data);
        data[0] = types[test_random_below(&random, sizeof types)];
        data[3] = 0;
        data[4] = (uint8_t)test_random_below(&random, 2);
        uint32_t shard = dg_steer_datagram(&server->header.steer, &client->address, data, sizeof data);
        uint32_t expected = shard == DG_STEER_FRONT ? 0 : 1 + dg_steer_worker(shard, workers);
        client_say(client, data, number, MARK_KNOWN);
        if (!client_hear(client, number, &thread, &passed_on)) {
            unanswered++;
        } else {
            wrong += thread != expected || passed_on != 0;
        }
    }
    CHECK_EQ(unanswered, 0);
    CHECK_EQ(wrong, 0);
    server_join(server, DG_STOP_GENTLY);
    uint64_t misrouted = count_all(server, DG_COUNT_MISROUTED);
    CHECK_MSG(with_filter ? misrouted == 0 : misrouted > 100, "misrouted: %llu", (unsigned long long)misrouted);
    CHECK_EQ(count_all(server, DG_COUNT_FORWARDED), misrouted);
    CHECK_EQ(count_all(server, DG_COUNT_DATAGRAMS_RECEIVED), DATAGRAMS);
    CHECK_EQ(count_all(server, DG_COUNT_DATAGRAMS_SENT), DATAGRAMS);
    for (size_t i = 0; i < CLIENTS; i++) {
        close(clients[i].fd);
    }
    server_free(server);
}

DG_TEST(loops_with_filter_forward_nothing) { feed("127.0.0.1:0", 2, true); }
DG_TEST(loops_with_filter_forward_nothing_ipv6) { feed("[::1]:0", 4, true); }
DG_TEST(loops_without_filter_one_thread_of_each_kind) { feed("127.0.0.1:0", 1, false); }
DG_TEST(loops_without_filter_forward_between_workers) { feed("127.0.0.1:0", 3, false); }

DG_TEST(loops_unknown_datagram_is_shown_to_the_front_once)
{
    struct server *server = server_start("127.0.0.1:0", 2, true);
    struct client client;
    REQUIRE(client_open(&client, server));
    uint8_t data[DATAGRAM_SIZE] = {0x3d, 1}, thread, passed_on; // epoch 1, connection ID of shard 1
    client_say(&client, data, 7, MARK_UNKNOWN);
    REQUIRE(client_hear(&client, 7, &thread, &passed_on));
    CHECK_EQ(thread, DG_MESH_FRONT);
    CHECK_EQ(passed_on, 1);

    // The front forwards a record of epoch 2; no worker knows it, and there it ends.
    uint8_t forwarded[DATAGRAM_SIZE] = {0x3e, 1};
    client_say(&client, forwarded, 8, MARK_FORWARD);
    dg_time until = dg_clock_now() + 5 * DG_SECOND;
    while (count_all(server, DG_COUNT_DROP_NO_ASSOCIATION) == 0 && dg_clock_now() < until) {
        sched_yield();
    }
    server_join(server, DG_STOP_NOW);
    CHECK_EQ(count_all(server, DG_COUNT_DROP_NO_ASSOCIATION), 1);
    CHECK_EQ(dg_counter_read(&server->counters[1 + 1], DG_COUNT_DROP_NO_ASSOCIATION), 1);
    CHECK_EQ(count_all(server, DG_COUNT_FORWARDED), 2);
    CHECK_EQ(the_front->passed_on, 1);
    close(client.fd);
    server_free(server);
}

// A connection ID of the worker that does not own the address: the one opens, the other replaces.
// A proven client for whom there is no room is told of; what it sent early is not taken for an association's.
DG_TEST(loops_hand_over_without_room_is_told)
{
    struct server *server = server_start("127.0.0.1:0", 1, true);
    struct client client;
    REQUIRE(client_open(&client, server));
    engines[0]->is_full = true;
    uint8_t data[DATAGRAM_SIZE] = {22};
    client_say(&client, data, 1, MARK_HAND);
    CHECK(wait_for(&server->no_room, 1));
    CHECK_EQ(engines[0]->early, 0);
    CHECK_EQ(server->opened, 0);
    server_join(server, DG_STOP_GENTLY);
    close(client.fd);
    server_free(server);
}

DG_TEST(loops_hand_over_reaches_the_owner_of_the_shard)
{
    struct server *server = server_start("127.0.0.1:0", 2, true);
    struct client client;
    REQUIRE(client_open(&client, server));
    uint32_t address_owner = dg_steer_worker(dg_steer_address_shard(&server->header.steer, &client.address), 2);
    uint32_t owner = 1 - address_owner;
    next_cid[0] = (uint8_t)owner;
    uint8_t data[DATAGRAM_SIZE] = {22}, thread, passed_on;
    client_say(&client, data, 1, MARK_HAND);
    REQUIRE(client_hear(&client, 1, &thread, &passed_on));
    CHECK(wait_for(&engines[owner]->early, 2));
    CHECK(wait_for(&engines[address_owner]->replaced, 1));
    CHECK_EQ(engines[owner]->taken_over, 1);
    CHECK_EQ(engines[owner]->early_order, (uint64_t)'a' << 8 | 'b');
    CHECK_EQ(engines[owner]->replaced, 0);
    CHECK_EQ(engines[address_owner]->taken_over, 0);
    CHECK_EQ(server->opened, 1);

    // What a worker passed on before it saw the hand-over comes back to the owner; a stranger's does not.
    uint8_t record[DATAGRAM_SIZE] = {0x3f, (uint8_t)owner};
    record[DATAGRAM_SIZE - 1] = MARK_HAND;
    struct dg_message_datagram head = {.path = {.peer = client.address,
                                                .local = server->sockets[0].address,
                                                .listener = server->sockets[0].listener},
                                       .errand = DG_ERRAND_UNKNOWN};
    const struct dg_ring_part parts[] = {{&head, sizeof head}, {record, sizeof record}};
    REQUIRE(dg_mesh_put(server->mesh, dg_mesh_control(2), DG_MESH_FRONT, DG_MESSAGE_DATAGRAM, parts, 2));
    REQUIRE(client_hear(&client, 0, &thread, &passed_on));
    CHECK_EQ(thread, dg_mesh_worker(owner));
    head.path.peer.port ^= 1;
    record[DATAGRAM_SIZE - 1] = MARK_UNKNOWN;
    REQUIRE(dg_mesh_put(server->mesh, dg_mesh_control(2), DG_MESH_FRONT, DG_MESSAGE_DATAGRAM, parts, 2));
    CHECK(wait_for(&the_front->passed_on, 1));

    // Stopped gently: the association is closed first.
    server_join(server, DG_STOP_GENTLY);
    CHECK_EQ(server->closed, 1);
    close(client.fd);
    server_free(server);
}

DG_TEST(loops_obey_messages_and_gates_while_asleep)
{
    struct server *server = server_start("127.0.0.1:0", 2, true);
    uint32_t generation = 9;
    const struct dg_ring_part part = {&generation, sizeof generation};
    for (uint32_t i = 0; i < 2; i++) {
        REQUIRE(dg_mesh_put(server->mesh, dg_mesh_control(2), dg_mesh_worker(i), DG_MESSAGE_POLICY_GENERATION, &part,
                            1));
        CHECK(wait_for(&engines[i]->generation, 9));
    }
    engines[1]->live = 1;
    struct dg_message_close close_one = {.ref = {.id = 1}, .reason = DG_COUNT_CLOSED_UNAUTHORISED};
    const struct dg_ring_part close_part = {&close_one, sizeof close_one};
    REQUIRE(dg_mesh_put(server->mesh, dg_mesh_control(2), dg_mesh_worker(1), DG_MESSAGE_CLOSE_REF, &close_part, 1));
    CHECK(wait_for(&engines[1]->closed, 1));

    CHECK(dg_front_loop_set_gate(server->front, &second_gate) == NULL);
    dg_time until = dg_clock_now() + 5 * DG_SECOND;
    while (server->replaced_gate == NULL && dg_clock_now() < until) {
        sched_yield();
    }
    CHECK(server->replaced_gate == &first_gate);
    CHECK(the_front->gate == &second_gate);
    server_join(server, DG_STOP_NOW);
    CHECK(dg_front_loop_set_gate(server->front, &first_gate) == NULL); // nobody takes it any more
    CHECK(dg_front_loop_set_gate(server->front, NULL) == &first_gate);
    server_free(server);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(loops_with_filter_forward_nothing),
        DG_CASE(loops_with_filter_forward_nothing_ipv6),
        DG_CASE(loops_without_filter_one_thread_of_each_kind),
        DG_CASE(loops_without_filter_forward_between_workers),
        DG_CASE(loops_unknown_datagram_is_shown_to_the_front_once),
        DG_CASE(loops_hand_over_without_room_is_told),
        DG_CASE(loops_hand_over_reaches_the_owner_of_the_shard),
        DG_CASE(loops_obey_messages_and_gates_while_asleep),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
