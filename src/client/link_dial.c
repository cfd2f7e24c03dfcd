// SPDX-License-Identifier: GPL-3.0-or-later
// A link while its handshake runs: begun at one of the server's addresses after the other, stepped, told about,
// failed, or handed over to the engine. Never reads a socket.
#include "client/client_state.h"

#include "base/random.h"
#include "base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void tell(struct dg_client *client, const struct dg_link *link)
{
    struct dg_dial_event event;
    while (client->config.dial->told(link->dial, &event))
        if (client->hooks.told)
            client->hooks.told(client->hooks.context, client->now, link->owner, &event);
}

static void set_timer(struct dg_client *client, uint32_t number)
{
    const struct dg_link *link = &client->links[number];
    dg_time end = dg_time_min(link->give_up_at, link->next_at);
    dg_timer_heap_set(&client->timers, number, dg_time_min(client->config.dial->deadline(link->dial), end));
}

void dg_link_fail(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    const uint32_t owner = link->owner;
    int alert = -1;
    const char *why = "there is no way to the server's last address";
    if (link->dial)
        why = client->config.dial->why(link->dial, &alert);
    if (link->is_heard) // and came to nothing: the next handshake begins at another
        client->server = (link->server_first + link->servers_tried) % client->config.server_count;
    if (!link->is_heard && alert < 0 && link->refusal) { // more than that another address is silent
        why = link->refusal;
        alert = link->refusal_alert;
    } else if (!link->is_heard && link->servers_tried > 1 && alert < 0)
        why = "the server answers at none of its addresses";
    else if (link->refused > 0)
        why = "nobody listens at the server's address and port: its host says so";
    dg_count(client->counters, DG_COUNT_HANDSHAKES_FAILED);
    dg_link_give_back(client, number);
    client->hooks.failed(client->hooks.context, client->now, owner, number, why, alert);
}

// Data that overtook the end of the handshake (RFC 9147 5.8.1), in the order in which it came.
static void receive_kept(struct dg_client *client, struct dg_link *link, struct dg_dial *dial)
{
    uint8_t *record;
    size_t size;
    while (link->state == DG_LINK_OPEN && (size = client->config.dial->kept(dial, &record)) > 0)
        (void)!dg_engine_receive(client->engine, client->now, &link->path, record, size);
}

// The handshake's result leaves it. False: it could not be used, and the link is gone.
static bool take_over(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    struct dg_handover handover;
    bool done = client->config.dial->take(link->dial, &handover);
    tell(client, link);
    if (!done) {
        dg_wipe(&handover, sizeof handover);
        dg_link_fail(client, number);
        return false;
    }
    handover.path = link->path;
    dg_count(client->counters, DG_COUNT_HANDSHAKES_COMPLETED);
    if (handover.resumed)
        dg_count(client->counters, DG_COUNT_HANDSHAKES_RESUMED);
    struct dg_dial *dial = link->dial;
    link->dial = NULL;
    client->server = (link->server_first + link->servers_tried - 1) % client->config.server_count;
    link->sent_at = client->now;
    dg_link_schedule(client, number);
    done = dg_engine_take_over(client->engine, client->now, &handover);
    dg_wipe(&handover, sizeof handover);
    if (done)
        receive_kept(client, link, dial);
    client->config.dial->free(dial);
    if (!done) {
        const uint32_t owner = link->owner;
        dg_link_give_back(client, number);
        client->hooks.failed(client->hooks.context, client->now, owner, number, "there is no room for the association",
                             -1);
    }
    return done;
}

void dg_link_after_step(struct dg_client *client, uint32_t number, enum dg_dial_step step, uint8_t *rest, size_t size)
{
    struct dg_link *link = &client->links[number];
    tell(client, link);
    switch (step) {
    case DG_DIAL_GOES_ON:
        set_timer(client, number);
        return;
    case DG_DIAL_FAILED:
        dg_link_fail(client, number);
        return;
    case DG_DIAL_DONE:
        // core/dial.h: the datagram is the engine's from this record on.
        if (take_over(client, number) && size > 0 && link->state == DG_LINK_OPEN)
            (void)!dg_engine_receive(client->engine, client->now, &link->path, rest, size);
        return;
    }
    DG_BUG("a step of a handshake that is none");
}

