// SPDX-License-Identifier: GPL-3.0-or-later
// Everything about a configuration that a reload replaces, whole and counted: the gate of each listener with its
// credentials, the policy, and the process' options. Front, workers and the controlling thread each hold one; none of
// them waits for another. Immutable but for its count.
#ifndef DG_SERVER_SNAPSHOT_H
#define DG_SERVER_SNAPSHOT_H

#include "config/config.h"
#include "core/handshake.h"
#include "core/memory.h"
#include "core/policy.h"
#include "core/slot.h"
#include "crypto/expiry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_snapshot;

struct dg_key_turns;

struct dg_snapshot_source {
    const struct dg_config *config;
    // What the listening addresses are known by (dg_path.listener), one for each of the configuration, in its order.
    // NULL: those of the addresses as configured, for a look at a configuration that nobody listens for.
    const uint64_t *digests;
    struct dg_memory_secrets *secrets;
    struct dg_key_turns *turns; // the front thread's, of all gates; NULL: each gate's own
    uint32_t generation;
    // Number of the backend of this text; it stays as long as the process. False: error says why there is none.
    bool (*backend_number)(void *context, const char *backend, bool allow_beyond_loopback, uint16_t *ret_number,
                           char *error, size_t error_size);
    void *context;
};

// Reads and checks all credentials. NULL: error says listener, file, and what is wrong; nothing has changed.
struct dg_snapshot *dg_snapshot_new(const struct dg_snapshot_source *source, char *error, size_t error_size);
struct dg_snapshot *dg_snapshot_get(struct dg_snapshot *snapshot);
void dg_snapshot_put(struct dg_snapshot *snapshot); // NULL is fine

// May an association of this slot go on? Its listener and its credential are still there, the credential is not
// revoked, and the policy allows it.
struct dg_policy_verdict dg_snapshot_authorise(const struct dg_snapshot *snapshot, const struct dg_slot *slot,
                                               struct dg_bytes identity);
const struct dg_policy *dg_snapshot_policy(const struct dg_snapshot *snapshot);
const struct dg_options *dg_snapshot_process(const struct dg_snapshot *snapshot);
uint32_t dg_snapshot_generation(const struct dg_snapshot *snapshot);
const char *dg_snapshot_listener_name(const struct dg_snapshot *snapshot, uint64_t digest); // NULL: no such listener

// Certificates, CAs and revocation lists of all listeners that are about to end, as of now.
void dg_snapshot_visit_expiries(const struct dg_snapshot *snapshot,
                                void (*tell)(void *context, const struct dg_expiry *expiry), void *context);

// For dg_front_new, whose gate is then a snapshot: the operations of src/crypto, but each hello goes to the gate of the
// listener that it came to.
extern const struct dg_handshake_ops dg_snapshot_handshake;

#endif
