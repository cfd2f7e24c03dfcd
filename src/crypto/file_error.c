// SPDX-License-Identifier: GPL-3.0-or-later
// Puts file and line before what is wrong.
#include "crypto/file_error.h"

#include <stdarg.h>
#include <stdio.h>

bool dg_file_error(const struct dg_file_error *at, unsigned line, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *path = at->path != NULL ? at->path : "(no file)";
    if (line > 0)
        snprintf(at->error, at->error_size, "%s:%u: %s", path, line, text);
    else
        snprintf(at->error, at->error_size, "%s: %s", path, text);
    return false;
}
