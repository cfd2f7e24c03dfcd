// SPDX-License-Identifier: GPL-3.0-or-later
// The backend that sends back what came, for trials, tests and measurements. Never keeps anything.
#ifndef DG_BACKEND_ECHO_H
#define DG_BACKEND_ECHO_H

#include "core/backend.h"

// self is NULL: memory is short. sink is copied.
struct dg_backend dg_backend_echo_new(const struct dg_backend_sink *sink);

#endif
