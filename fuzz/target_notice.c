// SPDX-License-Identifier: GPL-3.0-or-later
// What a server says to its keeper, which outlives it: any bytes as one message. What is kept of it ends inside its room,
// no name or status is two lines, and said again it is the same.
//
// Input: the message.
#include "fuzz.h"

#include "keeper/notice.h"

#include <stdio.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
#define YEAR (366 * 24 * DG_HOUR)

static void is_inside(const struct dg_notice *notice)
{
    CHECK(memchr(notice->name, '\0', sizeof notice->name) != NULL);
    CHECK(notice->name[strspn(notice->name, LETTERS)] == '\0');
    CHECK(memchr(notice->status, '\0', sizeof notice->status) != NULL);
    CHECK(strchr(notice->status, '\n') == NULL);
    CHECK(!notice->is_watched || notice->watchdog <= YEAR);
}

static void says_the_same(const struct dg_notice *notice)
{
    char text[DG_INHERITED_NAME + DG_NOTICE_STATUS + 256], watched[64] = "";
    struct dg_notice again;
    if (notice->is_watched)
        snprintf(watched, sizeof watched, "WATCHDOG_USEC=%llu\n",
                 (unsigned long long)(notice->watchdog / (DG_MILLISECOND / 1000)));
    int size = snprintf(text, sizeof text, "%s%s%s%s%s%s%sFDNAME=%s\nSTATUS=%s", notice->is_ready ? "READY=1\n" : "",
                        notice->is_alive ? "WATCHDOG=1\n" : "", notice->is_stopping ? "STOPPING=1\n" : "",
                        notice->is_prepared ? "X_DTLSGATE_PREPARED=1\n" : "", notice->stores ? "FDSTORE=1\n" : "",
                        notice->forgets ? "FDSTOREREMOVE=1\n" : "", watched, notice->name, notice->status);
    CHECK(size > 0 && (size_t)size < sizeof text);
    dg_notice_parse(&again, text, (size_t)size);
    CHECK(again.is_ready == notice->is_ready && again.is_alive == notice->is_alive);
    CHECK(again.is_stopping == notice->is_stopping && again.is_prepared == notice->is_prepared);
    CHECK(again.stores == notice->stores && again.forgets == notice->forgets);
    CHECK(again.is_watched == notice->is_watched && (!again.is_watched || again.watchdog == notice->watchdog));
    CHECK_STR(again.name, notice->name);
    CHECK_STR(again.status, notice->status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dg_notice notice;
    dg_notice_parse(&notice, (const char *)data, size);
    is_inside(&notice);
    says_the_same(&notice);
    return 0;
}
