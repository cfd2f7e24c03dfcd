// SPDX-License-Identifier: GPL-3.0-or-later
// Several UDP services of one worker: one pool of sockets and ports, before and after a restart.
#include "backend/backends.h"
#include "own_network.h"
#include "udp_scene.h"

#include <fcntl.h>
#include <sys/wait.h>

// Two services of one pool, and an association that changes from one to the other: its port rests like any other's, and
// what the service before still answers finds nobody.
DG_TEST(udp_pool_keeps_ports_apart_over_several_services)
{
    struct fixture *fixture = fixture_new("127.0.0.1");
    struct dg_address second;
    int other = service_open("127.0.0.1", 0, &second);
    char error[256];
    REQUIRE(other >= 0);
    fixture->config.ports = small_range(8);
    const struct dg_backend_sink sink = {
        .context = fixture, .answer = on_answer, .port_changed = on_port_changed, .trouble = on_trouble};
    struct dg_udp_pool *pool = dg_udp_pool_new(&fixture->config, &fixture->counters, error, sizeof error);
    REQUIRE(pool != NULL);
    fixture->backend = dg_udp_pool_target(pool, 3, &fixture->config.target, &sink, error, sizeof error);
    struct dg_backend to_other = dg_udp_pool_target(pool, 7, &second, &sink, error, sizeof error);
    REQUIRE(fixture->backend.self != NULL && to_other.self != NULL);
    dg_udp_pool_put(pool);
    CHECK(fixture->backend.ops->descriptor(fixture->backend.self) >= 0); // one for all
    CHECK(to_other.ops->descriptor(to_other.self) == -1);

    struct request before, after;
    say(fixture, DG_SECOND, 1);
    REQUIRE(service_hear(fixture->service, &before));
    const uint64_t id = ref_of(1).id;
    to_other.ops->closed(to_other.self, DG_SECOND, ref_of(1)); // is not its own: nothing
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 1);
    to_other.ops->deliver(to_other.self, DG_SECOND, ref_of(1), (const uint8_t *)&id, sizeof id);
    REQUIRE(service_hear(other, &after));
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 1);
    CHECK(after.from.v4.sin_port != before.from.v4.sin_port);
    service_answer(fixture->service, &before); // too late
    service_answer(other, &after);
    serve(fixture, DG_SECOND);
    CHECK_EQ(fixture->answers[1], 1);
    // All ports of the range, whichever service has them; the one given up rests.
    for (uint32_t i = 2; i < 20; i++) {
        const struct dg_backend *backend = i % 2 ? &to_other : &fixture->backend;
        const uint64_t its = ref_of(i).id;
        backend->ops->deliver(backend->self, DG_SECOND, ref_of(i), (const uint8_t *)&its, sizeof its);
    }
    size_t range = (size_t)(fixture->config.ports.last - fixture->config.ports.first) + 1;
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), range - 1);
    fixture->backend.ops->closed(fixture->backend.self, DG_SECOND, ref_of(1));
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), range - 1);
    to_other.ops->closed(to_other.self, DG_SECOND, ref_of(1));
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), range - 2);
    to_other.ops->free(to_other.self);
    close(other);
    fixture_free(fixture);
}

// After a restart: an association's port is bound again for the service that it has now; where it has none of this kind any
// more, the port rests; where it is another worker's, nothing is done.
static enum dg_port_claim on_claim(void *context, dg_time now, uint32_t shard, uint32_t slot, uint16_t port,
                                   struct dg_ref *ret_ref, uint16_t *ret_backend)
{
    (void)context, (void)now, (void)port, (void)shard;
    *ret_ref = ref_of(slot);
    ret_ref->slot = slot;
    *ret_backend = (uint16_t)(slot == 1 ? 7 : slot == 2 ? 3 : 9);
    return slot == 4 ? DG_PORT_ELSEWHERE : slot == 5 ? DG_PORT_NOBODYS : DG_PORT_CLAIMED;
}

