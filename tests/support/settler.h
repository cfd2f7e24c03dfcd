// SPDX-License-Identifier: GPL-3.0-or-later
// Clients of a survivor past their handshakes: their associations are put into its memory file while no process owns it,
// and they speak from real sockets. They keep the books of every record number that the server has used towards them, over
// all of its lives. Never perform a handshake.
#ifndef DG_TESTS_SETTLER_H
#define DG_TESTS_SETTLER_H

#include "support/peer_records.h"
#include "support/survivor.h"

#define SETTLER_EPOCHS 4096

struct settler_setup {
    uint8_t version; // 12 or 13
    enum dg_aead_id aead;
    bool has_cid;
    uint32_t who;         // makes the keys, and with a connection ID the shard
    bool is_anonymous;    // proven by nothing (client-auth insecure-none), instead of by a key
    const char *identity; // that the survivor's key was good for; NULL: "device"
    uint64_t anchor, leaf; // proven by a certificate instead: digests of its CA and of itself; 0: it was not
};

struct settler {
    struct settler_setup setup;
    int fd;
    struct peer_keys tx, rx, rx_next;
    uint64_t tx_epoch, tx_next, rx_epoch;
    uint64_t rx_numbers[2];
    uint16_t message_seq;
    uint8_t cid[DG_CID_SIZE_MAX];
    size_t cid_size;
    uint64_t update_from;   // 1.3: first record of our KeyUpdate that awaits its acknowledgement, UINT64_MAX: none
    // the books
    struct settler_book {
        uint64_t *bits; // of record numbers seen in this epoch
        uint64_t count; // bits that there is room for
    } books[SETTLER_EPOCHS];
    uint64_t records;       // opened
    uint64_t answers;       // of these, application data
    uint64_t said;          // words, each sent once
    uint64_t repeats;       // record numbers seen twice
    uint64_t unopened;      // records that did not open: in no book
    uint64_t updates;       // key changes of the server
    uint64_t alerts;
    char last[64];          // application data, cut off
};

// Puts them into the memory file; their sockets are made. No process may run.
void settlers_plant(struct survivor *survivor, struct settler *settlers, const struct settler_setup *setups, size_t count);
void settlers_free(struct settler *settlers, size_t count);
void settler_move(struct settler *settler, const struct survivor *survivor); // speaks from another port from now on
void settler_say(struct settler *settler, const char *text);
void settler_update_keys(struct settler *settler); // 1.3: asks the server to change its keys too; again where it was lost
// Reads what is there, acknowledges what has to be. Returns how many answers came.
unsigned settler_listen(struct settler *settler);
// Says it until it is answered, for at most ten seconds. False: it was not.
bool settler_converse(struct settler *settler, const char *text);

#endif
