// SPDX-License-Identifier: GPL-3.0-or-later
// The front's and the workers' loops with real sockets, rings and threads: each datagram reaches the thread that the
// rules name, and messages between threads are obeyed.
#include "loop_server.h"
#include "support/random.h"

#include <netinet/udp.h>

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
    dg_time until = dg_clock_now() + 20 * DG_SECOND;
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

// A storm of handshakes, and worse: a front that does not come back from one datagram. The worker answers whom it
// knows, and drops and counts what the front's full ring has no room for.
DG_TEST(loops_worker_goes_on_while_the_front_stands_still)
{
    enum { UNKNOWN_MAX = 20000 };
    struct server *server = server_start("127.0.0.1:0", 1, true);
    struct client client;
    REQUIRE(client_open(&client, server));
    the_front->is_stuck = 1;
    uint8_t hello[DATAGRAM_SIZE] = {22}, known[DATAGRAM_SIZE] = {0x3d}, unknown[DATAGRAM_SIZE] = {0x3d};
    uint8_t thread, passed_on;
    client_say(&client, hello, 1, MARK_STAND);
    REQUIRE(wait_for(&the_front->stands, 1));
    unsigned unanswered = 0;
    for (uint32_t number = 0; number < UNKNOWN_MAX && count_all(server, DG_COUNT_DROP_RING_FULL) < 100; number++) {
        client_say(&client, unknown, number, MARK_UNKNOWN);
        if (number % 20 == 0) { // at the pace of the worker
            client_say(&client, known, number, MARK_KNOWN);
            unanswered += !client_hear(&client, number, &thread, &passed_on) || thread != dg_mesh_worker(0);
        }
    }
    CHECK(count_all(server, DG_COUNT_DROP_RING_FULL) >= 100);
    CHECK_EQ(unanswered, 0);
    client_say(&client, known, 5, MARK_KNOWN);
    CHECK(client_hear(&client, 5, &thread, &passed_on));
    the_front->is_stuck = 0;
    server_join(server, DG_STOP_NOW);
    close(client.fd);
    server_free(server);
}

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

// A connection ID of the worker that does not own the address: the one opens, the other replaces.
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

    // What a worker passed on before it saw the hand-over goes to the owner when the front says so.
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
    CHECK(wait_for(&the_front->passed_on, 2));

    // Stopped gently: the association is closed first.
    server_join(server, DG_STOP_GENTLY);
    CHECK_EQ(server->closed, 1);
    dg_count_by(&server->counters[0], DG_COUNT_DATAGRAMS_RECEIVED, 2); // that were put straight into the ring
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
    CHECK_EQ(server->policies_replaced, 0);

    // A policy comes into use with its generation, the newest where there were several; the one before is given back
    // before the worker says that it has the generation.
    generation = SECOND_GENERATION;
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(dg_worker_loop_set_policy(server->worker[i], &second_policy) == NULL);
        CHECK(dg_worker_loop_set_policy(server->worker[i], &third_policy) == &second_policy);
        REQUIRE(dg_mesh_put(server->mesh, dg_mesh_control(2), dg_mesh_worker(i), DG_MESSAGE_POLICY_GENERATION, &part,
                            1));
    }
    for (uint32_t i = 0; i < 2; i++) {
        dg_time deadline = dg_clock_now() + 20 * DG_SECOND;
        while (dg_worker_loop_policy_generation(server->worker[i]) != THIRD_GENERATION && dg_clock_now() < deadline) {
            sched_yield();
        }
        CHECK_EQ(dg_worker_loop_policy_generation(server->worker[i]), THIRD_GENERATION);
    }
    CHECK_EQ(server->policies_replaced, 2);
    engines[1]->live = 1;
    struct dg_message_close close_one = {.ref = {.id = 1}, .reason = DG_COUNT_CLOSED_UNAUTHORISED};
    const struct dg_ring_part close_part = {&close_one, sizeof close_one};
    REQUIRE(dg_mesh_put(server->mesh, dg_mesh_control(2), dg_mesh_worker(1), DG_MESSAGE_CLOSE_REF, &close_part, 1));
    CHECK(wait_for(&engines[1]->closed, 1));

    CHECK(dg_front_loop_set_gate(server->front, &second_gate) == NULL);
    dg_time until = dg_clock_now() + 20 * DG_SECOND;
    while (server->replaced_gate == NULL && dg_clock_now() < until) {
        sched_yield();
    }
    CHECK(server->replaced_gate == &first_gate);
    CHECK(the_front->gate == &second_gate);
    server_join(server, DG_STOP_NOW);
    CHECK(dg_front_loop_set_gate(server->front, &first_gate) == NULL); // nobody takes it any more
    CHECK(dg_front_loop_set_gate(server->front, NULL) == &first_gate);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(dg_worker_loop_policy(server->worker[i]) == &third_policy);
        CHECK(dg_worker_loop_set_policy(server->worker[i], NULL) == NULL);
    }
    server_free(server);
}

