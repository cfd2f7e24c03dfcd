// SPDX-License-Identifier: GPL-3.0-or-later
// Builds a log line on the caller's stack and writes it at once. Owns where lines go, the level and the
// clock hook; never allocates, never takes a lock, never lets a value out unescaped.
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int log_fd = STDERR_FILENO;
static uint64_t (*log_clock)(void) = NULL;
static _Atomic int log_level = DG_LOG_INFO;
static _Atomic uint64_t log_lost = 0; // lines that nobody took, since the last one that somebody did

#define READER_PATIENCE_MS 100 // for a reader that is only slow

static enum dg_log_format log_format = DG_LOG_FORMAT_TEXT;
static bool log_priorities = false;

static const char TRUNCATED[] = " truncated=yes";
static const char TRUNCATED_JSON[] = ",\"truncated\":\"yes\"";
static const char HEX_DIGITS[] = "0123456789abcdef";

// What a line may hold before its end: the longer mark, a brace and the newline always have room.
#define ROOM_BYTES (sizeof(((struct dg_log_line *)0)->text) - (sizeof TRUNCATED_JSON - 1) - 2)

void dg_log_set_fd(int fd)
{
    log_fd = fd;
}

void dg_log_set_clock(uint64_t (*wall_ns)(void))
{
    log_clock = wall_ns;
}