DG_TEST(udp_pool_claims_ports_for_the_service_of_now)
{
    static _Atomic uint64_t book[65536];
    memset(book, 0, sizeof book);
    struct fixture *fixture = fixture_new("127.0.0.1");
    struct dg_address second;
    int other = service_open("127.0.0.1", 0, &second);
    char error[256];
    fixture->config.ports = small_range(16);
    fixture->config.book.words = book;
    uint16_t first = fixture->config.ports.first;
    for (uint32_t slot = 1; slot <= 5; slot++)
        book[first + slot] = dg_port_word(0, slot);
    const struct dg_backend_sink sink = {.context = fixture,
                                         .answer = on_answer,
                                         .port_changed = on_port_changed,
                                         .claim = on_claim,
                                         .trouble = on_trouble};
    struct dg_udp_pool *pool = dg_udp_pool_new(&fixture->config, &fixture->counters, error, sizeof error);
    REQUIRE(pool != NULL && other >= 0);
    fixture->backend = dg_udp_pool_target(pool, 3, &fixture->config.target, &sink, error, sizeof error);
    struct dg_backend to_other = dg_udp_pool_target(pool, 7, &second, &sink, error, sizeof error);
    dg_udp_pool_put(pool);
    while (fixture->backend.ops->deadline(fixture->backend.self) != DG_NEVER)
        fixture->backend.ops->advance(fixture->backend.self, DG_SECOND);
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 2);
    CHECK(dg_port_is_in_use(book[first + 1]) && dg_port_is_in_use(book[first + 2]) && dg_port_is_in_use(book[first + 4]));
    CHECK(!dg_port_is_in_use(book[first + 3]) && !dg_port_is_in_use(book[first + 5]));
    CHECK_EQ(fixture->port[1], first + 1);
    // And to the right service.
    const uint64_t id = ref_of(1).id;
    struct request heard;
    to_other.ops->deliver(to_other.self, DG_SECOND, ref_of(1), (const uint8_t *)&id, sizeof id);
    REQUIRE(service_hear(other, &heard));
    CHECK_EQ(ntohs(heard.from.v4.sin_port), first + 1);
    to_other.ops->free(to_other.self);
    close(other);
    fixture_free(fixture);
}

static enum dg_port_claim claim_now;

static enum dg_port_claim on_claim_now(void *context, dg_time now, uint32_t shard, uint32_t slot, uint16_t port,
                                       struct dg_ref *ret_ref, uint16_t *ret_backend)
{
    (void)context, (void)now, (void)port;
    *ret_ref = (struct dg_ref){.id = ref_of(slot).id, .shard = shard, .slot = slot};
    *ret_backend = 0;
    return claim_now;
}

static void advance_until_silent(struct fixture *fixture, dg_time now)
{
    while (fixture->backend.ops->deadline(fixture->backend.self) <= now)
        fixture->backend.ops->advance(fixture->backend.self, now);
}

// A network that is not there yet at a restart: ports stay their associations', and rest as soon as these have ended.
DG_TEST(udp_pool_keeps_ports_that_the_network_refuses_for_as_long_as_their_associations_live)
{
    static _Atomic uint64_t book[65536];
    memset(book, 0, sizeof book);
    struct fixture *fixture = fixture_new("127.0.0.1");
    char error[256];
    fixture->config.ports = small_range(100);
    fixture->config.book.words = book;
    uint16_t first = fixture->config.ports.first;
    for (uint32_t slot = 1; slot <= 80; slot++)
        book[first + slot] = dg_port_word(0, slot);
    struct dg_address nowhere = fixture->config.target;
    memset(nowhere.ip + 13, 255, 3); // 127.255.255.255
    const struct dg_backend_sink sink = {
        .context = fixture, .port_changed = on_port_changed, .claim = on_claim_now, .trouble = on_trouble};
    struct dg_udp_pool *pool = dg_udp_pool_new(&fixture->config, &fixture->counters, error, sizeof error);
    REQUIRE(pool != NULL);
    fixture->backend = dg_udp_pool_target(pool, 0, &nowhere, &sink, error, sizeof error);
    dg_udp_pool_put(pool);
    claim_now = DG_PORT_CLAIMED;
    for (dg_time now = DG_SECOND; now < DG_MINUTE; now += DG_SECOND)
        advance_until_silent(fixture, now);
    for (uint32_t slot = 1; slot <= 80; slot++)
        CHECK_EQ(book[first + slot], dg_port_word(0, slot));
    claim_now = DG_PORT_NOBODYS;
    advance_until_silent(fixture, DG_MINUTE + 10 * DG_SECOND);
    for (uint32_t slot = 1; slot <= 80; slot++)
        CHECK(book[first + slot] != 0 && !dg_port_is_in_use(book[first + slot]));
    CHECK(fixture->backend.ops->deadline(fixture->backend.self) == DG_NEVER);
    fixture_free(fixture);
}

