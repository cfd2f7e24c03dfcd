// SPDX-License-Identifier: GPL-3.0-or-later
// The client's outer face, and the way in: a datagram of a link goes to its handshake or to the engine. Steps that
// the engine ends associations in are told of after the engine has returned.
#include "client/client_state.h"

#include "base/secret.h"
#include "client/upstream.h"
#include "core/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define FLIGHTS_MIN 64
#define EVENTS_MAX 64
#define DATAGRAMS_AT_ONCE 16 // of one link, before another has its turn
#define REFUSALS_TO_GIVE_UP 2

// --- calls in and hooks out ------------------------------------------------------------------------------

void dg_client_leave(struct dg_client *client)
{
    while (client->depth == 1 && client->over_first != DG_NO_LINK) {
        uint32_t number = client->over_first;
        struct dg_link link = client->links[number];
        client->over_first = link.next;
        dg_link_give_back(client, number);
        if (!link.is_quiet)
            client->hooks.closed(client->hooks.context, client->now, link.owner, number, link.reason);
    }
    client->depth--;
}

void dg_client_enter(struct dg_client *client, dg_time now)
{
    client->depth++;
    client->now = now;
}

static void tell_move(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    if (!link->wants_told_move)
        return;
    link->wants_told_move = false;
    if (client->hooks.moved)
        client->hooks.moved(client->hooks.context, client->now, link->owner, number, &link->local_now);
}

// --- the engine's hooks -----------------------------------------------------------------------------------

static uint32_t number_of(const struct dg_slot *slot)
{
    return (uint32_t)(slot->listener - 1);
}

static void on_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      const struct dg_handover *handover)
{
    struct dg_client *client = context;
    struct dg_link *link = &client->links[number_of(slot)];
    link->state = DG_LINK_OPEN;
    link->ref = ref;
    link->refused = 0;
    client->dialling--;
    client->hooks.opened(client->hooks.context, now, link->owner, number_of(slot), handover);
}

static void on_deliver(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                       size_t size)
{
    struct dg_client *client = context;
    struct dg_link *link = &client->links[number_of(slot)];
    if (link->state == DG_LINK_OPEN && link->ref.id == ref.id)
        client->hooks.received(client->hooks.context, now, link->owner, number_of(slot), data, size);
}

static void on_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason)
{
    struct dg_client *client = context;
    struct dg_link *link = &client->links[number_of(slot)];
    (void)now;
    if (link->state != DG_LINK_OPEN || link->ref.id != ref.id)
        return;
    link->state = DG_LINK_OVER;
    link->reason = reason;
    link->next = client->over_first;
    client->over_first = number_of(slot);
}

// --- made and freed -----------------------------------------------------------------------------------------

static bool make_memory(struct dg_client *client, char *error, size_t error_size)
{
    const uint32_t links = client->config.links_max;
    const struct dg_memory_shape shape = {
        .shard_count = 1,
        .slots_per_shard = links,
        .flights_per_shard = links > FLIGHTS_MIN ? links : FLIGHTS_MIN,
        .cid_size = client->config.cid_size,
    };
    client->region_size = dg_memory_size(&shape);
    client->region = mmap(NULL, client->region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (client->region == MAP_FAILED) {
        client->region = NULL;
        snprintf(error, error_size, "memory is short for %u associations", links);
        return false;
    }
    dg_secret_shield(client->region, client->region_size);
    dg_memory_format(&client->memory, client->region, client->region_size, &shape);
    return true;
}

static bool make_engine(struct dg_client *client)
{
    struct dg_engine_config config = dg_engine_config_default();
    config.idle_timeout = config.idle_timeout_cid = config.maximal_age = DG_NEVER; // the owner says when
    config.retransmit_initial = client->config.retransmit;
    config.datagram_max = client->config.datagram_max;
    const struct dg_engine_hooks hooks = {
        .context = client, .deliver = on_deliver, .opened = on_opened, .closed = on_closed};
    const uint32_t shard = 0;
    client->output = dg_link_output(client);
    client->engine = dg_engine_new(&config, &client->memory, &shard, 1, client->config.aead, &client->output, &hooks,
                                   client->counters);
    return client->engine != NULL;
}

static bool make_links(struct dg_client *client)
{
    const uint32_t links = client->config.links_max;
    const size_t counters_size = (sizeof *client->counters + DG_CACHE_LINE - 1) / DG_CACHE_LINE * DG_CACHE_LINE;
    client->counters = aligned_alloc(DG_CACHE_LINE, counters_size);
    client->links = calloc(links, sizeof *client->links);
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!client->counters || !client->links || client->epoll_fd < 0 || !dg_timer_heap_init(&client->timers, links))
        return false;
    memset(client->counters, 0, counters_size);
    client->free_first = DG_NO_LINK;
    for (uint32_t i = links; i-- > 0;) {
        client->links[i] = (struct dg_link){.fd = -1, .left_fd = -1, .next = client->free_first};
        client->free_first = i;
    }
    return true;
}

