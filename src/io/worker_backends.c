// SPDX-License-Identifier: GPL-3.0-or-later
// A seat for each backend number. Where the policy uses one backend alone, which is the rule, nothing is asked for a
// message: it goes there. Otherwise the slot's rule says where it goes, and an answer is taken only from there.
#include "io/worker_backends.h"

#include "core/steer.h"

#include <stdio.h>
#include <string.h>

#define TRY_EVERY DG_SECOND // to make a backend that could not be made

// The next of a set of bits, lowest first.
static uint16_t take_lowest(uint64_t *bits)
{
    uint16_t number = (uint16_t)__builtin_ctzll(*bits);
    *bits &= *bits - 1;
    return number;
}

static uint64_t bit(uint16_t number) { return UINT64_C(1) << number; }

static uint16_t number_of(const struct dg_worker_backends *all, const struct dg_slot *slot)
{
    return all->only != DG_NO_BACKEND ? all->only
                                      : all->hooks.backend_of(all->hooks.context, all->policy, slot);
}

// --- the sink of a seat ----------------------------------------------------------------------------------

// False: there is no such association, or it is another backend's.
static bool is_backend_of(const struct dg_worker_backends *all, uint16_t number, dg_time now, struct dg_ref ref)
{
    const struct dg_slot *slot = dg_engine_current(all->engine, now, ref);
    return slot != NULL && number_of(all, slot) == number;
}

static __attribute__((cold, noinline)) void show(const struct dg_worker_backends *all, dg_time now, struct dg_ref ref,
                                                 bool is_from_client, const uint8_t *data, size_t size)
{
    all->hooks.debug_plaintext(all->hooks.context, now, ref, dg_engine_identity(all->engine, ref), is_from_client, data,
                               size);
}

static inline bool answer(struct dg_worker_backends *all, dg_time now, struct dg_ref ref, const uint8_t *data,
                          size_t size)
{
    if (all->hooks.debug_plaintext != NULL)
        show(all, now, ref, false, data, size);
    return dg_engine_send(all->engine, now, ref, data, size); // counts what it refuses
}

static __attribute__((cold, noinline)) bool refuse(struct dg_worker_backend_seat *seat, dg_time now, struct dg_ref ref)
{
    dg_count(seat->all->counters, DG_COUNT_BACKEND_ANSWER_UNKNOWN);
    seat->backend.ops->closed(seat->backend.self, now, ref);
    return false;
}

static bool on_answer(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct dg_worker_backend_seat *seat = context;
    struct dg_worker_backends *all = seat->all;
    if (all->only != seat->number && !is_backend_of(all, seat->number, now, ref))
        return refuse(seat, now, ref);
    return answer(all, now, ref, data, size);
}

// What names an association is the service's word: its own it must be.
static void answer_named(struct dg_worker_backends *all, uint16_t number, dg_time now, struct dg_ref ref,
                         const uint8_t *data, size_t size)
{
    if (is_backend_of(all, number, now, ref))
        (void)answer(all, now, ref, data, size);
    else
        dg_count(all->counters, DG_COUNT_BACKEND_ANSWER_UNKNOWN);
}

static void pass_on(struct dg_worker_backends *all, uint16_t number, struct dg_ref ref, const uint8_t *data, size_t size)
{
    const struct dg_message_answer head = {.ref = ref, .backend = number};
    const struct dg_ring_part parts[] = {{&head, sizeof head}, {data, size}};
    uint32_t to = dg_mesh_worker(dg_steer_worker(ref.shard, all->worker_count));
    bool is_put = size <= DG_PLAINTEXT_MAX &&
                  dg_mesh_put(all->loop->mesh, all->loop->self, to, DG_MESSAGE_ANSWER, parts, 2);
    dg_count(all->counters, is_put ? DG_COUNT_BACKEND_ANSWER_FORWARDED : DG_COUNT_BACKEND_ANSWER_LOST);
}

// The id is what counts: shard and slot only say where it is looked for (core/association_ref.h).
static void on_route(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct dg_worker_backend_seat *seat = context;
    struct dg_worker_backends *all = seat->all;
    if (ref.shard < DG_SHARDS_MAX && dg_steer_worker(ref.shard, all->worker_count) != all->worker)
        pass_on(all, seat->number, ref, data, size);
    else
        answer_named(all, seat->number, now, ref, data, size);
}

static struct dg_bytes on_identity(void *context, struct dg_ref ref)
{
    const struct dg_worker_backend_seat *seat = context;
    return dg_engine_identity(seat->all->engine, ref);
}