// Who was removed while no server ran, and is left alone until it speaks, keeps its port; it rests when that has ended.
DG_TEST(udp_pool_asks_again_about_ports_of_associations_that_may_not_go_on)
{
    static _Atomic uint64_t book[65536];
    memset(book, 0, sizeof book);
    struct fixture *fixture = fixture_new("127.0.0.1");
    char error[256];
    fixture->config.ports = small_range(16);
    fixture->config.book.words = book;
    uint16_t port = fixture->config.ports.first;
    book[port] = dg_port_word(0, 1);
    const struct dg_backend_sink sink = {
        .context = fixture, .port_changed = on_port_changed, .claim = on_claim_now, .trouble = on_trouble};
    struct dg_udp_pool *pool = dg_udp_pool_new(&fixture->config, &fixture->counters, error, sizeof error);
    REQUIRE(pool != NULL);
    fixture->backend = dg_udp_pool_target(pool, 0, &fixture->config.target, &sink, error, sizeof error);
    dg_udp_pool_put(pool);
    claim_now = DG_PORT_LATER;
    for (dg_time now = DG_SECOND; now < DG_MINUTE; now += DG_SECOND)
        advance_until_silent(fixture, now);
    CHECK_EQ(book[port], dg_port_word(0, 1));
    CHECK_EQ(dg_backend_udp_talking(&fixture->backend), 0);
    claim_now = DG_PORT_NOBODYS;
    advance_until_silent(fixture, DG_MINUTE + 10 * DG_SECOND);
    CHECK(book[port] != 0 && !dg_port_is_in_use(book[port]));
    CHECK(fixture->backend.ops->deadline(fixture->backend.self) == DG_NEVER);
    fixture_free(fixture);
}

#define RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"

static bool reserve(const char *ports)
{
    int fd = open(RESERVED, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, ports, strlen(ports)) == (ssize_t)strlen(ports);
    close(fd);
    return done;
}

// In a process with a network of its own, whose settings are nobody else's; 2: there is none to be had.
static int make_late(void)
{
    struct dg_backends_config config = {.worker_count = 1, .ports = {32768, 60999}, .rest = DG_SECOND, .hold = DG_HOUR};
    struct fixture *fixture = fixture_new("127.0.0.1");
    const struct dg_backend_sink sink = {.context = fixture, .port_changed = on_port_changed, .trouble = on_trouble};
    char error[256];
    uint16_t number = 0;
    if (!own_network_enter() || !reserve("32768-60990"))
        return 2;
    struct dg_backends *backends = dg_backends_new(&config);
    if (!reserve("\n") || !dg_backends_number(backends, "udp:127.0.0.1:9", false, &number, error, sizeof error))
        return 3;
    fixture->backend = dg_backends_make(backends, number, &sink, 0, 1, &fixture->counters, error, sizeof error);
    for (uint32_t i = 0; i < 9; i++) {
        say(fixture, DG_SECOND, i);
        if (fixture->port[i] < 60991)
            return 4;
    }
    return 0;
}

// A backend that a reload brings is made by a confined process, which cannot ask any more what the host keeps for others.
DG_TEST(udp_pool_made_late_leaves_out_what_was_reserved_at_the_start)
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0)
        _exit(make_late());
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_MSG(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2), "status %d", status);
}

static bool has(const struct dg_port_set *set, unsigned port) { return (set->bits[port / 8] >> port % 8 & 1) != 0; }

// As make_late.
static int read_long_list(void)
{
    char text[8192];
    size_t size = 0;
    struct dg_port_set reserved;
    for (unsigned port = 40000; port < 41200; port += 2) // one by one: neighbours the kernel would show as a range
        size += (size_t)snprintf(text + size, sizeof text - size, "%u,", port);
    text[size - 1] = '\n';
    if (!own_network_enter() || !reserve(text))
        return 2;
    dg_backend_udp_reserved(&reserved);
    for (unsigned port = 39999; port < 41201; port++)
        if (has(&reserved, port) != (port >= 40000 && port < 41200 && port % 2 == 0))
            return 3;
    return 0;
}

// 3.6 KB: more than a buffer of the C library has, less than the kernel takes at once.
DG_TEST(udp_pool_reads_a_long_list_of_reserved_ports_to_its_end)
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0)
        _exit(read_long_list());
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_MSG(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2), "status %d", status);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(udp_pool_keeps_ports_apart_over_several_services),
        DG_CASE(udp_pool_claims_ports_for_the_service_of_now),
        DG_CASE(udp_pool_asks_again_about_ports_of_associations_that_may_not_go_on),
        DG_CASE(udp_pool_keeps_ports_that_the_network_refuses_for_as_long_as_their_associations_live),
        DG_CASE(udp_pool_made_late_leaves_out_what_was_reserved_at_the_start),
        DG_CASE(udp_pool_reads_a_long_list_of_reserved_ports_to_its_end),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
