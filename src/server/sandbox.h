// SPDX-License-Identifier: GPL-3.0-or-later
// The sandbox of a serving process: which files its configuration needs, and the log line that says what is in force.
#ifndef DG_SERVER_SANDBOX_H
#define DG_SERVER_SANDBOX_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

// Once all is bound and opened, before the first thread starts; for good. False: error says what did not work, and the
// process must end.
DG_MUST_USE bool dg_server_confine(const struct dg_config *config, char *error, size_t error_size);
// Does the configuration name a file that the sandbox of now does not let be read? folder: where the first of them is.
bool dg_server_leaves_sandbox(const struct dg_config *config, char *folder, size_t folder_size);
// A Unix socket that root has bound, for the user that the process becomes: programs of that user are heard there too. Where
// root may not give it away it stays root's, and the log says so.
void dg_server_give_to_user(const struct dg_options *options, const char *path);

#endif
