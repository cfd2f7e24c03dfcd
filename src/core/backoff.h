// SPDX-License-Identifier: GPL-3.0-or-later
// Back-off for pre-shared keys that were wrong: by identity and prefix (validated by a cookie), so that a wrong key for
// an identity slows that identity behind that prefix and nobody else. Some tries are free, then the wait doubles. A table
// of fixed size: where it is full, the entry of its set whose wait ends first is forgotten, which lets its client try
// again earlier and makes nobody wait. Unknown identities are treated as known ones: it tells nothing about who exists.
#ifndef DG_CORE_BACKOFF_H
#define DG_CORE_BACKOFF_H

#include "base/time_value.h"
#include "base/wire.h"
#include "core/address.h"

#include <stdint.h>

#define DG_BACKOFF_FREE 3                  // failures without a wait: a typing error, a key in rotation
#define DG_BACKOFF_FIRST DG_SECOND         // the wait after the next one; doubles with each
#define DG_BACKOFF_FORGET (600 * DG_SECOND) // so long after a wait without a failure, all is forgotten

struct dg_backoff;

struct dg_backoff *dg_backoff_new(uint32_t entries_max); // NULL: memory is short
void dg_backoff_free(struct dg_backoff *backoff);        // NULL is fine
// How long this identity must wait behind this prefix; 0: it may try.
dg_time dg_backoff_wait(const struct dg_backoff *backoff, dg_time now, const struct dg_address *peer,
                        struct dg_bytes identity);
// A handshake that was let try has failed by its key. wait_max: no wait is longer; 0: nobody waits.
void dg_backoff_failed(struct dg_backoff *backoff, dg_time now, const struct dg_address *peer, struct dg_bytes identity,
                       dg_time wait_max);
// It was proven: its failures are forgotten.
void dg_backoff_proven(struct dg_backoff *backoff, const struct dg_address *peer, struct dg_bytes identity);

#endif
