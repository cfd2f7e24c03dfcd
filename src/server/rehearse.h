// SPDX-License-Identifier: GPL-3.0-or-later
// What a new server looks at before an old one hands over to it. Never changes anything that both can see.
#ifndef DG_SERVER_REHEARSE_H
#define DG_SERVER_REHEARSE_H

#include "base/attributes.h"
#include "config/config.h"
#include "io/inheritance.h"

#include <stdbool.h>
#include <stddef.h>

// Whether dg_server_new_from would go on with this configuration: credentials, backend, the memory file's layout. Neither
// owns the memory nor touches a socket. False: error says what is wrong.
DG_MUST_USE bool dg_server_rehearse(const struct dg_config *config, const struct dg_inheritance *inherited,
                                    char *error, size_t error_size);
// Whether this host has what the configuration asks of it: its user, the sandbox that it requires, listening addresses that
// were not handed down, folders for the sockets of operators. Binds nothing that the old server has. False: error says what
// is missing.
DG_MUST_USE bool dg_server_rehearse_host(const struct dg_config *config, const struct dg_inheritance *inherited,
                                         char *error, size_t error_size);
// Sleeps until the old server owns the memory no longer. False: error says why; nothing has changed.
DG_MUST_USE bool dg_server_await(const struct dg_inheritance *inherited, char *error, size_t error_size);

#endif