// Whoever reloads while a worker is stuck waits for nothing, however often: the first word that the worker reads when it goes
// on brings the newest policy, and no later one takes it back.
DG_TEST(loops_full_ring_of_a_stuck_worker_loses_no_policy)
{
    struct server *server = server_start("127.0.0.1:0", 1, true);
    engines[0]->live = 1;
    engines[0]->is_stuck = 1;
    struct dg_message_close close_one = {.ref = {.id = 1}, .reason = DG_COUNT_CLOSED_UNAUTHORISED};
    const struct dg_ring_part close_part = {&close_one, sizeof close_one};
    REQUIRE(dg_mesh_put(server->mesh, dg_mesh_control(1), dg_mesh_worker(0), DG_MESSAGE_CLOSE_REF, &close_part, 1));
    REQUIRE(wait_for(&engines[0]->stands, 1));
    const uint32_t generation = SECOND_GENERATION;
    const struct dg_ring_part part = {&generation, sizeof generation};
    unsigned words = 0;
    CHECK(dg_worker_loop_set_policy(server->worker[0], &second_policy) == NULL);
    while (dg_mesh_put(server->mesh, dg_mesh_control(1), dg_mesh_worker(0), DG_MESSAGE_POLICY_GENERATION, &part, 1)) {
        words++;
    }
    CHECK(words > 0);
    CHECK(dg_worker_loop_set_policy(server->worker[0], &third_policy) == &second_policy);
    CHECK(!dg_mesh_put(server->mesh, dg_mesh_control(1), dg_mesh_worker(0), DG_MESSAGE_POLICY_GENERATION, &part, 1));
    engines[0]->is_stuck = 0;
    dg_time until = dg_clock_now() + 20 * DG_SECOND;
    while (!dg_mesh_is_empty(server->mesh, dg_mesh_worker(0)) && dg_clock_now() < until) {
        sched_yield();
    }
    server_join(server, DG_STOP_NOW);
    CHECK(dg_worker_loop_policy(server->worker[0]) == &third_policy);
    CHECK_EQ(dg_worker_loop_policy_generation(server->worker[0]), THIRD_GENERATION);
    CHECK_EQ(engines[0]->generation, THIRD_GENERATION);
    CHECK_EQ(server->policies_replaced, 1);
    CHECK_EQ(engines[0]->closed, 1);
    server_free(server);
}

