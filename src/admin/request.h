// SPDX-License-Identifier: GPL-3.0-or-later
// What a caller of the control socket asks: one line, "text|json COMMAND [ARGUMENT]" (docs/control.md). Parses, never
// acts. Identities are written as they are shown, with \xHH for bytes that are.
#ifndef DG_ADMIN_REQUEST_H
#define DG_ADMIN_REQUEST_H

#include "base/attributes.h"
#include "core/address.h"
#include "core/handover.h"
#include "core/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_REQUEST_MAX 1200 // bytes of the line: the longest identity, every byte escaped, and some

enum dg_request_command {
    DG_REQUEST_STATUS,
    DG_REQUEST_ASSOCIATIONS,
    DG_REQUEST_CLOSE,          // one, by its id
    DG_REQUEST_CLOSE_IDENTITY, // all that fit a pattern
    DG_REQUEST_RELOAD,
    DG_REQUEST_WHY,
};

struct dg_request {
    enum dg_request_command command;
    bool is_json;
    uint64_t id;                     // CLOSE
    char pattern[DG_POLICY_PATTERN]; // ASSOCIATIONS (empty: all), CLOSE_IDENTITY
    uint8_t identity[DG_IDENTITY_MAX]; // WHY
    uint8_t identity_size;
    bool has_address;                // WHY: the argument reads as one
    struct dg_address address;       // its port is 0 where none was said
};

// line: without its newline, may hold any bytes. False: error says what was found and what is expected.
DG_MUST_USE bool dg_request_parse(const char *line, size_t size, struct dg_request *ret, char *error, size_t error_size);
// "192.0.2.1", "2001:db8::1", with or without port. False: no address.
bool dg_request_address(const char *text, struct dg_address *ret);

#endif
