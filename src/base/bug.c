// SPDX-License-Identifier: GPL-3.0-or-later
// Ends the process at a state that it must never reach, after saying where. Owns no memory and takes no
// lock, since anything may be broken by then; never tries to go on.
#include "base/attributes.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void dg_bug(const char *file, int line, const char *what)
{
    char text[512];
    int size = snprintf(text, sizeof text, "level=error event=bug at=%s:%d what=\"%s\"\n", file, line, what);
    if (size >= (int)sizeof text) {
        size = (int)sizeof text;
        text[sizeof text - 1] = '\n';
    }
    // Not the log's descriptor: what goes wrong may be the log itself.
    if (size > 0 && write(STDERR_FILENO, text, (size_t)size) < 0) {
        // Nothing left to tell it to.
    }
    abort();
}