struct dg_client *dg_client_new(const struct dg_client_config *config, const struct dg_client_hooks *hooks, char *error,
                                size_t error_size)
{
    struct dg_client *client = calloc(1, sizeof *client);
    snprintf(error, error_size, "memory or descriptors are short for a client");
    if (!client)
        return NULL;
    client->config = *config;
    client->hooks = *hooks;
    client->epoll_fd = -1;
    client->over_first = DG_NO_LINK;
    if (!make_links(client) || !make_memory(client, error, error_size) || !make_engine(client)) {
        dg_client_free(client);
        return NULL;
    }
    return client;
}

void dg_client_free(struct dg_client *client)
{
    if (!client)
        return;
    for (uint32_t i = 0; client->links && i < client->config.links_max; i++)
        if (client->links[i].state != DG_LINK_FREE)
            dg_link_give_back(client, i);
    dg_engine_free(client->engine);
    if (client->region) {
        dg_wipe(client->region, client->region_size);
        munmap(client->region, client->region_size);
    }
    dg_timer_heap_clear(&client->timers);
    if (client->epoll_fd >= 0)
        close(client->epoll_fd);
    free(client->links);
    free(client->counters);
    dg_wipe(client, sizeof *client);
    free(client);
}

// --- the way in ---------------------------------------------------------------------------------------------

static void read_dialling(struct dg_client *client, uint32_t number, uint8_t *data, size_t size)
{
    const uint32_t serial = client->links[number].serial;
    struct dg_link *link = &client->links[number];
    link->refused = 0;
    while (size > 0 && link->state == DG_LINK_DIALLING && link->serial == serial) {
        struct dg_record record;
        struct dg_result parsed = dg_record_parse(data, size, client->memory.shape.cid_size, &record);
        if (parsed.outcome != DG_OK) {
            dg_count(client->counters, parsed.reason);
            return;
        }
        enum dg_dial_step step =
            client->config.dial->receive(link->dial, client->now, record.start, record.size, &client->output);
        enum dg_counter dropped = client->config.dial->dropped(link->dial);
        if (dropped != DG_COUNT_NONE) {
            dg_count(client->counters, dropped);
        } else { // junk and alerts in clear may be anybody's, and hold nobody to this address
            link->is_heard = true;
            link->next_at = DG_NEVER;
        }
        dg_link_after_step(client, number, step, data, size);
        data += record.size;
        size -= record.size;
    }
}

static void read_open(struct dg_client *client, uint32_t number, const struct dg_path *path, uint8_t *data, size_t size)
{
    struct dg_link *link = &client->links[number];
    if (dg_engine_receive(client->engine, client->now, path, data, size) == DG_ENGINE_UNKNOWN)
        dg_count(client->counters, DG_COUNT_DROP_NO_ASSOCIATION);
    const struct dg_slot *slot = dg_link_slot(client, link);
    if (slot && atomic_load_explicit(&slot->active_at, memory_order_relaxed) == client->now)
        link->refused = 0;
}

