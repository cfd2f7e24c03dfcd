// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the two forms of such an address, and says what it found where it is neither. Never opens anything.
#include "io/local_address.h"

#include <stdio.h>
#include <string.h>

#define UNIX_PREFIX "unix:"

bool dg_local_address_read(const char *option, const char *text, struct dg_local_address *ret, char *error,
                           size_t error_size)
{
    *ret = (struct dg_local_address){0};
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
        ret->path = text + strlen(UNIX_PREFIX);
        size_t size = strlen(ret->path);
        if (ret->path[0] == '/' && size < DG_LOCAL_PATH_MAX)
            return true;
        if (size >= DG_LOCAL_PATH_MAX)
            snprintf(error, error_size, "--%s: found a path of %zu bytes, expected at most %d", option, size,
                     DG_LOCAL_PATH_MAX - 1);
        else
            snprintf(error, error_size, "--%s: found \"%.120s\", expected unix:PATH, where PATH begins with /", option, text);
        return false;
    }
    if (!dg_address_parse(text, &ret->address)) {
        snprintf(error, error_size, "--%s: found \"%.80s\", expected unix:PATH, or ADDR:PORT as 127.0.0.1:9684", option, text);
        return false;
    }
    if (dg_address_is_loopback(&ret->address))
        return true;
    snprintf(error, error_size,
             "--%s: found \"%.80s\", which others can reach; expected unix:PATH, or an address of loopback: nothing "
             "encrypts what is told there, or asks who reads it; let a proxy do that",
             option, text);
    return false;
}
