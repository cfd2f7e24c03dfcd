// SPDX-License-Identifier: GPL-3.0-or-later
// Where the service is, looked up once, at start. Never called while associations are served.
#include "backend/udp.h"
#include "io/resolve.h"

#include <stdio.h>

bool dg_backend_udp_resolve(const char *text, struct dg_address *ret, char *error, size_t error_size)
{
    char host[DG_HOST_MAX], why[DG_HOST_MAX + 128];
    if (dg_resolve(text, ret, host, why, sizeof why))
        return true;
    snprintf(error, error_size, "backend udp:%s: %s", text, why);
    return false;
}
