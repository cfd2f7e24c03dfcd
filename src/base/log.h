// SPDX-License-Identifier: GPL-3.0-or-later
// Log lines of key=value pairs, or of one JSON object (RFC 8259) each, one write(2) a line, values escaped so that what a client says about
// itself can neither forge a line nor drive a terminal. Never given a secret.
#ifndef DG_BASE_LOG_H
#define DG_BASE_LOG_H

#include "base/attributes.h"
#include "base/time_value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dg_log_level { DG_LOG_ERROR, DG_LOG_WARNING, DG_LOG_INFO, DG_LOG_DEBUG };

enum dg_log_format { DG_LOG_FORMAT_TEXT, DG_LOG_FORMAT_JSON };

// A line under construction, on the stack. Lines longer than the buffer end in " truncated=yes" (in JSON a member): the
// value that did not fit is cut (never within an escape, and its quote is closed), what would follow it
// is left out. So put what the server knows before what a client says.
struct dg_log_line {
    char text[4000]; // with its newline within PIPE_BUF, so that lines of several threads do not mix
    size_t size;
    bool full;
    bool has_pairs;
    bool enabled; // false: every call on it does nothing
};

// Process-wide, set before threads start. fd: where lines go (2 by default). The level is readable
// from every thread and may be changed at any time.
void dg_log_set_fd(int fd);
void dg_log_set_level(enum dg_log_level level);
bool dg_log_enabled(enum dg_log_level level);
// JSON: the same keys; texts are escaped as in the other format, and their backslashes once more, so that a line is
// ASCII, and so UTF-8, whatever a client says; numbers are numbers.
void dg_log_set_format(enum dg_log_format format);
// Each line begins with its level as "<3>" to "<7>", which journald takes off and keeps (sd-daemon(3)).
void dg_log_set_priorities(bool with_priorities);

// Starts "level=info event=NAME"; event is a word of our own. Before it stands the time in UTC,
// "time=2026-01-02T03:04:05.678901Z ", when a hook for the wall clock in nanoseconds is set.
void dg_log_set_clock(uint64_t (*wall_ns)(void));
void dg_log_begin(struct dg_log_line *line, enum dg_log_level level, const char *event);
// Values: text is quoted and escaped when it needs to be; bytes of a client's identity likewise. An empty
// value is "" and so is a NULL text. No value ever holds a '=', so that a line splits without a parser.
// Keys are words of our own and stand as they are.
void dg_log_text(struct dg_log_line *line, const char *key, const char *value);
void dg_log_bytes(struct dg_log_line *line, const char *key, const void *value, size_t size_bytes);
void dg_log_hex(struct dg_log_line *line, const char *key, const void *value, size_t size_bytes);
void dg_log_u64(struct dg_log_line *line, const char *key, uint64_t value);
void dg_log_format(struct dg_log_line *line, const char *key, const char *format, ...) DG_PRINTF(3, 4);
// Writes it, and keeps errno. A line that its reader does not take within a moment is lost, those after it that it
// does not take at once as well, and the next one that is taken and has room says "lines_lost_before=N".
void dg_log_end(struct dg_log_line *line);

// Escapes bytes for logs and terminals into text (always NUL-terminated, cut between two bytes when too
// small; capacity 0 writes nothing): printable ASCII but '"', '\\' and '=' stays, everything else becomes
// \xHH. Returns the length written.
size_t dg_escape(char *text, size_t capacity, const void *value, size_t size_bytes);

#endif
