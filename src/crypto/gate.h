// SPDX-License-Identifier: GPL-3.0-or-later
// The gate: everything wolfSSL needs to prove clients under one credential snapshot. Counted: handshakes
// under way pin the one that they began with, a reload makes another. Includes no wolfSSL header, so that
// others can hold one.
#ifndef DG_CRYPTO_GATE_H
#define DG_CRYPTO_GATE_H

#include "core/handshake.h"
#include "core/memory.h"
#include "credentials/credentials.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dg_profile {
    DG_PROFILE_MODERN, // forward secrecy and full-length tags only
    DG_PROFILE_IOT,    // adds plain PSK and the CCM_8 suites of RFC 7925
};

struct dg_key_turns;

struct dg_gate_config {
    struct dg_credentials *credentials; // the gate takes a reference of its own
    enum dg_profile profile;
    bool authenticate_clients;   // false only by the operator's explicit word
    struct dg_memory_secrets *secrets; // cookie secrets and ticket keys, attached (crypto/rotation.h); written by the
                                       // front thread alone, whichever thread makes the gate
    struct dg_key_turns *turns;  // of identities with two keys (core/key_turns.h), so that a reload forgets none: the front
                                 // thread's, outlives the gate. NULL: the gate has its own
    uint64_t ticket_realm;       // tickets are good at gates of the same realm alone
    bool offer_rrc;              // return routability checks (RFC 9853) to who asks for them with a connection ID
    uint16_t datagram_max;       // bytes of UDP payload of our handshake flights
    dg_time cookie_period;       // rotation; a cookie is good for one to two periods
    dg_time ticket_period;       // rotation; a ticket is good for at most one to two periods, at most 7 days
    uint32_t retransmit_seconds; // first handshake retransmission (wolfSSL counts whole seconds)
    uint32_t policy_generation;  // goes into hand-overs
    uint32_t expiry_warning_days; // what ends within this time is warned of once the gate is made; 0: nothing is
    const char *name;            // of the listener, for these warnings; NULL: none. Not kept
};

struct dg_gate;

// Process-wide, once before anything else and once at the very end; counted, so that pairs nest.
DG_MUST_USE bool dg_crypto_init(void);
void dg_crypto_cleanup(void);

// Builds and checks whole: key matches certificate, chain parses and is not expired, key strength,
// CAs parse, raw keys parse. NULL: error in words (file, what was found, what is expected, what to do).
struct dg_gate *dg_gate_new(const struct dg_gate_config *config, char *error, size_t error_size);
struct dg_gate *dg_gate_get(struct dg_gate *gate);
void dg_gate_put(struct dg_gate *gate);
// Readable from any thread: is the credential that proved this association (its digest and leaf, in the slot) still
// part of this gate's snapshot, and not revoked?
bool dg_gate_knows_credential(const struct dg_gate *gate, uint8_t identity_kind, uint64_t credential,
                              uint64_t leaf, struct dg_bytes identity);

// For dg_front_new; the gate pointer is a struct dg_gate of which the front takes a reference through
// dg_front_set_gate's owner. A gate is used by one front thread.
extern const struct dg_handshake_ops dg_wolf_handshake;

#endif
