// SPDX-License-Identifier: GPL-3.0-or-later
// What a long-running subcommand asks of its process before anything else. Never fails: each is best effort.
#ifndef DG_CLI_PROCESS_H
#define DG_CLI_PROCESS_H

// As many descriptors as the host allows: fewer only mean fewer associations.
void dg_process_raise_descriptor_limit(void);
// Secrets stay out of core dumps: there are none.
void dg_process_forbid_core_dumps(void);

#endif
