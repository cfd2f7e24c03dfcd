// SPDX-License-Identifier: GPL-3.0-or-later
// From the options of the client's role to a dialer: what connect and bench have in common.
#ifndef DG_CLI_DIAL_H
#define DG_CLI_DIAL_H

#include "config/client_options.h"
#include "crypto/dialer.h"

// host: as it was asked for; its certificate is judged by it where nothing else names it. NULL: error says why.
struct dg_dialer *dg_cli_dialer_new(const struct dg_client_choice *choice, const char *host, bool resume, char *error,
                                    size_t error_size);

#endif
