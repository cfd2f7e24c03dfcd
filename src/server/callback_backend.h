// SPDX-License-Identifier: GPL-3.0-or-later
// The backend of an embedding program: each datagram goes to a function of its own. Never keeps plaintext.
#ifndef DG_SERVER_CALLBACK_BACKEND_H
#define DG_SERVER_CALLBACK_BACKEND_H

#include "core/backend.h"
#include "dtlsgate/dtlsgate.h"

// self is NULL: memory is short. sink is copied.
struct dg_backend dg_backend_callback_new(const struct dg_backend_sink *sink, dtlsgate_datagram_callback callback,
                                          void *context);

#endif
