// SPDX-License-Identifier: GPL-3.0-or-later
// What workers ask about the backends of a snapshot: which there are, which an association has by its rule, and what its
// listener and suite are called. Decides nothing that the policy does not say.
#ifndef DG_SERVER_BACKEND_HOOKS_H
#define DG_SERVER_BACKEND_HOOKS_H

#include "core/backend.h"
#include "core/slot.h"

// For dg_worker_hooks: context is the server, policy its snapshot.
uint64_t dg_server_backends_of(void *context, const void *snapshot);
uint16_t dg_server_backend_of(void *context, const void *snapshot, const struct dg_slot *slot);
void dg_server_name_subject(void *context, const void *snapshot, const struct dg_slot *slot,
                            struct dg_backend_subject *subject);
void dg_server_backend_trouble(void *context, dg_time now, uint16_t backend, const struct dg_backend_trouble *trouble);

#endif
