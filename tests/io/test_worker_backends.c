// SPDX-License-Identifier: GPL-3.0-or-later
// The backends of a worker by number, with backends that only note what they are told: made when a policy uses them, tried
// again when they could not be made, asked when their descriptor says so, told when an association is no longer theirs.
#include "check.h"
#include "io/worker_backends.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct note {
    unsigned made, refused, delivered, closed, ready, flushed, freed;
    int fd;
};

struct scene {
    struct dg_worker_backends all;
    struct dg_loop loop;
    struct dg_counters counters;
    struct note notes[DG_BACKENDS_MAX];
    uint64_t cannot; // be made now
    uint64_t policy; // the backends that it uses, which is all that it says
    unsigned troubles;
};

static void note_deliver(void *backend, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    (void)now, (void)ref, (void)data, (void)size;
    ((struct note *)backend)->delivered++;
}
static void note_closed(void *backend, dg_time now, struct dg_ref ref)
{
    (void)now, (void)ref;
    ((struct note *)backend)->closed++;
}
static int note_descriptor(void *backend) { return ((struct note *)backend)->fd; }
static void note_ready(void *backend, dg_time now)
{
    (void)now;
    ((struct note *)backend)->ready++;
}
static void note_flush(void *backend, dg_time now)
{
    (void)now;
    ((struct note *)backend)->flushed++;
}
static dg_time note_deadline(void *backend)
{
    (void)backend;
    return DG_NEVER;
}
static void note_free(void *backend)
{
    struct note *note = backend;
    note->freed++;
    if (note->fd >= 0)
        close(note->fd);
}

static const struct dg_backend_ops ops = {
    .deliver = note_deliver,
    .closed = note_closed,
    .descriptor = note_descriptor,
    .ready = note_ready,
    .flush = note_flush,
    .deadline = note_deadline,
    .free = note_free,
};

static struct dg_backend make(void *context, uint16_t number, const struct dg_backend_sink *sink, uint32_t worker,
                              uint32_t worker_count, struct dg_counters *counters, char *error, size_t error_size)
{
    struct scene *scene = context;
    (void)sink, (void)worker, (void)worker_count, (void)counters;
    struct note *note = &scene->notes[number];
    if ((scene->cannot >> number & 1) != 0) {
        note->refused++;
        strncpy(error, "not now", error_size);
        return (struct dg_backend){0};
    }
    note->made++;
    note->fd = number % 2 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    return (struct dg_backend){.ops = &ops, .self = note};
}

static uint64_t backends_of(void *context, const void *policy)
{
    (void)context;
    return *(const uint64_t *)policy;
}

// The rule is the number.
static uint16_t backend_of(void *context, const void *policy, const struct dg_slot *slot)
{
    (void)context, (void)policy;
    return slot->rule;
}

static void on_trouble(void *context, dg_time now, uint16_t backend, const struct dg_backend_trouble *trouble)
{
    struct scene *scene = context;
    (void)now, (void)backend;
    scene->troubles += strcmp(trouble->reason, "not now") == 0;
}

static struct scene *scene_new(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    if (scene == NULL)
        abort();
    const struct dg_backend_maker maker = {.context = scene, .make = make};
    const struct dg_worker_backend_hooks hooks = {
        .context = scene, .backends_of = backends_of, .backend_of = backend_of, .trouble = on_trouble};
    scene->loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    scene->loop.counters = &scene->counters;
    dg_worker_backends_init(&scene->all, &maker, &hooks, &scene->loop, NULL, 0, 1);
    return scene;
}

static bool use(struct scene *scene, uint64_t backends)
{
    char error[64];
    scene->policy = backends;
    return dg_worker_backends_use(&scene->all, &scene->policy, error, sizeof error);
}

static void deliver(struct scene *scene, dg_time now, uint16_t rule)
{
    const struct dg_slot slot = {.rule = rule};
    dg_worker_backends_deliver(&scene->all, now, (struct dg_ref){.id = 1}, &slot, (const uint8_t *)"x", 1);
}

static void scene_free(struct scene *scene)
{
    dg_worker_backends_clear(&scene->all);
    for (int i = 0; i < DG_BACKENDS_MAX; i++)
        CHECK_EQ(scene->notes[i].freed, scene->notes[i].made);
    close(scene->loop.epoll_fd);
    free(scene);
}

DG_TEST(worker_makes_a_backend_once_and_only_when_a_policy_uses_it)
{
    struct scene *scene = scene_new();
    CHECK(use(scene, 1 << 3));
    deliver(scene, DG_SECOND, 9); // the only one: no rule is asked
    CHECK(use(scene, 1 << 3 | 1 << 5));
    CHECK(use(scene, UINT64_C(1) << 63 | 1 << 5));
    deliver(scene, DG_SECOND, 5);
    deliver(scene, DG_SECOND, 63);
    deliver(scene, DG_SECOND, DG_NO_BACKEND);
    for (int i = 0; i < DG_BACKENDS_MAX; i++) {
        CHECK_EQ(scene->notes[i].made, i == 3 || i == 5 || i == 63);
        CHECK_EQ(scene->notes[i].delivered, i == 3 || i == 5 || i == 63);
    }
    CHECK_EQ(dg_counter_read(&scene->counters, DG_COUNT_BACKEND_ABSENT), 1);
    scene_free(scene);
}