// --- begun, at one address after the other ---------------------------------------------------------------

// False: error says why.
static bool begin_at(struct dg_client *client, uint32_t number, const struct dg_address *server, char *error,
                     size_t error_size)
{
    struct dg_link *link = &client->links[number];
    uint8_t random[DG_CID_SIZE_MAX];
    const struct dg_bytes cid = {.data = random, .size = client->memory.shape.cid_size};
    if (!dg_link_open(client, number, server)) {
        snprintf(error, error_size, "no socket towards the server: %s", strerror(errno));
        return false;
    }
    dg_random_bytes(random, cid.size); // RFC 9146 8: unpredictable
    link->dial = client->config.dial->start(client->config.dialer, client->now, &link->path, cid, &client->output);
    if (!link->dial)
        snprintf(error, error_size, "memory is short for a handshake");
    return link->dial != NULL;
}

// RFC 8305 in spirit, but in turn: a hello and its repetition are what an address gets to answer while there are
// others, and at most its share of the time. False: there is none left that a hello could be sent to.
static bool begin_at_next(struct dg_client *client, uint32_t number, char *error, size_t error_size)
{
    struct dg_link *link = &client->links[number];
    const struct dg_client_config *config = &client->config;
    while (link->servers_tried < config->server_count) {
        uint32_t at = (link->server_first + link->servers_tried++) % config->server_count;
        bool is_last = link->servers_tried == config->server_count;
        dg_time share = dg_time_min(5 * config->retransmit / 2, config->handshake_timeout / config->server_count);
        link->next_at = is_last ? DG_NEVER : client->now + share;
        if (begin_at(client, number, &config->servers[at], error, error_size))
            return true;
    }
    return false;
}

// Whoever refuses us says so in clear, as anybody can: it holds us to no address, but is the best that is known.
static void keep_answer(const struct dg_client *client, struct dg_link *link)
{
    int alert = -1;
    const char *why = client->config.dial->why(link->dial, &alert);
    if (alert >= 0) {
        link->refusal = why;
        link->refusal_alert = alert;
    }
}

static void tell_next(struct dg_client *client, const struct dg_link *link, const struct dg_address *before)
{
    struct dg_dial_event event = {.what = "next address"};
    char silent[DG_ADDRESS_TEXT], next[DG_ADDRESS_TEXT];
    dg_address_format(before, silent);
    dg_address_format(&link->path.peer, next);
    snprintf(event.detail, sizeof event.detail, "%s, nobody answers at %s", next, silent);
    if (client->hooks.told)
        client->hooks.told(client->hooks.context, client->now, link->owner, &event);
}

void dg_link_unanswered(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    const struct dg_address before = link->path.peer;
    char error[128];
    if (link->servers_tried == client->config.server_count) { // its why is this handshake's
        dg_link_fail(client, number);
        return;
    }
    keep_answer(client, link);
    client->config.dial->free(link->dial);
    link->dial = NULL;
    if (!begin_at_next(client, number, error, sizeof error)) {
        dg_link_fail(client, number);
        return;
    }
    tell_next(client, link, &before);
    tell(client, link);
    set_timer(client, number);
}

uint32_t dg_client_dial(struct dg_client *client, dg_time now, uint32_t owner, char *error, size_t error_size)
{
    char none[1];
    if (!error) {
        error = none;
        error_size = sizeof none;
    }
    dg_client_enter(client, now);
    uint32_t number = dg_link_take(client);
    if (number == DG_NO_LINK) {
        snprintf(error, error_size, "all %u associations are in use", client->config.links_max);
        dg_client_leave(client);
        return DG_NO_LINK;
    }
    struct dg_link *link = &client->links[number];
    link->state = DG_LINK_DIALLING;
    client->dialling++;
    link->owner = owner;
    link->server_first = client->server;
    link->give_up_at = now + client->config.handshake_timeout;
    if (begin_at_next(client, number, error, error_size)) {
        dg_count(client->counters, DG_COUNT_HANDSHAKES_STARTED);
        // A failure is told of by the deadline, not from inside of this call.
        tell(client, link);
        set_timer(client, number);
    } else {
        dg_link_give_back(client, number);
        number = DG_NO_LINK;
    }
    dg_client_leave(client);
    return number;
}
