// SPDX-License-Identifier: GPL-3.0-or-later
// What the program asks of its process before anything else.
#ifndef DG_CLI_PROCESS_H
#define DG_CLI_PROCESS_H

#include "base/attributes.h"

#include <stdbool.h>

// Descriptors 0, 1 and 2 are open: whoever started us may have closed them, and what is opened next, a socket or the
// memory file, would then be written our words into. False: they cannot be.
DG_MUST_USE bool dg_process_open_standard_streams(void);

// What a long-running subcommand asks for; each is best effort.
// As many descriptors as the host allows: fewer only mean fewer associations.
void dg_process_raise_descriptor_limit(void);
// Secrets stay out of core dumps: there are none.
void dg_process_forbid_core_dumps(void);

#endif
