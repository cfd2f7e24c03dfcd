// SPDX-License-Identifier: GPL-3.0-or-later
// Associations with one server in the client's role: each has a link, which is a socket of its own and first a
// handshake (core/dial.h), then an association in one engine over anonymous memory. Owns sockets, handshakes,
// engine and memory. Never waits, never reads a clock, never decides when to dial. Used by one thread.
#ifndef DG_CLIENT_CLIENT_H
#define DG_CLIENT_CLIENT_H

#include "base/attributes.h"
#include "core/aead.h"
#include "core/counters.h"
#include "core/dial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_NO_LINK UINT32_MAX
#define DG_CLIENT_SERVERS_MAX 8

struct dg_client_config {
    struct dg_address servers[DG_CLIENT_SERVERS_MAX]; // one server's addresses: who does not answer at one is tried at
    uint32_t server_count;                            // the next; 1 or more
    const struct dg_dial_ops *dial;
    void *dialer; // of dial->start
    const struct dg_aead_ops *aead;
    uint32_t links_max;
    uint16_t datagram_max;
    uint32_t cid_size; // bytes of our connection IDs, DG_CID_SIZE_MIN..DG_CID_SIZE_MAX
    dg_time handshake_timeout;
    dg_time retransmit; // of messages after the handshake
    dg_time keepalive;  // an open link that has sent nothing for so long says that it is there; 0: never
};

// owner is what dg_client_dial was given. Hooks may dial, send, close and ask what concerns a link; told may only ask.
struct dg_client_hooks {
    void *context;
    void (*opened)(void *context, dg_time now, uint32_t owner, uint32_t link, const struct dg_handover *handover);
    void (*received)(void *context, dg_time now, uint32_t owner, uint32_t link, const uint8_t *data, size_t size);
    // The handshake failed and the link is gone. why: static words.
    void (*failed)(void *context, dg_time now, uint32_t owner, uint32_t link, const char *why, int alert);
    // The association ended and the link is gone. Not for links that dg_client_close ended.
    void (*closed)(void *context, dg_time now, uint32_t owner, uint32_t link, enum dg_counter reason);
    // The link goes on from another address of ours. May be NULL.
    void (*moved)(void *context, dg_time now, uint32_t owner, uint32_t link, const struct dg_address *local);
    // What there is to tell about a handshake. May be NULL.
    void (*told)(void *context, dg_time now, uint32_t owner, const struct dg_dial_event *event);
};

struct dg_client;

// NULL: error says why.
struct dg_client *dg_client_new(const struct dg_client_config *config, const struct dg_client_hooks *hooks, char *error,
                                size_t error_size);
void dg_client_free(struct dg_client *client); // close_notify on every open link first: dg_client_close_all

// Begins a handshake. DG_NO_LINK: no link, socket or memory is left; error (may be NULL) says which.
uint32_t dg_client_dial(struct dg_client *client, dg_time now, uint32_t owner, char *error, size_t error_size);
// False: the link is not open, data is too large for a datagram, or a limit is reached; each is counted.
bool dg_client_send(struct dg_client *client, dg_time now, uint32_t link, const uint8_t *data, size_t size);
size_t dg_client_payload_max(const struct dg_client *client, uint32_t link); // 0: not open
// Ends it without a further hook: close_notify where it is open, silence where it is dialling.
void dg_client_close(struct dg_client *client, dg_time now, uint32_t link);
void dg_client_close_all(struct dg_client *client, dg_time now);

// What speaks against an open link: whether another handshake should be dialled beside it.
enum dg_client_doubt {
    DG_DOUBT_NONE,
    DG_DOUBT_SILENT,  // data was sent, and for this long nothing came back
    DG_DOUBT_REFUSED, // an ICMP error, which anybody can forge: nobody listens there; and nothing has come back since
    DG_DOUBT_CLOSED,  // the server has said close_notify: what is sent now is lost
    DG_DOUBT_CUT,     // our address is gone and the association has no connection ID to go on by
};
enum dg_client_doubt dg_client_doubt(const struct dg_client *client, dg_time now, uint32_t link, dg_time silence);
dg_time dg_client_heard_at(const struct dg_client *client, uint32_t link); // last record that opened

// Goes on from a new socket, under the connection ID. False: it has none, or there is no socket to be had.
bool dg_client_rebind(struct dg_client *client, dg_time now, uint32_t link);
void dg_client_rebind_all(struct dg_client *client, dg_time now);

int dg_client_fd(const struct dg_client *client); // readable: dg_client_read has something to do
void dg_client_read(struct dg_client *client, dg_time now);
dg_time dg_client_deadline(const struct dg_client *client);
void dg_client_advance(struct dg_client *client, dg_time now, uint32_t now_wall_s);

uint32_t dg_client_dialling(const struct dg_client *client); // handshakes under way
const struct dg_counters *dg_client_counters(const struct dg_client *client);

#endif
