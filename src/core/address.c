// SPDX-License-Identifier: GPL-3.0-or-later
// What kinds of addresses there are; addresses as text and back, by hand: the engine includes no header of
// sockets. Never resolves names.
#include "core/address.h"

#include "base/hex.h"

#include <string.h>

bool dg_address_equal(const struct dg_address *a, const struct dg_address *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->scope == b->scope && a->port == b->port;
}

bool dg_address_can_be_peer(const struct dg_address *address)
{
    static const uint8_t unspecified[16];
    const uint8_t *v4 = address->ip + 12;

    if (address->port == 0)
        return false;
    if (dg_address_is_ipv4(address)) {
        if (v4[0] == 0) // RFC 1122 3.2.1.3: 0.0.0.0/8 is no host's address
            return false;
        if (v4[0] >= 224 && v4[0] <= 239) // RFC 5771: multicast
            return false;
        return !(v4[0] == 255 && v4[1] == 255 && v4[2] == 255 && v4[3] == 255);
    }
    if (memcmp(address->ip, unspecified, sizeof unspecified) == 0)
        return false;
    return address->ip[0] != 0xff; // RFC 4291 2.7: multicast
}

bool dg_address_is_link_local(const struct dg_address *address)
{
    return address->ip[0] == 0xfe && (address->ip[1] & 0xc0) == 0x80;
}

bool dg_address_is_loopback(const struct dg_address *address)
{
    if (dg_address_is_ipv4(address))
        return address->ip[12] == 127;
    for (size_t i = 0; i < 15; i++)
        if (address->ip[i] != 0)
            return false;
    return address->ip[15] == 1;
}

bool dg_address_is_wildcard(const struct dg_address *address)
{
    const uint8_t *ip = address->ip;
    return dg_load_u32(ip + 12) == 0 &&
           (dg_address_is_ipv4(address) || (dg_load_u32(ip) | dg_load_u32(ip + 4) | dg_load_u32(ip + 8)) == 0);
}

// --- text ---------------------------------------------------------------------

// Appends to a buffer that the caller has made large enough for any address.
static char *put_number(char *at, uint32_t number)
{
    char digits[10];
    unsigned count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

static char *put_group(char *at, unsigned group)
{
    static const char hex[] = "0123456789abcdef";
    bool started = false;

    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = (group >> shift) & 15;

        started = started || digit != 0 || shift == 0;
        if (started)
            *at++ = hex[digit];
    }
    return at;
}

static char *put_ipv4(char *at, const uint8_t *ip)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            *at++ = '.';
        at = put_number(at, ip[i]);
    }
    return at;
}

static unsigned group_at(const uint8_t *ip, unsigned i)
{
    return (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
}

// RFC 5952 4.2: the first of the longest runs of two or more zero groups becomes "::".
static char *put_ipv6(char *at, const uint8_t *ip)
{
    unsigned best = 8, best_size = 1;

    for (unsigned i = 0; i < 8; i++) {
        unsigned size = 0;

        while (i + size < 8 && group_at(ip, i + size) == 0)
            size++;
        if (size > best_size) {
            best = i;
            best_size = size;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == best) {
            *at++ = ':';
            *at++ = ':';
            i += best_size - 1;
            continue;
        }
        if (i > 0 && at[-1] != ':')
            *at++ = ':';
        at = put_group(at, group_at(ip, i));
    }
    return at;
}

void dg_address_format(const struct dg_address *address, char *text)
{
    char *at = text; // at most '[' 39 '%' 10 ']' ':' 5 and the NUL: 59 bytes

    if (dg_address_is_ipv4(address)) {
        at = put_ipv4(at, address->ip + 12);
    } else {
        *at++ = '[';
        at = put_ipv6(at, address->ip);
        if (address->scope != 0) {
            *at++ = '%';
            at = put_number(at, address->scope);
        }
        *at++ = ']';
    }
    *at++ = ':';
    at = put_number(at, address->port);
    *at = '\0';
}

// Each take_ function reads from *text and moves it behind what it read; false leaves it anywhere.

// Digits only: no sign, no blank, at most `max`. A leading zero stands alone, since some read it as octal.
static bool take_number(const char **text, uint32_t max, uint32_t *ret)
{
    const char *at = *text;
    uint64_t number = 0;

    if (*at < '0' || *at > '9' || (at[0] == '0' && at[1] >= '0' && at[1] <= '9'))
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > max)
            return false;
    }
    *ret = (uint32_t)number;
    *text = at;
    return true;
}

static bool take_char(const char **text, char expected)
{
    if (**text != expected)
        return false;
    (*text)++;
    return true;
}

static bool take_ipv4(const char **text, uint8_t ip[4])
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t number;

        if (i > 0 && !take_char(text, '.'))
            return false;
        if (!take_number(text, 255, &number))
            return false;
        ip[i] = (uint8_t)number;
    }
    return true;
}

static bool take_group(const char **text, unsigned *ret)
{
    unsigned digits = 0;

    *ret = 0;
    for (; dg_hex_digit(**text) >= 0; (*text)++) {
        if (++digits > 4)
            return false;
        *ret = *ret << 4 | (unsigned)dg_hex_digit(**text);
    }
    return digits > 0;
}

// RFC 4291 2.2: eight groups, of which one run of zeros may be left out as "::" and the last two may be
// written as an IPv4 address.
#define NO_GAP 17 // no place for "::" in 16 bytes
static bool take_ipv6(const char **text, uint8_t ip[16])
{
    uint8_t bytes[16] = {0};
    unsigned count = 0, gap = NO_GAP; // in bytes

    if ((*text)[0] == ':' && (*text)[1] == ':') {
        *text += 2;
        gap = 0;
    }
    while (dg_hex_digit(**text) >= 0) {
        const char *start = *text;
        unsigned group;

        if (count == 16 || !take_group(text, &group))
            return false;
        if (**text == '.') {
            *text = start;
            if (count > 12 || !take_ipv4(text, bytes + count))
                return false;
            count += 4;
            break;
        }
        bytes[count++] = (uint8_t)(group >> 8);
        bytes[count++] = (uint8_t)group;
        if (**text != ':')
            break;
        (*text)++;
        if (**text == ':') {
            if (gap != NO_GAP)
                return false;
            gap = count;
            (*text)++;
        } else if (dg_hex_digit(**text) < 0) {
            return false; // one colon with nothing behind it
        }
    }
    if (gap == NO_GAP ? count != 16 : count > 14)
        return false;
    memset(ip, 0, 16);
    memcpy(ip, bytes, gap < count ? gap : count);
    if (gap < count)
        memcpy(ip + 16 - (count - gap), bytes + gap, count - gap);
    return true;
}

bool dg_address_parse(const char *text, struct dg_address *ret)
{
    struct dg_address address = {0};
    uint32_t port;

    if (take_char(&text, '[')) {
        if (!take_ipv6(&text, address.ip))
            return false;
        if (take_char(&text, '%') && !take_number(&text, UINT32_MAX, &address.scope))
            return false;
        if (!take_char(&text, ']'))
            return false;
    } else {
        address.ip[10] = address.ip[11] = 0xff;
        if (!take_ipv4(&text, address.ip + 12))
            return false;
    }
    if (!take_char(&text, ':') || !take_number(&text, UINT16_MAX, &port) || *text != '\0')
        return false;
    address.port = (uint16_t)port;
    *ret = address;
    return true;
}