// The filter sees a joined message as one, and chooses by its first datagram: each of the others finds its thread all
// the same.
DG_TEST(loops_joined_datagrams_reach_each_its_own_thread)
{
    enum { JOINED = 30 };
    struct server *server = server_start("127.0.0.1:0", 2, true);
    struct client client;
    REQUIRE(client_open(&client, server));
    uint8_t data[JOINED][DATAGRAM_SIZE] = {{0}};
    uint32_t expected[JOINED];
    for (uint32_t i = 0; i < JOINED; i++) {
        data[i][0] = i % 3 == 2 ? 22 : 0x3d; // a handshake's, else a connection ID of shard 0 or 1
        data[i][1] = (uint8_t)(i % 3);
        memcpy(data[i] + DATAGRAM_SIZE - 5, &i, sizeof i);
        data[i][DATAGRAM_SIZE - 1] = MARK_KNOWN;
        expected[i] = i % 3 == 2 ? DG_MESH_FRONT : dg_mesh_worker(i % 3);
    }
    REQUIRE(setsockopt(client.fd, IPPROTO_UDP, UDP_SEGMENT, &(int){DATAGRAM_SIZE}, sizeof(int)) == 0);
    REQUIRE(send(client.fd, data, sizeof data, 0) == (ssize_t)sizeof data);
    unsigned answered = 0;
    for (uint32_t i = 0; i < JOINED; i++) {
        uint8_t answer[ANSWER_SIZE];
        struct pollfd polled = {.fd = client.fd, .events = POLLIN};
        uint32_t number;
        REQUIRE(poll(&polled, 1, 20000) == 1 && recv(client.fd, answer, sizeof answer, 0) == ANSWER_SIZE);
        memcpy(&number, answer + 1, sizeof number);
        REQUIRE(number < JOINED);
        CHECK_EQ(answer[0], expected[number]);
        answered |= 1u << number;
    }
    CHECK_EQ(answered, (1u << JOINED) - 1);
    server_join(server, DG_STOP_NOW);
    CHECK_EQ(count_all(server, DG_COUNT_DATAGRAMS_RECEIVED), JOINED);
    CHECK_EQ(count_all(server, DG_COUNT_MISROUTED), JOINED - JOINED / 3);
    CHECK_EQ(count_all(server, DG_COUNT_FORWARDED), JOINED - JOINED / 3);
    close(client.fd);
    server_free(server);
}

// While a handshake is under way at the peer, what does not open goes to the front too, as it came: opening happens in
// place. What opens does not, and neither does anything when no handshake is.
DG_TEST(loops_contested_datagram_that_does_not_open_is_shown_to_the_front)
{
    struct server *server = server_start("127.0.0.1:0", 1, true);
    struct client client;
    REQUIRE(client_open(&client, server));
    uint8_t data[DATAGRAM_SIZE] = {0x3d, 1}, thread, passed_on;
    client_say(&client, data, 1, MARK_FORGED); // not contested: it ends at the worker, before the next one
    client_say(&client, data, 2, MARK_KNOWN);
    REQUIRE(client_hear(&client, 2, &thread, &passed_on));
    dg_mesh_contest(server->mesh, &client.address, dg_clock_now() + DG_MINUTE);
    client_say(&client, data, 3, MARK_FORGED);
    REQUIRE(client_hear(&client, 3, &thread, &passed_on));
    CHECK_EQ(thread, DG_MESH_FRONT);
    CHECK_EQ(passed_on, 1);
    client_say(&client, data, 4, MARK_KNOWN);
    REQUIRE(client_hear(&client, 4, &thread, &passed_on));
    CHECK_EQ(thread, dg_mesh_worker(0));
    client_say(&client, data, 5, MARK_UNKNOWN);
    REQUIRE(client_hear(&client, 5, &thread, &passed_on));
    CHECK_EQ(thread, DG_MESH_FRONT);
    server_join(server, DG_STOP_NOW);
    CHECK_EQ(the_front->passed_on, 2);
    close(client.fd);
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
        DG_CASE(loops_worker_goes_on_while_the_front_stands_still),
        DG_CASE(loops_hand_over_without_room_is_told),
        DG_CASE(loops_hand_over_reaches_the_owner_of_the_shard),
        DG_CASE(loops_obey_messages_and_gates_while_asleep),
        DG_CASE(loops_full_ring_of_a_stuck_worker_loses_no_policy),
        DG_CASE(loops_joined_datagrams_reach_each_its_own_thread),
        DG_CASE(loops_contested_datagram_that_does_not_open_is_shown_to_the_front),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
