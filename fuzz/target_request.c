// SPDX-License-Identifier: GPL-3.0-or-later
// Requests at the control socket. What is taken is inside its bounds and means the same when it is written as the
// server shows identities; what is refused is refused in words.
//
// Input: the line without its newline.
#include "fuzz.h"

#include "admin/request.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

// An identity that was read, shown, and read again is the same.
static void is_stable(const struct dg_request *request)
{
    char shown[4 * DG_IDENTITY_MAX + 1], line[DG_REQUEST_MAX], error[256];
    struct dg_request again;
    dg_escape(shown, sizeof shown, request->identity, request->identity_size);
    int size = snprintf(line, sizeof line, "text why %s", shown);
    CHECK(size > 0 && (size_t)size < sizeof line);
    CHECK(dg_request_parse(line, (size_t)size, &again, error, sizeof error));
    CHECK(again.identity_size == request->identity_size &&
          memcmp(again.identity, request->identity, request->identity_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dg_request request;
    char error[256] = "";
    if (!dg_request_parse((const char *)data, size, &request, error, sizeof error)) {
        CHECK(error[0] != '\0' && memchr(error, '\0', sizeof error) != NULL);
        return 0;
    }
    CHECK(size <= DG_REQUEST_MAX);
    CHECK(memchr(request.pattern, '\0', sizeof request.pattern) != NULL);
    CHECK((request.command == DG_REQUEST_CLOSE) == (request.id != 0));
    CHECK((request.command == DG_REQUEST_CLOSE_IDENTITY) <= (request.pattern[0] != '\0'));
    const struct dg_bytes identity = {request.identity, request.identity_size};
    (void)dg_policy_pattern_fits(request.pattern, identity);
    if (request.command == DG_REQUEST_WHY)
        is_stable(&request);
    return 0;
}
