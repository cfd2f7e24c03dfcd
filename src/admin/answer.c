// SPDX-License-Identifier: GPL-3.0-or-later
// The forms that all answers share.
#include "admin/answer.h"

#include "core/slot.h"

#include <stdarg.h>
#include <time.h>

// Words of a message may quote a file's: a line stays a line, and what is not ASCII is written as in the log, since UTF-8
// has control characters of its own for terminals (U+0080 to U+009F).
DG_PRINTF(3, 0) static void put_line(FILE *out, char mark, const char *format, va_list arguments)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, arguments);
    fputc(mark, out);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at >= 0x80)
            fprintf(out, "\\x%02x", *at);
        else
            fputc(*at < 0x20 || *at == 0x7f ? ' ' : *at, out);
    }
    fputc('\n', out);
}

void dg_answer_line(const struct dg_answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(answer->out, '+', format, arguments);
    va_end(arguments);
}

void dg_answer_done(const struct dg_answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(answer->out, '.', format, arguments);
    va_end(arguments);
}

void dg_answer_refused(const struct dg_answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(answer->out, '!', format, arguments);
    va_end(arguments);
}

struct dg_json dg_answer_json(const struct dg_answer *answer)
{
    fputc('+', answer->out);
    return (struct dg_json){.out = answer->out, .is_line = true};
}

const char *dg_answer_time(uint64_t wall_s, char text[DG_ANSWER_TIME])
{
    time_t seconds = (time_t)wall_s;
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) || strftime(text, DG_ANSWER_TIME, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(text, DG_ANSWER_TIME, "unknown");
    return text;
}

const char *dg_answer_duration(dg_time duration, char text[DG_ANSWER_TIME])
{
    unsigned long long seconds = duration / DG_SECOND;
    if (seconds < 60)
        snprintf(text, DG_ANSWER_TIME, "%llu s", seconds);
    else if (seconds < 3600)
        snprintf(text, DG_ANSWER_TIME, "%llu min", seconds / 60);
    else if (seconds < 86400)
        snprintf(text, DG_ANSWER_TIME, "%llu h %llu min", seconds / 3600, seconds % 3600 / 60);
    else
        snprintf(text, DG_ANSWER_TIME, "%llu d %llu h", seconds / 86400, seconds % 86400 / 3600);
    return text;
}
