// SPDX-License-Identifier: GPL-3.0-or-later
// A link while its handshake runs: begun, stepped, told about, failed, or handed over to the engine. Never reads a
// socket.
#include "client/client_state.h"

#include "base/random.h"
#include "base/secret.h"

#include <stdio.h>

static void tell(struct dg_client *client, const struct dg_link *link)
{
    struct dg_dial_event event;
    while (client->config.dial->told(link->dial, &event))
        if (client->hooks.told)
            client->hooks.told(client->hooks.context, client->now, link->owner, &event);
}

void dg_link_fail(struct dg_client *client, uint32_t number)
{
    struct dg_link *link = &client->links[number];
    const uint32_t owner = link->owner;
    int alert = -1;
    const char *why = client->config.dial->why(link->dial, &alert);
    if (link->refused > 0)
        why = "nobody listens at the server's address and port: its host says so";
    dg_count(client->counters, DG_COUNT_HANDSHAKES_FAILED);
    dg_link_give_back(client, number);
    client->hooks.failed(client->hooks.context, client->now, owner, number, why, alert);
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
    client->config.dial->free(link->dial);
    link->dial = NULL;
    client->dialling--;
    dg_timer_heap_set(&client->timers, number, DG_NEVER);
    done = dg_engine_take_over(client->engine, client->now, &handover);
    dg_wipe(&handover, sizeof handover);
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
        dg_timer_heap_set(&client->timers, number,
                          dg_time_min(client->config.dial->deadline(link->dial), link->give_up_at));
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

uint32_t dg_client_dial(struct dg_client *client, dg_time now, uint32_t owner, char *error, size_t error_size)
{
    char none[1];
    dg_client_enter(client, now);
    uint32_t number = dg_link_take(client, error ? error : none, error ? error_size : 0);
    if (number != DG_NO_LINK) {
        struct dg_link *link = &client->links[number];
        uint8_t cid[DG_CID_SIZE];
        dg_random_bytes(cid, sizeof cid); // RFC 9146 8: unpredictable
        link->state = DG_LINK_DIALLING;
        link->owner = owner;
        link->give_up_at = now + client->config.handshake_timeout;
        link->dial = client->config.dial->start(client->config.dialer, now, &link->path, cid, &client->output);
        if (!link->dial) {
            if (error)
                snprintf(error, error_size, "memory is short for a handshake");
            dg_link_give_back(client, number);
            number = DG_NO_LINK;
        } else {
            client->dialling++;
            dg_count(client->counters, DG_COUNT_HANDSHAKES_STARTED);
            // A failure is told of by the deadline, not from inside of this call.
            tell(client, link);
            dg_timer_heap_set(&client->timers, number,
                              dg_time_min(client->config.dial->deadline(link->dial), link->give_up_at));
        }
    }
    dg_client_leave(client);
    return number;
}
