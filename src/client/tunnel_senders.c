// SPDX-License-Identifier: GPL-3.0-or-later
// A tunnel's local senders: when one is dialled for, what waits meanwhile, when an association is doubted, who goes
// when there is no room. Never waits, never reads a clock.
#include "client/tunnel_state.h"

#include "base/random.h"

#include <string.h>

#define DIALS_MAX 64                       // handshakes under way at once; the server bounds them per prefix as well
#define DIAL_PAUSE (20 * DG_MILLISECOND)   // until it is tried again where that many are
#define GOOD_LIFE DG_MINUTE                // an association that lived so long was no failure
#define SILENCE_MAX DG_HOUR

static const struct dg_address *address_of(const struct dg_tunnel *tunnel, uint32_t place)
{
    return &tunnel->table.entries[place].address;
}

static void hold(struct dg_tunnel *tunnel, struct dg_sender *sender, const uint8_t *data, size_t size)
{
    if (!dg_holding_put(&sender->holding, tunnel->config.hold_max, data, size))
        tunnel->counts.held_lost++;
}

static void send_held(struct dg_tunnel *tunnel, dg_time now, uint32_t place)
{
    struct dg_sender *sender = &tunnel->senders[place];
    const uint8_t *data;
    size_t size;
    while (sender->link != DG_NO_LINK && dg_holding_peek(&sender->holding, &data, &size)) {
        (void)dg_client_send(tunnel->client, now, sender->link, data, size); // what it does not take, it counts
        dg_holding_pop(&sender->holding);
    }
}

static void wait_and_retry(struct dg_tunnel *tunnel, dg_time now, uint32_t place, const char *why, int alert)
{
    struct dg_sender *sender = &tunnel->senders[place];
    dg_time wait = dg_backoff_fail(&sender->backoff, dg_random_u64());
    sender->retry_at = now + wait;
    if (sender->holding.count > 0)
        dg_timer_heap_set(&tunnel->retries, place, sender->retry_at);
    dg_client_report_refused(address_of(tunnel, place), why, alert, wait);
}

static void dial(struct dg_tunnel *tunnel, dg_time now, uint32_t place)
{
    struct dg_sender *sender = &tunnel->senders[place];
    char error[128];
    if (sender->next_link != DG_NO_LINK || tunnel->is_stopping)
        return;
    if (now < sender->retry_at) {
        dg_timer_heap_set(&tunnel->retries, place, sender->retry_at);
        return;
    }
    if (dg_client_dialling(tunnel->client) >= DIALS_MAX) {
        dg_timer_heap_set(&tunnel->retries, place, now + DIAL_PAUSE);
        return;
    }
    sender->next_link = dg_client_dial(tunnel->client, now, place, error, sizeof error);
    if (sender->next_link == DG_NO_LINK)
        wait_and_retry(tunnel, now, place, error, -1);
}

static dg_time silence_of(const struct dg_tunnel *tunnel, const struct dg_sender *sender)
{
    dg_time silence = tunnel->config.answer_wait;
    if (silence == DG_NEVER)
        return DG_NEVER;
    // Some services never answer: each time that dialling again did not change that, it is waited twice as long.
    for (uint32_t i = 0; i < sender->silences && silence < SILENCE_MAX; i++)
        silence *= 2;
    return silence;
}

static enum dg_client_doubt doubt_of(const struct dg_tunnel *tunnel, dg_time now, const struct dg_sender *sender)
{
    return sender->link == DG_NO_LINK
               ? DG_DOUBT_CLOSED
               : dg_client_doubt(tunnel->client, now, sender->link, silence_of(tunnel, sender));
}

// The association can still be used, for all that is known for certain.
static bool is_usable(enum dg_client_doubt doubt)
{
    return doubt == DG_DOUBT_NONE || doubt == DG_DOUBT_SILENT || doubt == DG_DOUBT_REFUSED;
}