static void note_refusal(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    link->refused++;
    // Whoever forges the ICMP error that this rests on can as well forge hellos' answers: before the proof, both
    // end a handshake that would be dialled again.
    if (link->state == DG_LINK_DIALLING && (link->refused >= REFUSALS_TO_GIVE_UP || link->next_at != DG_NEVER))
        dg_link_unanswered(client, number);
}

static void read_link(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    const uint32_t serial = link->serial;
    for (int i = 0; i < DATAGRAMS_AT_ONCE && link->serial == serial && link->fd >= 0; i++) {
        bool refused = false;
        ssize_t size = dg_upstream_receive(link->fd, client->in, sizeof client->in, &refused);
        if (refused)
            note_refusal(client, number);
        if (size < 0)
            return;
        dg_count(client->counters, DG_COUNT_DATAGRAMS_RECEIVED);
        if ((size_t)size > DG_DATAGRAM_MAX)
            dg_count(client->counters, DG_COUNT_DROP_RECORD_TOO_LONG);
        else if (link->state == DG_LINK_DIALLING && link->serial == serial)
            read_dialling(client, number, client->in, (size_t)size);
        else if (link->state == DG_LINK_OPEN && link->serial == serial)
            read_open(client, number, &link->path, client->in, (size_t)size);
    }
}

static void read_left(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    const struct dg_path path = dg_link_left_path(link);
    const uint32_t serial = link->serial;
    for (int i = 0; i < DATAGRAMS_AT_ONCE && link->serial == serial && link->left_fd >= 0; i++) {
        bool refused = false; // what its errors say is of the past
        ssize_t size = dg_upstream_receive(link->left_fd, client->in, sizeof client->in, &refused);
        if (size < 0)
            return;
        dg_count(client->counters, DG_COUNT_DATAGRAMS_RECEIVED);
        if (link->state == DG_LINK_OPEN && (size_t)size <= DG_DATAGRAM_MAX)
            read_open(client, number, &path, client->in, (size_t)size);
    }
}

void dg_client_read(struct dg_client *client, dg_time now)
{
    struct epoll_event events[EVENTS_MAX];
    dg_client_enter(client, now);
    int count = epoll_wait(client->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        uint32_t number = (uint32_t)events[i].data.u64 & ~DG_LINK_LEFT;
        const struct dg_link *link = &client->links[number];
        if (link->serial != events[i].data.u64 >> 32 || link->state == DG_LINK_FREE)
            continue;
        if ((events[i].data.u64 & DG_LINK_LEFT) != 0)
            read_left(client, number);
        else
            read_link(client, number);
    }
    dg_client_leave(client);
}

// --- the way out --------------------------------------------------------------------------------------------

dg_time dg_client_heard_at(const struct dg_client *client, uint32_t number)
{
    const struct dg_slot *slot = dg_link_slot(client, &client->links[number]);
    return slot ? atomic_load_explicit(&slot->active_at, memory_order_relaxed) : 0;
}

bool dg_client_send(struct dg_client *client, dg_time now, uint32_t number, const uint8_t *data, size_t size)
{
    struct dg_link *link = &client->links[number];
    if (link->state != DG_LINK_OPEN)
        return false;
    dg_client_enter(client, now);
    if (link->asked_at == 0 || dg_client_heard_at(client, number) >= link->asked_at)
        link->asked_at = now;
    bool sent = dg_engine_send(client->engine, now, link->ref, data, size);
    if (link->state == DG_LINK_OPEN)
        tell_move(client, number);
    dg_client_leave(client);
    return sent;
}

size_t dg_client_payload_max(const struct dg_client *client, uint32_t number)
{
    const struct dg_link *link = &client->links[number];
    return link->state == DG_LINK_OPEN ? dg_engine_payload_max(client->engine, link->ref) : 0;
}

