// SPDX-License-Identifier: GPL-3.0-or-later
// Which of an identity's two keys a client is given next, where only the end of the handshake shows which one it has
// (DTLS 1.2). Remembered by identity and prefix in a table of fixed size: what is unknown, or was pushed out by others,
// begins with the current key. Knows no key. Used by one thread.
#ifndef DG_CORE_KEY_TURNS_H
#define DG_CORE_KEY_TURNS_H

#include "base/wire.h"
#include "core/address.h"

#include <stdint.h>

struct dg_key_turns;

#define DG_KEY_TURNS_MAX 4096 // entries of a server's: clients that were given one of two keys and did not have it

// NULL: memory is short.
struct dg_key_turns *dg_key_turns_new(uint32_t entries_max);
void dg_key_turns_free(struct dg_key_turns *turns); // NULL is fine
// The number of the key whose turn it is: 0, the current one, or 1.
unsigned dg_key_turns_next(const struct dg_key_turns *turns, const struct dg_address *peer, struct dg_bytes identity);
// It is this one's next: the other one has failed, or this one was proven.
void dg_key_turns_set(struct dg_key_turns *turns, const struct dg_address *peer, struct dg_bytes identity, unsigned key);

#endif
