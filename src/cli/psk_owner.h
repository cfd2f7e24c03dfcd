// SPDX-License-Identifier: GPL-3.0-or-later
// Whose store of pre-shared keys it is, before `dtlsgate psk` touches it. Never opens it.
#ifndef DG_CLI_PSK_OWNER_H
#define DG_CLI_PSK_OWNER_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

// store: as --store names it. False: it is another user's, and error says as whom to run the command.
DG_MUST_USE bool dg_psk_owner_check(const char *store, char *error, size_t error_size);

#endif
