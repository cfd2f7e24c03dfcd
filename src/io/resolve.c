// SPDX-License-Identifier: GPL-3.0-or-later
// From `HOST:PORT` to addresses, once, at start. Never called while associations are served: looking up a
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

bool dg_resolve_takes(const char *text)
{
    char host[DG_HOST_MAX];
    const char *port;
    return split(text, host, &port) && is_port(port);
}

static bool is_known(const struct dg_address *known, uint32_t count, const struct dg_address *address)
{
    for (uint32_t i = 0; i < count; i++)
        if (dg_address_equal(&known[i], address))
            return true;
    return false;
}

// Each address once: a hosts file may say it twice.
static uint32_t gather(const struct addrinfo *found, struct dg_address *ret, uint32_t max)
{
    uint32_t count = 0;
    for (const struct addrinfo *at = found; at != NULL && count < max; at = at->ai_next) {
        union dg_sockaddr name;
        if (at->ai_addrlen > sizeof name)
            continue;
        memcpy(&name, at->ai_addr, at->ai_addrlen);
        if (dg_sockaddr_to(&name, at->ai_addrlen, &ret[count]) && !is_known(ret, count, &ret[count]))
            count++;
    }
    return count;
}

// RFC 8305 4: the families take turns, beginning with that of the first, so that one that leads nowhere costs one try.
static void alternate_families(struct dg_address *addresses, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        bool wants_ipv4 = !dg_address_is_ipv4(&addresses[i - 1]);
        uint32_t from = i;
        while (from < count && dg_address_is_ipv4(&addresses[from]) != wants_ipv4)
            from++;
        if (from == count)
            return;
        struct dg_address next = addresses[from];
        memmove(&addresses[i + 1], &addresses[i], (from - i) * sizeof addresses[0]);
        addresses[i] = next;
    }
}

bool dg_resolve_all(const char *text, struct dg_address *ret, uint32_t max, uint32_t *ret_count, char host[DG_HOST_MAX],
                    char *error, size_t error_size)
{
    const char *port;
    if (!split(text, host, &port) || !is_port(port)) {
        snprintf(error, error_size, "expected HOST:PORT or [IPv6]:PORT with a port from 1 to 65535");
        return false;
    }
    if (dg_address_parse(text, ret)) {
        *ret_count = 1;
        return true;
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        snprintf(error, error_size, "cannot look up %s: %s; say its address in numbers", host, gai_strerror(code));
        return false;
    }
    uint32_t count = gather(found, ret, max);
    freeaddrinfo(found);
    if (count == 0) {
        snprintf(error, error_size, "%s has neither an IPv4 nor an IPv6 address", host);
        return false;
    }
    alternate_families(ret, count);
    *ret_count = count;
    return true;
}

bool dg_resolve(const char *text, struct dg_address *ret, char host[DG_HOST_MAX], char *error, size_t error_size)
{
    uint32_t count;
    return dg_resolve_all(text, ret, 1, &count, host, error, error_size);
}