enum dg_client_doubt dg_client_doubt(const struct dg_client *client, dg_time now, uint32_t number, dg_time silence)
{
    const struct dg_link *link = &client->links[number];
    const struct dg_slot *slot = dg_link_slot(client, link);
    if (!slot || (slot->flags & DG_SLOT_CLOSE_RECEIVED) != 0)
        return DG_DOUBT_CLOSED;
    if (link->is_cut)
        return DG_DOUBT_CUT;
    if (link->refused > 0)
        return DG_DOUBT_REFUSED;
    bool is_unanswered = link->asked_at != 0 && dg_client_heard_at(client, number) < link->asked_at;
    return is_unanswered && dg_time_since(now, link->asked_at) >= silence ? DG_DOUBT_SILENT : DG_DOUBT_NONE;
}

void dg_client_close(struct dg_client *client, dg_time now, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    dg_client_enter(client, now);
    link->is_quiet = true;
    if (link->state == DG_LINK_DIALLING)
        dg_link_give_back(client, number);
    else if (link->state == DG_LINK_OPEN)
        dg_engine_close(client->engine, now, link->ref, DG_COUNT_CLOSED_SHUTDOWN);
    dg_client_leave(client);
}

void dg_client_close_all(struct dg_client *client, dg_time now)
{
    for (uint32_t i = 0; i < client->config.links_max; i++)
        if (client->links[i].state != DG_LINK_FREE)
            dg_client_close(client, now, i);
}

bool dg_client_rebind(struct dg_client *client, dg_time now, uint32_t number)
{
    const struct dg_slot *slot = dg_link_slot(client, &client->links[number]);
    if (!slot || (slot->flags & DG_SLOT_PEER_HAS_CID) == 0)
        return false;
    dg_client_enter(client, now);
    bool done = dg_link_reopen(client, number);
    if (done)
        tell_move(client, number);
    // A new path shows a new ID (RFC 9853 9). Only a peer that has the check is asked for IDs: older ones may take the
    // question for a mistake.
    if (done && (slot->flags & DG_SLOT_HAS_RRC) != 0)
        dg_engine_rebound(client->engine, now, client->links[number].ref);
    dg_client_leave(client);
    return done;
}

void dg_client_rebind_all(struct dg_client *client, dg_time now)
{
    for (uint32_t i = 0; i < client->config.links_max; i++)
        (void)dg_client_rebind(client, now, i);
}

// --- the clock ------------------------------------------------------------------------------------------------

int dg_client_fd(const struct dg_client *client)
{
    return client->epoll_fd;
}

dg_time dg_client_deadline(const struct dg_client *client)
{
    return dg_time_min(dg_timer_heap_next(&client->timers), dg_engine_deadline(client->engine));
}

static void open_link_due(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    if (link->left_fd >= 0 && client->now >= link->left_until)
        dg_link_forget_left(client, number);
    if (link->state == DG_LINK_OPEN && client->now >= dg_link_keepalive_at(client, link)) {
        link->sent_at = client->now; // also where nothing can go out now
        (void)dg_engine_keep_alive(client->engine, client->now, link->ref);
        if (link->state == DG_LINK_OPEN)
            tell_move(client, number);
    }
    if (link->state == DG_LINK_OPEN)
        dg_link_schedule(client, number);
}

void dg_client_advance(struct dg_client *client, dg_time now, uint32_t now_wall_s)
{
    uint32_t number;
    dg_client_enter(client, now);
    while (dg_timer_heap_pop(&client->timers, now, &number)) {
        struct dg_link *link = &client->links[number];
        if (link->state != DG_LINK_DIALLING)
            open_link_due(client, number);
        else if (now >= link->give_up_at)
            dg_link_fail(client, number);
        else if (now >= link->next_at)
            dg_link_unanswered(client, number);
        else
            dg_link_after_step(client, number, client->config.dial->advance(link->dial, now, &client->output), NULL, 0);
    }
    dg_engine_advance(client->engine, now, now_wall_s);
    dg_client_leave(client);
}

uint32_t dg_client_dialling(const struct dg_client *client)
{
    return client->dialling;
}

const struct dg_counters *dg_client_counters(const struct dg_client *client)
{
    return client->counters;
}
