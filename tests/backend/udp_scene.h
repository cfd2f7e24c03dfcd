// SPDX-License-Identifier: GPL-3.0-or-later
// A UDP backend, its sink and a real service on loopback, under a virtual clock. Associations here are only their ids: each
// says its id to the service, and an answer says for whom it is.
#ifndef DG_TESTS_UDP_SCENE_H
#define DG_TESTS_UDP_SCENE_H

#include "backend/udp.h"
#include "check.h"
#include "io/sockaddr.h"
#include "support/random.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASSOCIATIONS_MAX 4096

// A backend, its sink and a service.
struct fixture {
    struct dg_backend backend;
    struct dg_backend_udp_config config;
    struct dg_counters counters;
    int service;
    unsigned answers[ASSOCIATIONS_MAX]; // that reached association i
    unsigned wrong;                     // answers that reached another than they were for
    uint16_t port[ASSOCIATIONS_MAX];
    bool close_on_answer;
    bool has_slots; // which say the port of before
    unsigned troubles, over; // told by the backend
};

static inline struct dg_ref ref_of(uint32_t number) { return (struct dg_ref){.id = UINT64_C(0x1000000) + number}; }

static inline bool on_answer(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct fixture *fixture = context;
    uint64_t meant = 0;
    if (size == sizeof meant) {
        memcpy(&meant, data, sizeof meant);
    }
    fixture->wrong += meant != ref.id;
    fixture->answers[ref.id & 0xfff]++;
    if (fixture->close_on_answer) {
        fixture->backend.ops->closed(fixture->backend.self, now, ref);
    }
    return true;
}

static inline void on_port_changed(void *context, struct dg_ref ref, uint16_t port)
{
    struct fixture *fixture = context;
    fixture->port[ref.id & 0xfff] = port;
}

static inline uint16_t on_port_of(void *context, struct dg_ref ref)
{
    const struct fixture *fixture = context;
    return fixture->port[ref.id & 0xfff];
}

static inline void on_trouble(void *context, dg_time now, const struct dg_backend_trouble *trouble)
{
    struct fixture *fixture = context;
    (void)now;
    fixture->troubles += !trouble->is_over;
    fixture->over += trouble->is_over;
}

// A service on this port, 0: any. -1: none to be had.
static inline int service_open(const char *host, uint16_t port, struct dg_address *ret)
{
    char text[64];
    union dg_sockaddr name;
    snprintf(text, sizeof text, "%s:%u", host, port);
    if (!dg_address_parse(text, ret)) {
        return -1;
    }
    socklen_t size = dg_sockaddr_from(&name, ret);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int bytes = 4 * 1024 * 1024;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    size = bind(fd, &name.any, size) == 0 ? sizeof name : 0;
    if (size == 0 || getsockname(fd, &name.any, &size) != 0 || !dg_sockaddr_to(&name, size, ret)) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline bool backend_make(struct fixture *fixture)
{
    const struct dg_backend_sink sink = {
        .context = fixture,
        .answer = on_answer,
        .port_changed = on_port_changed,
        .port_of = fixture->has_slots ? on_port_of : NULL,
        .trouble = on_trouble};
    char error[256];
    fixture->backend = dg_backend_udp_new(&fixture->config, &sink, &fixture->counters, error, sizeof error);
    return fixture->backend.self != NULL;
}

// Everything on the heap: the arrays are large. config may be changed before backend_make.
static inline struct fixture *fixture_new(const char *host)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL) {
        abort();
    }
    fixture->config = dg_backend_udp_config_default();
    fixture->service = service_open(host, 0, &fixture->config.target);
    return fixture;
}

static inline void fixture_free(struct fixture *fixture)
{
    if (fixture->backend.self != NULL) {
        fixture->backend.ops->free(fixture->backend.self);
    }
    if (fixture->service >= 0) {
        close(fixture->service);
    }
    free(fixture);
}

static inline void say(struct fixture *fixture, dg_time now, uint32_t number)
{
    struct dg_ref ref = ref_of(number);
    fixture->backend.ops->deliver(fixture->backend.self, now, ref, (const uint8_t *)&ref.id, sizeof ref.id);
}

static inline void end(struct fixture *fixture, dg_time now, uint32_t number)
{
    fixture->backend.ops->closed(fixture->backend.self, now, ref_of(number));
}

static inline uint64_t count_of(const struct fixture *fixture, enum dg_counter counter)
{
    return dg_counter_read(&fixture->counters, counter);
}

struct request {
    union dg_sockaddr from;
    socklen_t from_size;
    uint64_t id;
};

// Loopback delivers before send returns; the patience is for hosts that do otherwise.
static inline bool service_hear(int service, struct request *ret)
{
    struct pollfd polled = {.fd = service, .events = POLLIN};
    if (poll(&polled, 1, 2000) != 1) {
        return false;
    }
    ret->from_size = sizeof ret->from;
    return recvfrom(service, &ret->id, sizeof ret->id, 0, &ret->from.any, &ret->from_size) == (ssize_t)sizeof ret->id;
}

static inline void service_answer(int service, const struct request *request)
{
    (void)sendto(service, &request->id, sizeof request->id, 0, &request->from.any, request->from_size);
}

// Lets the backend read until nothing is there.
static inline void serve(struct fixture *fixture, dg_time now)
{
    struct pollfd polled = {.fd = fixture->backend.ops->descriptor(fixture->backend.self), .events = POLLIN};
    for (int turns = 0; turns < 10000 && poll(&polled, 1, 0) == 1; turns++) {
        fixture->backend.ops->ready(fixture->backend.self, now);
    }
}

static inline struct dg_port_range small_range(uint16_t count)
{
    struct test_random random = {.state = dg_test_seed()};
    uint16_t first = (uint16_t)(20000 + test_random_below(&random, 10000));
    return (struct dg_port_range){first, (uint16_t)(first + count - 1)};
}

#endif