static bool on_describe(void *context, struct dg_ref ref, struct dg_backend_subject *ret)
{
    const struct dg_worker_backend_seat *seat = context;
    const struct dg_worker_backends *all = seat->all;
    const struct dg_slot *slot = dg_engine_peek(all->engine, ref);
    if (slot == NULL)
        return false;
    *ret = (struct dg_backend_subject){
        .peer = slot->peer,
        .local = {.port = slot->local_port, .scope = slot->peer.scope},
        .identity = dg_engine_identity(all->engine, ref),
        .listener = "",
        .suite_name = "",
        .suite = slot->suite,
        .identity_kind = slot->identity_kind,
        .version = slot->version,
        .is_resumed = (slot->flags & DG_SLOT_RESUMED) != 0,
    };
    memcpy(ret->local.ip, slot->local_ip, sizeof ret->local.ip);
    if (all->hooks.name != NULL)
        all->hooks.name(all->hooks.context, all->policy, slot, ret);
    return true;
}

static void on_port_changed(void *context, struct dg_ref ref, uint16_t port)
{
    const struct dg_worker_backend_seat *seat = context;
    dg_engine_set_backend_port(seat->all->engine, ref, port);
}

static uint16_t on_port_of(void *context, struct dg_ref ref)
{
    const struct dg_worker_backend_seat *seat = context;
    return dg_engine_backend_port(seat->all->engine, ref);
}

// What its slot says of a rule is of the process before, until it was allowed again.
static enum dg_port_claim on_claim(void *context, dg_time now, uint32_t shard, uint32_t slot, uint16_t port,
                                   struct dg_ref *ret_ref, uint16_t *ret_backend)
{
    const struct dg_worker_backend_seat *seat = context;
    const struct dg_worker_backends *all = seat->all;
    bool is_ours;
    if (!dg_engine_holds_port(all->engine, shard, slot, port, &is_ours, ret_ref))
        return is_ours ? DG_PORT_NOBODYS : DG_PORT_ELSEWHERE;
    const struct dg_slot *found = dg_engine_holder(all->engine, now, *ret_ref);
    if (found == NULL)
        return dg_engine_peek(all->engine, *ret_ref) != NULL ? DG_PORT_LATER : DG_PORT_NOBODYS;
    *ret_backend = number_of(all, found);
    return DG_PORT_CLAIMED;
}

static void on_trouble(void *context, dg_time now, const struct dg_backend_trouble *trouble)
{
    const struct dg_worker_backend_seat *seat = context;
    const struct dg_worker_backends *all = seat->all;
    if (all->hooks.trouble != NULL)
        all->hooks.trouble(all->hooks.context, now, seat->number, trouble);
}

// --- making ----------------------------------------------------------------------------------------------

void dg_worker_backends_init(struct dg_worker_backends *all, const struct dg_backend_maker *maker,
                             const struct dg_worker_backend_hooks *hooks, struct dg_loop *loop, struct dg_engine *engine,
                             uint32_t worker, uint32_t worker_count)
{
    memset(all, 0, sizeof *all);
    all->maker = *maker;
    all->hooks = *hooks;
    all->loop = loop;
    all->engine = engine;
    all->worker = worker;
    all->worker_count = worker_count;
    all->counters = loop->counters;
    all->only = DG_NO_BACKEND;
}

static void free_seat(struct dg_worker_backends *all, uint16_t number)
{
    struct dg_worker_backend_seat *seat = &all->seats[number];
    seat->backend.ops->free(seat->backend.self);
    memset(seat, 0, sizeof *seat);
    all->made &= ~bit(number);
    all->collecting &= ~bit(number);
}

void dg_worker_backends_clear(struct dg_worker_backends *all)
{
    for (uint64_t left = all->made; left != 0;)
        free_seat(all, take_lowest(&left));
}

static bool make(struct dg_worker_backends *all, uint16_t number, char *error, size_t error_size)
{
    struct dg_worker_backend_seat *seat = &all->seats[number];
    *seat = (struct dg_worker_backend_seat){.all = all, .number = number};
    const struct dg_backend_sink sink = {
        .context = seat,
        .answer = on_answer,
        .route = on_route,
        .port_changed = on_port_changed,
        .identity = on_identity,
        .describe = on_describe,
        .port_of = on_port_of,
        .claim = on_claim,
        .trouble = on_trouble,
    };
    seat->backend = all->maker.make(all->maker.context, number, &sink, all->worker, all->worker_count, all->counters,
                                    error, error_size);
    if (seat->backend.self == NULL) {
        seat->all = NULL;
        return false;
    }
    all->made |= bit(number);
    if (seat->backend.ops->flush != NULL)
        all->collecting |= bit(number);
    int fd = seat->backend.ops->descriptor(seat->backend.self);
    if (fd >= 0 && !dg_loop_watch(all->loop, number, fd)) {
        snprintf(error, error_size, "descriptors are short for a backend");
        free_seat(all, number);
        return false;
    }
    return true;
}