// The association is over, or will be, since the server has said so: one that lived short is a failure.
static void note_end(struct dg_sender *sender, dg_time now)
{
    if (sender->is_ending)
        return;
    sender->is_ending = true;
    if (dg_time_since(now, sender->opened_at) >= GOOD_LIFE)
        dg_backoff_reset(&sender->backoff);
    else
        sender->retry_at = now + dg_backoff_fail(&sender->backoff, dg_random_u64());
}

// --- what the client tells ------------------------------------------------------------------------------

static void on_opened(void *context, dg_time now, uint32_t place, uint32_t link, const struct dg_handover *handover)
{
    struct dg_tunnel *tunnel = context;
    struct dg_sender *sender = &tunnel->senders[place];
    uint32_t before = sender->link;
    if (sender->silences < UINT32_MAX && doubt_of(tunnel, now, sender) == DG_DOUBT_SILENT)
        sender->silences++;
    sender->link = link;
    sender->next_link = DG_NO_LINK;
    sender->opened_at = now;
    sender->is_ending = false;
    sender->retry_at = 0;
    dg_timer_heap_set(&tunnel->retries, place, DG_NEVER);
    dg_client_report_connected(address_of(tunnel, place), handover);
    if (before != DG_NO_LINK) {
        tunnel->counts.replaced++;
        dg_client_close(tunnel->client, now, before);
        dg_client_report_closed(address_of(tunnel, place), "replaced");
    }
    send_held(tunnel, now, place);
}

static void on_received(void *context, dg_time now, uint32_t place, uint32_t link, const uint8_t *data, size_t size)
{
    struct dg_tunnel *tunnel = context;
    struct dg_sender *sender = &tunnel->senders[place];
    (void)link; // the one before, while it still speaks, is as good
    dg_sender_table_touch(&tunnel->table, now, place);
    dg_backoff_reset(&sender->backoff);
    sender->silences = 0;
    uint8_t *room = tunnel->answers.reserve(tunnel->answers.context, size);
    if (!room) {
        tunnel->counts.answers_lost++;
        return;
    }
    if (size > 0)
        memcpy(room, data, size);
    tunnel->answers.commit(tunnel->answers.context, &sender->path, size);
}

static void on_failed(void *context, dg_time now, uint32_t place, uint32_t link, const char *why, int alert)
{
    struct dg_tunnel *tunnel = context;
    struct dg_sender *sender = &tunnel->senders[place];
    (void)link;
    sender->next_link = DG_NO_LINK;
    if (is_usable(doubt_of(tunnel, now, sender)))
        send_held(tunnel, now, place);
    wait_and_retry(tunnel, now, place, why, alert);
}

static void on_closed(void *context, dg_time now, uint32_t place, uint32_t link, enum dg_counter reason)
{
    struct dg_tunnel *tunnel = context;
    struct dg_sender *sender = &tunnel->senders[place];
    if (sender->link != link)
        return;
    sender->link = DG_NO_LINK;
    note_end(sender, now);
    dg_client_report_closed(address_of(tunnel, place), dg_counter_name(reason));
}

static void on_moved(void *context, dg_time now, uint32_t place, uint32_t link, const struct dg_address *local)
{
    struct dg_tunnel *tunnel = context;
    (void)now;
    (void)link;
    tunnel->counts.moved++;
    dg_client_report_moved(address_of(tunnel, place), local);
}

static void on_told(void *context, dg_time now, uint32_t place, const struct dg_dial_event *event)
{
    const struct dg_tunnel *tunnel = context;
    (void)now;
    if (tunnel->config.is_verbose)
        dg_client_report_told(address_of(tunnel, place), event);
}

struct dg_client_hooks dg_tunnel_hooks(struct dg_tunnel *tunnel)
{
    return (struct dg_client_hooks){.context = tunnel,
                                    .opened = on_opened,
                                    .received = on_received,
                                    .failed = on_failed,
                                    .closed = on_closed,
                                    .moved = on_moved,
                                    .told = on_told};
}

// --- senders come and go ----------------------------------------------------------------------------------