// Memory or descriptors are short: what is for it is dropped and counted, it is tried again each second, others go on.
DG_TEST(worker_tries_again_to_make_a_backend)
{
    struct scene *scene = scene_new();
    scene->cannot = 1 << 2 | 1 << 4;
    CHECK(!use(scene, 1 << 1 | 1 << 2 | 1 << 4));
    for (unsigned i = 0; i < 30; i++) {
        deliver(scene, DG_SECOND + i * 100 * DG_MILLISECOND, 2);
        deliver(scene, DG_SECOND + i * 100 * DG_MILLISECOND, 1);
    }
    CHECK_EQ(dg_counter_read(&scene->counters, DG_COUNT_BACKEND_ABSENT), 30);
    CHECK_EQ(scene->notes[2].refused, 1 + 3);
    CHECK_EQ(scene->troubles, 3);
    CHECK_EQ(scene->notes[1].delivered, 30);
    scene->cannot = 0;
    deliver(scene, DG_MINUTE, 2);
    deliver(scene, DG_MINUTE, 2);
    CHECK_EQ(scene->notes[2].delivered, 2);
    CHECK_EQ(scene->notes[2].made, 1);
    scene_free(scene);
}

// And where it is the only one.
DG_TEST(worker_tries_again_to_make_its_only_backend)
{
    struct scene *scene = scene_new();
    scene->cannot = 1 << 7;
    CHECK(!use(scene, 1 << 7));
    deliver(scene, DG_SECOND, 7);
    scene->cannot = 0;
    deliver(scene, DG_SECOND, 7); // not within the second
    deliver(scene, 3 * DG_SECOND, 7);
    deliver(scene, 3 * DG_SECOND, 7);
    CHECK_EQ(scene->notes[7].delivered, 2);
    CHECK_EQ(dg_counter_read(&scene->counters, DG_COUNT_BACKEND_ABSENT), 2);
    scene_free(scene);
}

DG_TEST(worker_tells_all_other_backends_that_an_association_is_no_longer_theirs)
{
    struct scene *scene = scene_new();
    CHECK(use(scene, 1 << 1 | 1 << 2 | 1 << 3));
    const struct dg_slot slot = {.rule = 2};
    dg_worker_backends_settle(&scene->all, DG_SECOND, (struct dg_ref){.id = 1}, &slot);
    CHECK(scene->notes[1].closed == 1 && scene->notes[2].closed == 0 && scene->notes[3].closed == 1);
    CHECK(use(scene, 1 << 1)); // the policy has one, the worker three
    dg_worker_backends_settle(&scene->all, DG_SECOND, (struct dg_ref){.id = 1}, &slot);
    CHECK(scene->notes[1].closed == 1 && scene->notes[2].closed == 1 && scene->notes[3].closed == 2);
    dg_worker_backends_closed(&scene->all, DG_SECOND, (struct dg_ref){.id = 1});
    CHECK(scene->notes[1].closed == 2 && scene->notes[2].closed == 2 && scene->notes[3].closed == 3);
    scene_free(scene);
}

DG_TEST(worker_serves_the_backend_whose_descriptor_is_readable)
{
    struct scene *scene = scene_new();
    CHECK(use(scene, 1 << 1 | 1 << 2 | 1 << 3));
    struct epoll_event event;
    CHECK(write(scene->notes[3].fd, &(uint64_t){1}, 8) == 8);
    REQUIRE(epoll_wait(scene->loop.epoll_fd, &event, 1, 0) == 1);
    scene->loop.extras_readable = UINT64_C(1) << 3;
    dg_worker_backends_ready(&scene->all, DG_SECOND);
    CHECK(scene->notes[1].ready == 0 && scene->notes[2].ready == 0 && scene->notes[3].ready == 1);
    dg_worker_backends_flush(&scene->all, DG_SECOND);
    CHECK(scene->notes[1].flushed == 1 && scene->notes[2].flushed == 1 && scene->notes[3].flushed == 1);
    CHECK(dg_worker_backends_deadline(&scene->all) == DG_NEVER);
    scene_free(scene);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(worker_makes_a_backend_once_and_only_when_a_policy_uses_it),
        DG_CASE(worker_tries_again_to_make_a_backend),
        DG_CASE(worker_tries_again_to_make_its_only_backend),
        DG_CASE(worker_tells_all_other_backends_that_an_association_is_no_longer_theirs),
        DG_CASE(worker_serves_the_backend_whose_descriptor_is_readable),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