void dg_log_set_level(enum dg_log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

void dg_log_set_format(enum dg_log_format format)
{
    log_format = format;
}

void dg_log_set_priorities(bool with_priorities)
{
    log_priorities = with_priorities;
}

bool dg_log_enabled(enum dg_log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

static bool stays(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != '=';
}

// Escapes as many whole bytes as fit into capacity, without a NUL, with so many backslashes for each one; says in
// ret_taken how many those were.
static size_t escape(char *text, size_t capacity, const uint8_t *bytes, size_t size_bytes, size_t backslashes,
                     size_t *ret_taken)
{
    size_t used = 0;
    size_t i = 0;
    for (; i < size_bytes; i++) {
        if (stays(bytes[i])) {
            if (used + 1 > capacity) {
                break;
            }
            text[used++] = (char)bytes[i];
        } else {
            if (used + backslashes + 3 > capacity) {
                break;
            }
            for (size_t k = 0; k < backslashes; k++) {
                text[used++] = '\\';
            }
            text[used++] = 'x';
            text[used++] = HEX_DIGITS[bytes[i] >> 4];
            text[used++] = HEX_DIGITS[bytes[i] & 0xf];
        }
    }
    *ret_taken = i;
    return used;
}

size_t dg_escape(char *text, size_t capacity, const void *value, size_t size_bytes)
{
    if (capacity == 0) {
        return 0;
    }
    size_t taken;
    size_t used = escape(text, capacity - 1, value, size_bytes, 1, &taken);
    text[used] = '\0';
    return used;
}

static size_t room_left(const struct dg_log_line *line)
{
    return ROOM_BYTES - line->size;
}

// All of it or nothing.
static bool append(struct dg_log_line *line, const char *text, size_t size)
{
    if (size > room_left(line)) {
        line->full = true;
        return false;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
    return true;
}

static bool is_json(void)
{
    return log_format == DG_LOG_FORMAT_JSON;
}

// Starts " key=", or ,"key": , when that and the shortest value ("") have room.
static bool append_key(struct dg_log_line *line, const char *key)
{
    if (!line->enabled || line->full) {
        return false;
    }
    size_t key_size = strlen(key);
    size_t separator = line->has_pairs ? 1 : 0;
    if (separator + key_size + 3 + 2 > room_left(line)) {
        line->full = true;
        return false;
    }
    line->has_pairs = true;
    if (is_json()) {
        return append(line, ",", separator) && append(line, "\"", 1) && append(line, key, key_size) &&
               append(line, "\":", 2);
    }
    return append(line, " ", separator) && append(line, key, key_size) && append(line, "=", 1);
}

static bool needs_quotes(const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if (bytes[i] == ' ' || !stays(bytes[i])) {
            return true;
        }
    }
    return size_bytes == 0;
}

static void append_value(struct dg_log_line *line, const uint8_t *bytes, size_t size_bytes)
{
    bool quoted = is_json() || needs_quotes(bytes, size_bytes);
    size_t quotes = quoted ? 2 : 0;
    if (quoted) {
        line->text[line->size++] = '"';
    }
    size_t taken;
    size_t capacity = room_left(line) - quotes / 2;
    line->size += escape(line->text + line->size, capacity, bytes, size_bytes, is_json() ? 2 : 1, &taken);
    if (quoted) {
        line->text[line->size++] = '"';
    }
    line->full = taken < size_bytes;
}

void dg_log_bytes(struct dg_log_line *line, const char *key, const void *value, size_t size_bytes)
{
    if (append_key(line, key)) {
        append_value(line, value, size_bytes);
    }
}

void dg_log_text(struct dg_log_line *line, const char *key, const char *value)
{
    dg_log_bytes(line, key, value, value != NULL ? strlen(value) : 0);
}

void dg_log_hex(struct dg_log_line *line, const char *key, const void *value, size_t size_bytes)
{
    if (!append_key(line, key)) {
        return;
    }
    bool quoted = is_json() || size_bytes == 0;
    line->text[line->size] = '"'; // there is room for two, and for digits below that
    line->size += quoted;
    const uint8_t *bytes = value;
    for (size_t i = 0; i < size_bytes && !line->full; i++) {
        if (room_left(line) < 2 + 1) {
            line->full = true;
            break;
        }
        line->text[line->size++] = HEX_DIGITS[bytes[i] >> 4];
        line->text[line->size++] = HEX_DIGITS[bytes[i] & 0xf];
    }
    if (quoted) {
        line->text[line->size++] = '"';
    }
}

void dg_log_format(struct dg_log_line *line, const char *key, const char *format, ...)
{
    if (!line->enabled || line->full) {
        return;
    }
    char text[sizeof line->text];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0) {
        text[0] = '\0';
    }
    // A text cut here is longer than a line, so that the line gets its mark below.
    dg_log_text(line, key, text);
}

#define DIGITS_MAX 20 // of a number of 64 bits

// Decimal, with leading zeros up to so many digits; printf's way is a good part of what a line costs.
static size_t put_decimal(char text[DIGITS_MAX], uint64_t value, size_t digits_least)
{
    char reversed[DIGITS_MAX];
    size_t size = 0;
    while (value > 0 || size < digits_least) {
        reversed[size++] = (char)('0' + value % 10);
        value /= 10;
    }
    for (size_t i = 0; i < size; i++) {
        text[i] = reversed[size - 1 - i];
    }
    return size;
}

void dg_log_u64(struct dg_log_line *line, const char *key, uint64_t value)
{
    char digits[DIGITS_MAX];
    size_t size = put_decimal(digits, value, 1);
    if (line->full || !line->enabled) {
        return;
    }
    if (strlen(key) + 4 + size > room_left(line)) { // whole or not at all: a number cut is another one
        line->full = true;
        return;
    }
    if (append_key(line, key)) {
        (void)append(line, digits, size);
    }
}

// The calendar's part of the time, which the lines of a second have in common.
struct calendar {
    uint64_t seconds;
    size_t size; // 0: nothing yet
    char text[24];
};

static const struct calendar *calendar_of(uint64_t seconds)
{
    static _Thread_local struct calendar last;
    if (last.size == 0 || last.seconds != seconds) {
        time_t time = (time_t)seconds;
        struct tm utc;
        last.seconds = seconds;
        last.size = gmtime_r(&time, &utc) != NULL ? strftime(last.text, sizeof last.text, "%Y-%m-%dT%H:%M:%S.", &utc) : 0;
    }
    return &last;
}

static void append_time(struct dg_log_line *line, uint64_t wall_ns)
{
    const struct calendar *calendar = calendar_of(wall_ns / DG_SECOND);
    char text[sizeof calendar->text + DIGITS_MAX + 1];
    if (calendar->size == 0) {
        return;
    }
    memcpy(text, calendar->text, calendar->size);
    size_t size = calendar->size + put_decimal(text + calendar->size, wall_ns % DG_SECOND / DG_MICROSECOND, 6);
    text[size++] = 'Z';
    dg_log_bytes(line, "time", text, size);
}

void dg_log_begin(struct dg_log_line *line, enum dg_log_level level, const char *event)
{
    static const char *const NAMES[] = {"error", "warning", "info", "debug"};
    // Not the whole struct: a kilobyte of zeros for each line that is switched off would be waste.
    line->size = 0;
    line->full = false;
    line->has_pairs = false;
    line->enabled = dg_log_enabled(level);
    if (!line->enabled) {
        return;
    }
    static const char PRIORITIES[][4] = {"<3>", "<4>", "<6>", "<7>"};
    (void)append(line, PRIORITIES[level], log_priorities ? 3 : 0);
    (void)append(line, "{", is_json() ? 1 : 0);
    if (log_clock != NULL) {
        append_time(line, log_clock());
    }
    dg_log_text(line, "level", NAMES[level]);
    dg_log_text(line, "event", event);
}

// False: the line has no room for it.
static bool append_lost(struct dg_log_line *line, uint64_t lost)
{
    bool was_full = line->full;
    line->enabled = true;
    dg_log_u64(line, "lines_lost_before", lost);
    line->enabled = false;
    bool is_said = !line->full;
    line->full = was_full;
    return is_said;
}

void dg_log_end(struct dg_log_line *line)
{
    if (!line->enabled) {
        return;
    }
    line->enabled = false;
    int saved = errno;
    // A reader that has stopped reading (a pager, a terminal on hold, a stuck collector) must not stop us: one line
    // waits a moment, and those after it not at all until one is taken again.
    struct pollfd out = {.fd = log_fd, .events = POLLOUT};
    bool is_stuck = atomic_load_explicit(&log_lost, memory_order_relaxed) > 0;
    if (log_fd >= 0 && poll(&out, 1, is_stuck ? 0 : READER_PATIENCE_MS) == 0) {
        atomic_fetch_add_explicit(&log_lost, 1, memory_order_relaxed);
        errno = saved;
        return;
    }
    uint64_t lost = atomic_exchange_explicit(&log_lost, 0, memory_order_relaxed);
    if (lost > 0 && !append_lost(line, lost)) {
        atomic_fetch_add_explicit(&log_lost, lost, memory_order_relaxed); // the next line says it
    }
    if (line->full) {
        const char *mark = is_json() ? TRUNCATED_JSON : TRUNCATED;
        memcpy(line->text + line->size, mark, strlen(mark));
        line->size += strlen(mark);
    }
    if (is_json()) {
        line->text[line->size++] = '}';
    }
    line->text[line->size++] = '\n';
    // A line is shorter than PIPE_BUF: a pipe takes it whole or not at all, so that lines of different
    // threads never mix. What a full disk or a gone reader loses is lost; logging must not stop a server.
    while (write(log_fd, line->text, line->size) < 0 && errno == EINTR) {
    }
    errno = saved;
}
