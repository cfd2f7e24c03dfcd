// SPDX-License-Identifier: GPL-3.0-or-later
// An engine in one process with its clients: a server of one engine on a virtual clock whose datagrams are
// kept, and peers that speak the client's side with keys made up, past the handshake. Works on any AEAD
// table. Never decides what is right: it opens, counts and shows.
#ifndef DG_TESTS_FAKE_PEER_H
#define DG_TESTS_FAKE_PEER_H

#include "core/engine.h"
#include "core/record.h"
#include "support/peer_records.h"
#include "support/shard_region.h"

#define FAKE_DATAGRAM_MAX 2048
#define FAKE_QUEUE 64

struct fake_datagram {
    struct dg_path path;
    size_t size;
    uint8_t bytes[FAKE_DATAGRAM_MAX];
};

struct fake_server {
    struct shard_region region;
    struct dg_engine_config config;
    const struct dg_aead_ops *ops;
    struct dg_engine *engine;
    dg_time now;
    uint32_t wall_s;
    // what went out; the oldest is sent[0]. Beyond FAKE_QUEUE only counted
    struct fake_datagram sent[FAKE_QUEUE];
    size_t sent_count;
    uint64_t sent_total;
    bool is_full;               // reserve gives nothing
    dg_time sweep_late;         // the sweep alone has its turn so much later, as where the owner is busy; most of what
                                // time costs is its turns
    // what the owner was told
    unsigned delivered, opened, closed, moved;
    struct dg_address moved_from; // last
    uint8_t data[FAKE_DATAGRAM_MAX]; // last delivered
    size_t data_size;
    enum dg_counter reason;     // last end
    struct dg_ref ref;          // last opened
    bool echoes;                // answers from inside the hook
    bool closes;                // ends from inside the hook
    bool refuses;               // authorise says no
    unsigned asked;             // how often authorise was asked
    uint16_t rule;              // that it names
    const struct dg_policy *policy; // that is asked instead; NULL: none (fake_server_obey)
    enum dg_counter join_reason;    // what join says
    unsigned joined, newcomers;     // how often it was asked, and of these, for newcomers
    unsigned refused, limited;
    enum dg_counter refusal;        // last reason that a handover was refused, or data limited, for
};

// config NULL: the default. Aborts when memory is short.
void fake_server_start(struct fake_server *server, const struct dg_aead_ops *ops,
                       const struct dg_engine_config *config);
// The same with connection IDs of another length than the default.
void fake_server_start_with(struct fake_server *server, const struct dg_aead_ops *ops,
                            const struct dg_engine_config *config, uint32_t cid_size);
void fake_server_stop(struct fake_server *server);
// As after a crash: the same memory, a new engine.
void fake_server_restart(struct fake_server *server);
// A policy under another generation.
void fake_server_obey(struct fake_server *server, const struct dg_policy *policy);
uint64_t fake_count(const struct fake_server *server, enum dg_counter counter);
// Lets time pass, stopping at every deadline of the engine.
void fake_server_run(struct fake_server *server, dg_time duration);
struct dg_slot *fake_slot(const struct fake_server *server, struct dg_ref ref);

struct fake_setup {
    uint8_t version; // 12, 13
    enum dg_aead_id aead;
    bool has_cid;          // the server issued an ID
    uint8_t peer_cid_size; // the peer wants an ID of this size; 0: none
    bool has_rrc;          // return routability was negotiated
    bool has_flight;       // 1.2: a final flight, 1.3: a ticket
    uint32_t who;          // makes address, ID and keys
    uint64_t key_seed;     // makes other keys; 0: those of who (of which there are few)
};

struct fake_peer {
    struct fake_server *server;
    struct fake_setup setup;
    struct peer_keys tx;         // ours, the client's
    struct peer_keys rx;         // the server's, of rx_epoch
    struct peer_keys rx_next;    // 1.3: after its KeyUpdate
    struct peer_keys handshake;  // 1.3: epoch 2, ours
    uint64_t tx_epoch, tx_next;
    uint64_t rx_epoch;
    uint64_t rx_numbers[2];      // highest opened + 1, of rx_epoch and the one after
    uint64_t handshake_next;
    uint16_t message_seq;
    uint8_t cid[DG_CID_SIZE_MAX]; // the server's, in what we send
    uint8_t peer_cid[DG_CID_PEER_MAX];
    struct dg_path path;
    struct dg_ref ref;
};

// A record of the server, opened.
struct fake_record {
    uint8_t type;
    bool is_plain;
    uint64_t epoch, sequence;
    size_t size;
    uint8_t data[FAKE_DATAGRAM_MAX];
};

size_t fake_peer_cid_size(const struct fake_peer *peer); // of the server's IDs; 0: it gave none
void fake_peer_handover(const struct fake_peer *peer, struct dg_handover *ret);
// Makes the peer and hands it over. False: the engine refused.
bool fake_peer_join(struct fake_peer *peer, struct fake_server *server, const struct fake_setup *setup);

// One record under the next number into out; returns its size.
size_t fake_peer_seal(struct fake_peer *peer, uint8_t type, const void *data, size_t size, uint8_t *out,
                      size_t capacity);
// The same with everything chosen (epoch and keys as in record).
size_t fake_peer_seal_as(const struct fake_peer *peer, const struct peer_keys *keys, const struct peer_record *record,
                         uint8_t *out, size_t capacity);
enum dg_engine_verdict fake_peer_give(const struct fake_peer *peer, const uint8_t *data, size_t size);
enum dg_engine_verdict fake_peer_send(struct fake_peer *peer, uint8_t type, const void *data, size_t size);
// A handshake message, whole, in a record of the current epoch.
size_t fake_message(uint8_t type, uint16_t message_seq, const void *body, size_t size, uint8_t *out);
enum dg_engine_verdict fake_peer_send_message(struct fake_peer *peer, uint8_t type, uint16_t message_seq,
                                              const void *body, size_t size);
// Acknowledges a record of the server.
void fake_peer_ack(struct fake_peer *peer, uint64_t epoch, uint64_t sequence);
// Takes the oldest datagram that went out and opens its record at *offset (moved on). False: nothing left, or
// it does not open. A datagram is taken off the queue after its last record.
bool fake_peer_take(struct fake_peer *peer, size_t *offset, struct fake_record *ret);
void fake_server_forget(struct fake_server *server); // what went out so far
// Our sending keys after our KeyUpdate was acknowledged; the server's, after we acknowledged its.
void fake_peer_next_tx(struct fake_peer *peer);
void fake_peer_next_rx(struct fake_peer *peer);

#endif
