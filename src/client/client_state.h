// SPDX-License-Identifier: GPL-3.0-or-later
// The client's inside, for client.c, link.c and link_dial.c alone.
#ifndef DG_CLIENT_CLIENT_STATE_H
#define DG_CLIENT_CLIENT_STATE_H

#include "base/timer_heap.h"
#include "client/client.h"
#include "core/engine.h"
#include "core/memory.h"
#include "core/wire_constants.h"

enum dg_link_state {
    DG_LINK_FREE,
    DG_LINK_DIALLING,
    DG_LINK_OPEN,
    DG_LINK_OVER, // its association has ended within a call of the engine: freed and told after it
};

struct dg_link {
    enum dg_link_state state;
    bool is_quiet;          // closed by its owner: no hook
    bool is_cut;            // our address went, and there is no connection ID
    uint32_t owner;
    uint32_t next;          // of the free list, or of those that are over
    uint32_t serial;        // of its use: what was read for an earlier one is not for this one
    int fd;
    int left_fd;            // the socket before, while answers may still come there; -1: none
    dg_time left_until;
    struct dg_path path;    // local as at the dial: the engine's name of the link, not where it is now
    struct dg_dial *dial;
    struct dg_ref ref;
    enum dg_counter reason;
    uint32_t server_first;  // address that was tried first
    uint32_t servers_tried;
    const char *refusal;    // of an address that was left: what its alert in clear said; NULL: none said any
    int refusal_alert;
    bool is_heard;          // a handshake goes on at this address: the others are not tried any more
    dg_time next_at;        // the next address is tried, unless this one has answered; DG_NEVER: there is none
    dg_time give_up_at;     // of the handshake
    dg_time asked_at;       // when the first data went out that nothing has come back for
    dg_time reopened_at;
    dg_time sent_at;        // the last datagram, or when it would have been
    uint32_t refused;       // times since something came back
    bool wants_told_move;
    struct dg_address local_now; // where it is since it moved
};

struct dg_client {
    struct dg_client_config config;
    struct dg_client_hooks hooks;
    struct dg_counters *counters;
    struct dg_memory memory;
    void *region;
    size_t region_size;
    struct dg_engine *engine;
    struct dg_output output;
    struct dg_timer_heap timers; // by link: of its handshake, or of its keepalive and the socket that it left
    struct dg_link *links;
    uint32_t free_first, over_first;
    uint32_t dialling;
    uint32_t server; // address that is tried first: where a handshake was done last, or behind one that came to nothing
    int epoll_fd;
    uint32_t depth;         // of calls: what is over is told of by the outermost
    dg_time now;
    uint8_t out[DG_DATAGRAM_MAX];
    uint8_t in[DG_DATAGRAM_MAX + 1];
};

// client.c: around each call from outside.
void dg_client_enter(struct dg_client *client, dg_time now);
void dg_client_leave(struct dg_client *client); // tells of what is over

// link_dial.c
// What follows a step of the handshake. rest: the datagram from the record on that was given last.
void dg_link_after_step(struct dg_client *client, uint32_t number, enum dg_dial_step step, uint8_t *rest, size_t size);
void dg_link_fail(struct dg_client *client, uint32_t number); // the link is gone, its owner told
// Nobody has answered at this address: the next one is tried, or the handshake fails.
void dg_link_unanswered(struct dg_client *client, uint32_t number);

// link.c
struct dg_output dg_link_output(struct dg_client *client);
uint32_t dg_link_take(struct dg_client *client); // a place without a socket; DG_NO_LINK: none is left
// A socket towards this address in the place of the link's. False: errno says why.
bool dg_link_open(struct dg_client *client, uint32_t number, const struct dg_address *server);
void dg_link_give_back(struct dg_client *client, uint32_t number);
bool dg_link_reopen(struct dg_client *client, uint32_t number);
void dg_link_forget_left(struct dg_client *client, uint32_t number);
void dg_link_schedule(struct dg_client *client, uint32_t number); // the timer of an open link
dg_time dg_link_keepalive_at(const struct dg_client *client, const struct dg_link *link);
// What the engine calls the socket that was left: its answers to path challenges go back there (RFC 9853 5.2).
struct dg_path dg_link_left_path(const struct dg_link *link);
#define DG_LINK_LEFT (UINT32_C(1) << 31) // in an event, beside the number: of the socket that was left
const struct dg_slot *dg_link_slot(const struct dg_client *client, const struct dg_link *link); // NULL: not open

#endif
