// SPDX-License-Identifier: GPL-3.0-or-later
// Level, format and priorities. Asks who listens to standard error, and changes nothing about it.
#include "server/log_options.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// As systemd.exec(5) says: JOURNAL_STREAM names the file that standard error is, if it leads to the journal.
static bool leads_to_journal(void)
{
    const char *named = getenv("JOURNAL_STREAM");
    struct stat file;
    char found[64];
    if (!named || fstat(STDERR_FILENO, &file) != 0)
        return false;
    snprintf(found, sizeof found, "%llu:%llu", (unsigned long long)file.st_dev, (unsigned long long)file.st_ino);
    return strcmp(named, found) == 0;
}

void dg_log_begin_by(const struct dg_options *options)
{
    dg_log_set_level((enum dg_log_level)options->log_level);
    dg_log_set_format((enum dg_log_format)options->log_format);
    dg_log_set_priorities(options->log_prefix == DG_LOG_PREFIX_YES ||
                          (options->log_prefix == DG_LOG_PREFIX_AUTO && leads_to_journal()));
}