static void end(struct dg_tunnel *tunnel, dg_time now, uint32_t place, const char *reason)
{
    struct dg_sender *sender = &tunnel->senders[place];
    if (sender->link != DG_NO_LINK)
        dg_client_close(tunnel->client, now, sender->link);
    if (sender->next_link != DG_NO_LINK)
        dg_client_close(tunnel->client, now, sender->next_link);
    dg_holding_clear(&sender->holding);
    dg_timer_heap_set(&tunnel->retries, place, DG_NEVER);
    dg_client_report_closed(address_of(tunnel, place), reason);
    dg_sender_table_remove(&tunnel->table, place);
}

static uint32_t place_for(struct dg_tunnel *tunnel, dg_time now, const struct dg_address *address)
{
    uint32_t place = dg_sender_table_find(&tunnel->table, address);
    if (place != DG_NO_SENDER) {
        dg_sender_table_touch(&tunnel->table, now, place);
        return place;
    }
    place = dg_sender_table_add(&tunnel->table, now, address);
    if (place == DG_NO_SENDER) {
        tunnel->counts.senders_evicted++;
        end(tunnel, now, dg_sender_table_oldest(&tunnel->table), "evicted");
        place = dg_sender_table_add(&tunnel->table, now, address);
    }
    tunnel->counts.senders_opened++;
    tunnel->senders[place] = (struct dg_sender){.link = DG_NO_LINK, .next_link = DG_NO_LINK};
    return place;
}

void dg_tunnel_received(struct dg_tunnel *tunnel, dg_time now, const struct dg_path *path, const uint8_t *data,
                        size_t size)
{
    if (!dg_address_can_be_peer(&path->peer))
        return;
    uint32_t place = place_for(tunnel, now, &path->peer);
    struct dg_sender *sender = &tunnel->senders[place];
    sender->path = *path;
    enum dg_client_doubt doubt = doubt_of(tunnel, now, sender);
    if (sender->link != DG_NO_LINK && doubt == DG_DOUBT_CLOSED)
        note_end(sender, now);
    switch (doubt) {
    case DG_DOUBT_NONE:
        (void)dg_client_send(tunnel->client, now, sender->link, data, size); // what it does not take, it counts
        return;
    case DG_DOUBT_SILENT: // perhaps it only has nothing to say
        (void)dg_client_send(tunnel->client, now, sender->link, data, size);
        dial(tunnel, now, place);
        return;
    case DG_DOUBT_REFUSED: // anybody's word: it may put a new association before this one, never none
        dial(tunnel, now, place);
        if (sender->next_link != DG_NO_LINK)
            hold(tunnel, sender, data, size);
        else
            (void)dg_client_send(tunnel->client, now, sender->link, data, size);
        return;
    case DG_DOUBT_CLOSED:
    case DG_DOUBT_CUT:
        hold(tunnel, sender, data, size);
        dial(tunnel, now, place);
        return;
    }
}

void dg_tunnel_retry(struct dg_tunnel *tunnel, dg_time now)
{
    uint32_t place;
    while (dg_timer_heap_pop(&tunnel->retries, now, &place))
        if (tunnel->senders[place].holding.count > 0)
            dial(tunnel, now, place);
}

void dg_tunnel_end_idle(struct dg_tunnel *tunnel, dg_time now)
{
    for (;;) {
        uint32_t place = dg_sender_table_oldest(&tunnel->table);
        if (place == DG_NO_SENDER ||
            dg_time_since(now, tunnel->table.entries[place].active_at) < tunnel->config.idle_timeout)
            return;
        tunnel->counts.senders_idle++;
        end(tunnel, now, place, "idle");
    }
}

void dg_tunnel_end_all(struct dg_tunnel *tunnel, dg_time now)
{
    tunnel->is_stopping = true;
    for (uint32_t place = dg_sender_table_oldest(&tunnel->table); place != DG_NO_SENDER;
         place = dg_sender_table_oldest(&tunnel->table))
        end(tunnel, now, place, "stopping");
}
