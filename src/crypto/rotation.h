// SPDX-License-Identifier: GPL-3.0-or-later
// When the cookie secrets and ticket keys that a restart keeps are made anew. Called by the front thread alone, but
// for the start. Never uses a secret.
#ifndef DG_CRYPTO_ROTATION_H
#define DG_CRYPTO_ROTATION_H

#include "base/time_value.h"
#include "core/memory.h"

#include <stdbool.h>

// Fills empty secrets and repairs those that a process died over: once, before the front's thread is there. Later a
// rotation that is under way would look like one that somebody died over.
void dg_secrets_attach(struct dg_memory_secrets *secrets);
bool dg_secrets_are_attached(const struct dg_memory_secrets *secrets); // from any thread
// Rotates what is due.
void dg_secrets_rotate(struct dg_memory_secrets *secrets, dg_time now, dg_time cookie_period, dg_time ticket_period);
dg_time dg_secrets_deadline(const struct dg_memory_secrets *secrets, dg_time cookie_period, dg_time ticket_period);

#endif
