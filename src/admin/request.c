// SPDX-License-Identifier: GPL-3.0-or-later
// The parser of requests: a table of commands and what their arguments may be. Never acts on one.
#include "admin/request.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum dg_request_command command;
    const char *argument; // NULL: takes none
} COMMANDS[] = {
    {"status", DG_REQUEST_STATUS, NULL},
    {"associations", DG_REQUEST_ASSOCIATIONS, "an identity pattern"},
    {"close", DG_REQUEST_CLOSE, "the id of an association, 16 hexadecimal digits"},
    {"close-identity", DG_REQUEST_CLOSE_IDENTITY, "an identity pattern"},
    {"reload", DG_REQUEST_RELOAD, NULL},
    {"why", DG_REQUEST_WHY, "an identity or an address"},
};
#define COMMAND_COUNT (sizeof COMMANDS / sizeof COMMANDS[0])

// The next byte of text; *is_escaped: it was written as \xHH.
static uint8_t next_byte(const char **text, bool *ret_is_escaped)
{
    const char *at = *text;
    *ret_is_escaped = at[0] == '\\' && at[1] == 'x' && dg_hex_digit(at[2]) >= 0 && dg_hex_digit(at[3]) >= 0;
    *text += *ret_is_escaped ? 4 : 1;
    if (*ret_is_escaped)
        return (uint8_t)(dg_hex_digit(at[2]) << 4 | dg_hex_digit(at[3]));
    return (uint8_t)at[0];
}

// A byte that was escaped means itself and nothing else. One of value 0 fits any one byte: no pattern holds it.
static bool read_pattern(const char *text, char pattern[DG_POLICY_PATTERN])
{
    size_t size = 0;
    while (*text) {
        bool is_escaped;
        uint8_t byte = next_byte(&text, &is_escaped);
        if (is_escaped && (byte == '*' || byte == '?' || byte == '\\'))
            pattern[size++] = '\\';
        pattern[size++] = byte == 0 ? '?' : (char)byte;
        if (size > DG_POLICY_PATTERN - 3)
            return false;
    }
    pattern[size] = '\0';
    return true;
}

static bool read_identity(const char *text, struct dg_request *ret)
{
    size_t size = 0;
    while (*text) {
        bool is_escaped;
        if (size == DG_IDENTITY_MAX)
            return false;
        ret->identity[size++] = next_byte(&text, &is_escaped);
    }
    ret->identity_size = (uint8_t)size;
    return size > 0;
}

static bool read_id(const char *text, uint64_t *ret)
{
    uint64_t id = 0;
    for (size_t i = 0; i < 16; i++) {
        int digit = dg_hex_digit(text[i]);
        if (digit < 0)
            return false;
        id = id << 4 | (uint64_t)digit;
    }
    *ret = id;
    return text[16] == '\0' && id != 0;
}

bool dg_request_address(const char *text, struct dg_address *ret)
{
    char with_port[80];
    if (dg_address_parse(text, ret))
        return true;
    if (strlen(text) > 60)
        return false;
    snprintf(with_port, sizeof with_port, text[0] != '[' && strchr(text, ':') ? "[%s]:1" : "%s:1", text);
    if (!dg_address_parse(with_port, ret))
        return false;
    ret->port = 0;
    return true;
}

static bool read_argument(const char *argument, struct dg_request *ret)
{
    switch (ret->command) {
    case DG_REQUEST_STATUS:
    case DG_REQUEST_RELOAD:
        return argument[0] == '\0';
    case DG_REQUEST_CLOSE:
        return read_id(argument, &ret->id);
    case DG_REQUEST_ASSOCIATIONS:
        return read_pattern(argument, ret->pattern);
    case DG_REQUEST_CLOSE_IDENTITY:
        return argument[0] != '\0' && read_pattern(argument, ret->pattern);
    case DG_REQUEST_WHY:
        ret->has_address = dg_request_address(argument, &ret->address);
        return read_identity(argument, ret);
    }
    return false;
}

bool dg_request_parse(const char *line, size_t size, struct dg_request *ret, char *error, size_t error_size)
{
    char text[DG_REQUEST_MAX + 1];
    *ret = (struct dg_request){0};
    if (size > DG_REQUEST_MAX || memchr(line, '\0', size)) {
        snprintf(error, error_size, "found a request that is too long, or with a zero byte; expected at most %d bytes of text",
                 DG_REQUEST_MAX);
        return false;
    }
    memcpy(text, line, size);
    text[size] = '\0';
    ret->is_json = strncmp(text, "json ", 5) == 0;
    char *name = text + 5;
    if (!ret->is_json && strncmp(text, "text ", 5) != 0) {
        snprintf(error, error_size, "expected a request that begins with \"text \" or \"json \"");
        return false;
    }
    char *argument = strchr(name, ' ');
    if (argument)
        *argument++ = '\0';
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, COMMANDS[i].name) != 0)
            continue;
        ret->command = COMMANDS[i].command;
        if (read_argument(argument ? argument : "", ret))
            return true;
        snprintf(error, error_size, "%s: expected %s", COMMANDS[i].name,
                 COMMANDS[i].argument ? COMMANDS[i].argument : "no argument");
        return false;
    }
    snprintf(error, error_size, "unknown command; expected status, associations, close, close-identity, reload or why");
    return false;
}
