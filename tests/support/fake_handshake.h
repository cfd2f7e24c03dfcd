// SPDX-License-Identifier: GPL-3.0-or-later
// A handshake without cryptography behind dg_handshake_ops, and the client that goes with it: real record,
// handshake and hello formats, toy cookies and toy proofs. It counts what it is asked, fails when it is
// told to, and notes whatever a front must never do to a handshake. Worthless as protection.
#ifndef DG_TESTS_FAKE_HANDSHAKE_H
#define DG_TESTS_FAKE_HANDSHAKE_H

#include "core/handshake.h"

#define FAKE_COOKIE 16 // bytes
#define FAKE_SUITE 0xc02b

struct fake_gate {
    // script
    uint64_t secret, previous_secret; // of cookies; gate_advance rotates
    unsigned flights;                 // proofs that the client must send, 1 or more
    size_t flight_bytes;              // at least; a server flight is padded to this
    size_t answer_bytes;              // at least; a HelloVerifyRequest or HelloRetryRequest is padded to this
    bool starts_always;               // begins whatever the cookie (a library that skips it)
    bool refuses;                     // answers a hello with a valid cookie by an alert
    bool is_short;                    // of memory: serves no hello
    bool take_fails;
    bool resumes;
    bool negotiates_cid;
    dg_time retransmit;    // 0: no timer
    unsigned retransmit_max; // fails after so many, 0: never
    enum dg_counter gives_up_as; // of that failure
    dg_time rotate_at;     // DG_NEVER: never
    dg_time rotate_period;
    // what happened
    unsigned check_cookie_calls, hello_calls, receive_calls, advance_calls, gate_advances;
    unsigned started, signed_flights, repeats, taken, freed;
    unsigned live;       // handshakes not freed yet
    unsigned violations; // application data, several records at once, calls after the end
    uint64_t last_sequence; // record number of the last hello given
    uint64_t last_plain_sequence; // and of the last unprotected record
    size_t last_hello_bytes;
    bool last_had_cid;
    size_t cid_size; // of the IDs that it was given to offer
};

struct fake_gate fake_gate_default(void);
extern const struct dg_handshake_ops fake_handshake_ops;

// The keys that fake handshakes agree on: both ends of a simulation make them from the hello's random.
// label: 's' what the server sends with, 'c' what the client sends with, 'h' the client's epoch 2 of 1.3.
void fake_key_material(const uint8_t random[32], char label, struct dg_key_material *ret);

enum toy_state { TOY_HELLO, TOY_HELLO_COOKIE, TOY_PROVING, TOY_DONE, TOY_REFUSED };

struct toy_client {
    // script
    struct dg_path path;
    bool is_13;
    bool offers_cid;
    uint8_t cid[255];  // its own, offered with cid_size
    size_t cid_size;
    bool wrong_key;
    size_t hello_bytes; // the whole hello record is padded to this; 0: as it comes
    // state
    enum toy_state state;
    uint8_t random[32];
    uint8_t cookie[255];
    size_t cookie_size;
    uint16_t message_seq;
    uint64_t plain_sequence; // next record number of epoch 0
    uint64_t sequence;       // next of the protected epoch of the handshake
    uint64_t data_sequence;
    unsigned proofs;         // sent so far
    bool has_server_cid;
    uint8_t server_cid[DG_CID_SIZE_MAX];
    size_t server_cid_size;
};

// seed makes the random; two seeds are two clients or two lives of one.
struct toy_client toy_client_new(const char *peer, const char *local, bool is_13, uint64_t seed);
// The hello that fits its state, as one record. 0: does not fit into capacity.
size_t toy_hello(struct toy_client *client, uint8_t *out, size_t capacity);
// The same message in parts of at most part_bytes of body; part 0.. until it returns 0.
size_t toy_hello_part(struct toy_client *client, size_t part, size_t part_bytes, uint8_t *out, size_t capacity);
// What a client in its state sends next: a hello, or the flight with the next proof (for a repetition under
// new numbers set repeat). 0: nothing.
size_t toy_send(struct toy_client *client, bool repeat, uint8_t *out, size_t capacity);
// A datagram of the server. True: the state moved, toy_send has something new.
bool toy_receive(struct toy_client *client, const uint8_t *data, size_t size);
// A record that looks like application data of the established association.
size_t toy_data(struct toy_client *client, uint8_t *out, size_t capacity);
// A plaintext record around body.
size_t toy_plain(struct toy_client *client, uint8_t type, const void *body, size_t size, uint8_t *out,
                 size_t capacity);

#endif
