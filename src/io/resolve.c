// SPDX-License-Identifier: GPL-3.0-or-later
// From `HOST:PORT` to an address, once, at start. Never called while associations are served: looking up a
// name blocks.
#include "io/resolve.h"

#include "io/sockaddr.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Splits at the last colon, takes the brackets off. False: no port, or too long.
static bool split(const char *text, char host[DG_HOST_MAX], const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0') {
        return false;
    }
    size_t size = (size_t)(colon - text);
    if (text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    if (size == 0 || size >= DG_HOST_MAX) {
        return false;
    }
    memcpy(host, text, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return true;
}

static bool is_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && port >= 1 && port <= 65535;
}

bool dg_resolve(const char *text, struct dg_address *ret, char host[DG_HOST_MAX], char *error, size_t error_size)
{
    const char *port;
    if (!split(text, host, &port) || !is_port(port)) {
        snprintf(error, error_size, "expected HOST:PORT or [IPv6]:PORT with a port from 1 to 65535");
        return false;
    }
    if (dg_address_parse(text, ret)) {
        return true;
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        snprintf(error, error_size, "cannot look up %s: %s; say its address in numbers", host, gai_strerror(code));
        return false;
    }
    bool is_usable = false;
    for (const struct addrinfo *at = found; at != NULL && !is_usable; at = at->ai_next) {
        union dg_sockaddr name;
        if (at->ai_addrlen <= sizeof name) {
            memcpy(&name, at->ai_addr, at->ai_addrlen);
            is_usable = dg_sockaddr_to(&name, at->ai_addrlen, ret);
        }
    }
    freeaddrinfo(found);
    if (!is_usable) {
        snprintf(error, error_size, "%s has neither an IPv4 nor an IPv6 address", host);
    }
    return is_usable;
}
