// SPDX-License-Identifier: GPL-3.0-or-later
// Links: their places, their sockets, and what the engine and the handshakes send through them. Never opens a record.
#include "client/client_state.h"

#include "client/upstream.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REOPEN_PAUSE DG_SECOND
#define REFUSALS_TO_REOPEN 3
#define LEFT_TIME (5 * DG_SECOND) // the server answers to the address before until it has checked the new one

static bool watch(struct dg_client *client, uint32_t number, int operation, int fd, uint32_t mark)
{
    const struct dg_link *link = &client->links[number];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)link->serial << 32 | number | mark};
    return epoll_ctl(client->epoll_fd, operation, fd, &event) == 0;
}

uint32_t dg_link_take(struct dg_client *client)
{
    uint32_t number = client->free_first;
    if (number == DG_NO_LINK)
        return DG_NO_LINK;
    struct dg_link *link = &client->links[number];
    client->free_first = link->next;
    *link = (struct dg_link){.serial = link->serial, .fd = -1, .left_fd = -1, .next = DG_NO_LINK};
    return number;
}

bool dg_link_open(struct dg_client *client, uint32_t number, const struct dg_address *server)
{
    struct dg_link *link = &client->links[number];
    if (link->fd >= 0)
        close(link->fd);
    link->serial++;
    link->refused = 0;
    link->path = (struct dg_path){.peer = *server, .listener = (uint64_t)number + 1};
    link->fd = dg_upstream_open(server, &link->path.local);
    if (link->fd < 0)
        return false;
    if (watch(client, number, EPOLL_CTL_ADD, link->fd, 0))
        return true;
    int code = errno;
    close(link->fd);
    link->fd = -1;
    errno = code;
    return false;
}

void dg_link_give_back(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    if (link->state == DG_LINK_DIALLING)
        client->dialling--;
    if (link->dial) {
        client->config.dial->free(link->dial);
        link->dial = NULL;
    }
    dg_timer_heap_set(&client->timers, number, DG_NEVER);
    if (link->left_fd >= 0)
        close(link->left_fd);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = link->left_fd = -1;
    link->state = DG_LINK_FREE;
    link->next = client->free_first;
    client->free_first = number;
}

const struct dg_slot *dg_link_slot(const struct dg_client *client, const struct dg_link *link)
{
    if (link->state != DG_LINK_OPEN)
        return NULL;
    return dg_memory_slot(&client->memory, link->ref.shard, link->ref.slot);
}

void dg_link_forget_left(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    if (link->left_fd < 0)
        return;
    close(link->left_fd);
    link->left_fd = -1;
    dg_link_schedule(client, number);
}

dg_time dg_link_keepalive_at(const struct dg_client *client, const struct dg_link *link)
{
    return client->config.keepalive == 0 || link->is_cut ? DG_NEVER : link->sent_at + client->config.keepalive;
}

void dg_link_schedule(struct dg_client *client, uint32_t number)
{
    const struct dg_link *link = &client->links[number];
    dg_time left = link->left_fd >= 0 ? link->left_until : DG_NEVER;
    dg_timer_heap_set(&client->timers, number, dg_time_min(left, dg_link_keepalive_at(client, link)));
}

struct dg_path dg_link_left_path(const struct dg_link *link)
{
    struct dg_path path = link->path;
    path.local.port = path.local.port > 1 ? path.local.port - 1 : 2; // any other: only its difference counts
    return path;
}

// The path that the engine knows stays as it was: it is only the engine's name for this link.
bool dg_link_reopen(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    struct dg_address local;
    int before = link->fd;
    int fd = dg_upstream_open(&link->path.peer, &local);
    if (fd < 0)
        return false;
    if (!watch(client, number, EPOLL_CTL_ADD, fd, 0)) {
        close(fd);
        return false;
    }
    dg_link_forget_left(client, number);
    link->fd = fd;
    link->local_now = local;
    if (watch(client, number, EPOLL_CTL_MOD, before, DG_LINK_LEFT)) {
        link->left_fd = before;
        link->left_until = client->now + LEFT_TIME;
        dg_link_schedule(client, number);
    } else {
        close(before);
    }
    link->reopened_at = client->now;
    link->refused = 0;
    link->wants_told_move = true;
    return true;
}

// RFC 9146 6: only with a connection ID in what we send does the server know us at another address.
static bool may_move(const struct dg_client *client, const struct dg_link *link)
{
    const struct dg_slot *slot = dg_link_slot(client, link);
    return slot && (slot->flags & DG_SLOT_PEER_HAS_CID) != 0;
}

static bool try_another_address(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    // A handshake whose cookie is bound to an address does not survive it; its deadline ends it.
    if (link->state != DG_LINK_OPEN || dg_time_since(client->now, link->reopened_at) < REOPEN_PAUSE)
        return false;
    if (may_move(client, link))
        return dg_link_reopen(client, number);
    link->is_cut = true;
    return false;
}

static void send_through(struct dg_client *client, uint32_t number, size_t size)
{
    struct dg_link *link = &client->links[number];
    enum dg_upstream_sent sent = dg_upstream_send(link->fd, client->out, size);
    if (sent == DG_UPSTREAM_CUT && try_another_address(client, number))
        sent = dg_upstream_send(link->fd, client->out, size);
    if (sent == DG_UPSTREAM_REFUSED) {
        // The next one is due once a second at most, so a server that starts anew is not stormed.
        if (++link->refused >= REFUSALS_TO_REOPEN && link->state == DG_LINK_OPEN && may_move(client, link) &&
            dg_time_since(client->now, link->reopened_at) >= REOPEN_PAUSE)
            (void)dg_link_reopen(client, number);
        sent = DG_UPSTREAM_SENT;
    }
    if (sent == DG_UPSTREAM_FULL)
        dg_count(client->counters, DG_COUNT_DROP_SEND_FULL);
    else
        dg_count(client->counters, sent == DG_UPSTREAM_SENT ? DG_COUNT_DATAGRAMS_SENT : DG_COUNT_DROP_SEND_ERROR);
}

static uint8_t *reserve(void *context, size_t capacity)
{
    struct dg_client *client = context;
    return capacity <= sizeof client->out ? client->out : NULL;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    struct dg_client *client = context;
    uint64_t number = path->listener - 1;
    DG_BUG_UNLESS(number < client->config.links_max);
    struct dg_link *link = &client->links[number];
    link->sent_at = client->now;
    if (link->left_fd >= 0 && path->local.port != link->path.local.port)
        (void)dg_upstream_send(link->left_fd, client->out, size); // it may be gone already
    else if (link->fd >= 0)
        send_through(client, (uint32_t)number, size);
}

struct dg_output dg_link_output(struct dg_client *client)
{
    return (struct dg_output){.context = client, .reserve = reserve, .commit = commit};
}
