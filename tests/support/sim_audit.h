// SPDX-License-Identifier: GPL-3.0-or-later
// What must never happen twice in a simulated run: a nonce under a key. An AEAD table that notes every
// sealing, and a way to note what the TLS library sealed. One process-wide set; used by one thread.
#ifndef DG_TESTS_SIM_AUDIT_H
#define DG_TESTS_SIM_AUDIT_H

#include "core/aead.h"
#include "core/handover.h"

#include <stdint.h>

extern const struct dg_aead_ops sim_audit_wolf; // dg_wolf_aead, each sealing noted
extern const struct dg_aead_ops sim_audit_null; // dg_null_aead, each sealing noted

void sim_audit_start(void); // forgets everything
void sim_audit_stop(void);  // frees
uint64_t sim_audit_sealed(void);   // pairs of key and nonce
uint64_t sim_audit_foreign(void);  // of these, sealed by the TLS library
uint64_t sim_audit_repeated(void); // must be 0

// A nonce that the TLS library used with this key: what it may not be used for again.
void sim_audit_note(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE]);
// The same for a cipher that makes the nonce from the record number (1.3, and ChaCha20 in 1.2).
void sim_audit_note_number(const struct dg_handover *handover, uint64_t number);

#endif