bool dg_worker_backends_use(struct dg_worker_backends *all, const void *policy, char *error, size_t error_size)
{
    uint64_t wanted = all->hooks.backends_of != NULL ? all->hooks.backends_of(all->hooks.context, policy) : 1;
    uint64_t missing = wanted & ~all->made;
    all->policy = policy;
    all->only = DG_NO_BACKEND;
    all->sole = NULL;
    if ((wanted & (wanted - 1)) == 0 && wanted != 0) {
        uint64_t one = wanted;
        all->only = take_lowest(&one);
    }
    bool is_whole = true;
    while (missing != 0)
        is_whole = make(all, take_lowest(&missing), error, error_size) && is_whole;
    if (all->only != DG_NO_BACKEND && all->seats[all->only].all != NULL)
        all->sole = &all->seats[all->only].backend;
    return is_whole;
}

// Here only where a backend could not be made with its policy: memory or descriptors were short.
static bool make_late(struct dg_worker_backends *all, dg_time now, uint16_t number)
{
    char error[256];
    if (number >= DG_BACKENDS_MAX || (all->tried_at != 0 && dg_time_since(now, all->tried_at) < TRY_EVERY))
        return false;
    all->tried_at = now;
    if (make(all, number, error, sizeof error))
        return true;
    const struct dg_backend_trouble trouble = {.event = "backend_absent", .reason = error};
    if (all->hooks.trouble != NULL)
        all->hooks.trouble(all->hooks.context, now, number, &trouble);
    return false;
}

// --- associations ----------------------------------------------------------------------------------------

static __attribute__((noinline)) void deliver_by_rule(struct dg_worker_backends *all, dg_time now, struct dg_ref ref,
                                                       const struct dg_slot *slot, const uint8_t *data, size_t size)
{
    uint16_t number = number_of(all, slot);
    if (number >= DG_BACKENDS_MAX || (all->seats[number].all == NULL && !make_late(all, now, number))) {
        dg_count(all->counters, DG_COUNT_BACKEND_ABSENT);
        return;
    }
    const struct dg_backend *backend = &all->seats[number].backend;
    backend->ops->deliver(backend->self, now, ref, data, size);
}

void dg_worker_backends_deliver(struct dg_worker_backends *all, dg_time now, struct dg_ref ref,
                                const struct dg_slot *slot, const uint8_t *data, size_t size)
{
    if (all->hooks.debug_plaintext != NULL)
        show(all, now, ref, true, data, size);
    if (all->sole != NULL)
        all->sole->ops->deliver(all->sole->self, now, ref, data, size);
    else
        deliver_by_rule(all, now, ref, slot, data, size);
}

static void forget(struct dg_worker_backends *all, dg_time now, struct dg_ref ref, uint64_t backends)
{
    while (backends != 0) {
        const struct dg_backend *backend = &all->seats[take_lowest(&backends)].backend;
        backend->ops->closed(backend->self, now, ref);
    }
}

void dg_worker_backends_settle(struct dg_worker_backends *all, dg_time now, struct dg_ref ref,
                               const struct dg_slot *slot)
{
    uint16_t number = number_of(all, slot);
    forget(all, now, ref, number < DG_BACKENDS_MAX ? all->made & ~bit(number) : all->made);
}

void dg_worker_backends_closed(struct dg_worker_backends *all, dg_time now, struct dg_ref ref)
{
    forget(all, now, ref, all->made);
}

void dg_worker_backends_take_answer(struct dg_worker_backends *all, dg_time now, const uint8_t *message, size_t size)
{
    struct dg_message_answer head;
    DG_BUG_UNLESS(size >= sizeof head);
    memcpy(&head, message, sizeof head);
    answer_named(all, (uint16_t)head.backend, now, head.ref, message + sizeof head, size - sizeof head);
}

// --- the turns -------------------------------------------------------------------------------------------

void dg_worker_backends_ready(struct dg_worker_backends *all, dg_time now)
{
    for (uint64_t left = all->loop->extras_readable & all->made; left != 0;) {
        const struct dg_backend *backend = &all->seats[take_lowest(&left)].backend;
        backend->ops->ready(backend->self, now);
    }
}

void dg_worker_backends_flush(struct dg_worker_backends *all, dg_time now)
{
    for (uint64_t left = all->collecting; left != 0;) {
        const struct dg_backend *backend = &all->seats[take_lowest(&left)].backend;
        backend->ops->flush(backend->self, now);
    }
}

dg_time dg_worker_backends_deadline(const struct dg_worker_backends *all)
{
    dg_time soonest = DG_NEVER;
    for (uint64_t left = all->made; left != 0;) {
        const struct dg_backend *backend = &all->seats[take_lowest(&left)].backend;
        soonest = dg_time_min(soonest, backend->ops->deadline(backend->self));
    }
    return soonest;
}

void dg_worker_backends_advance(struct dg_worker_backends *all, dg_time now)
{
    for (uint64_t left = all->made; left != 0;) {
        const struct dg_backend *backend = &all->seats[take_lowest(&left)].backend;
        if (backend->ops->deadline(backend->self) <= now)
            backend->ops->advance(backend->self, now);
    }
}
