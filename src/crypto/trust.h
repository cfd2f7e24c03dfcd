// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and checks the gate's certificates and keys, whole, before anything uses them; explains in words what
// is wrong with a file. Owns struct dg_trust.
#ifndef DG_CRYPTO_TRUST_H
#define DG_CRYPTO_TRUST_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

struct dg_gate;

// Fills gate->trust and the library's context from the snapshot. False: error says file, line, what was
// found, what is expected, what to do.
DG_MUST_USE bool dg_trust_load(struct dg_gate *gate, char *error, size_t error_size);
void dg_trust_clear(struct dg_gate *gate);

#endif
