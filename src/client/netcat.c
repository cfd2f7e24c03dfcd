// SPDX-License-Identifier: GPL-3.0-or-later
// The loop between standard input, one association and standard output. Words about what went wrong go to the
// standard error; what the server says is escaped where a terminal would read it.
#include "client/netcat.h"

#include "base/log.h"
#include "base/secret.h"
#include "client/hex_line.h"
#include "core/wire_constants.h"
#include "io/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LINE_MAX_BYTES (3 * DG_DATAGRAM_MAX) // of hexadecimal digits, with blanks between the bytes
#define SHOWN_MAX 40 // bytes of a line that is found wrong

struct netcat {
    struct dg_netcat_config config;
    struct dg_client *client;
    uint32_t link;
    bool is_open, input_ended, is_over;
    bool has_failed, is_answered, skips_line;
    bool is_terminal, wants_rebind;
    int signal_fd;
    dg_time started_at, quiet_since, next_rebind;
    size_t line_size;
    char line[LINE_MAX_BYTES];
};

static void DG_PRINTF(1, 2) say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("dtlsgate connect: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static void DG_PRINTF(2, 3) fail(struct netcat *netcat, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say("%s", text);
    netcat->has_failed = true;
}

// --- signals ------------------------------------------------------------------------------------------------

static void handle_signal(struct netcat *netcat)
{
    struct signalfd_siginfo info;
    if (read(netcat->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGUSR2) {
        netcat->wants_rebind = true;
        return;
    }
    if (!netcat->is_open)
        fail(netcat, "ended by a signal before the handshake was done");
    netcat->is_over = true;
}

// --- out --------------------------------------------------------------------------------------------------------

// Whoever reads our output may stand still for ever, and a signal ends us all the same. False: it has.
static bool wait_for_output(struct netcat *netcat)
{
    struct pollfd fds[] = {{.fd = STDOUT_FILENO, .events = POLLOUT}, {.fd = netcat->signal_fd, .events = POLLIN}};
    for (;;) {
        int ready = poll(fds, 2, netcat->is_over ? 0 : -1);
        if (ready < 0)
            continue; // interrupted
        if (ready > 0 && fds[0].revents)
            return true;
        if (netcat->is_over)
            break;
        handle_signal(netcat);
    }
    fail(netcat, "ended by a signal while the standard output took nothing");
    return false;
}

static void write_all(struct netcat *netcat, const char *data, size_t size)
{
    while (size > 0) {
        if (!wait_for_output(netcat))
            return;
        // So much a pipe that is ready takes at once (pipe(7)).
        ssize_t written = write(STDOUT_FILENO, data, size < PIPE_BUF ? size : PIPE_BUF);
        if (written < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (written < 0) {
            fail(netcat, "the standard output takes nothing more: %s", strerror(errno));
            netcat->is_over = true;
            return;
        }
        data += written;
        size -= (size_t)written;
    }
}

static void write_hex(struct netcat *netcat, const uint8_t *data, size_t size)
{
    char text[2 * DG_DATAGRAM_MAX + 1];
    dg_hex_write(data, size, text);
    text[2 * size] = '\n';
    write_all(netcat, text, 2 * size + 1);
}

// What comes from the net must not drive a terminal; its line ends stay.
static void write_escaped(struct netcat *netcat, const uint8_t *data, size_t size)
{
    static char text[4 * DG_DATAGRAM_MAX + 2];
    bool ends_line = size > 0 && data[size - 1] == '\n';
    size_t used = dg_escape(text, sizeof text - 1, data, ends_line ? size - 1 : size);
    text[used] = '\n';
    write_all(netcat, text, used + 1);
}

static void on_received(void *context, dg_time now, uint32_t owner, uint32_t link, const uint8_t *data, size_t size)
{
    struct netcat *netcat = context;
    (void)owner;
    (void)link;
    netcat->is_answered = true;
    netcat->quiet_since = now;
    if (netcat->config.input == DG_NETCAT_HEX)
        write_hex(netcat, data, size);
    else if (netcat->is_terminal)
        write_escaped(netcat, data, size);
    else
        write_all(netcat, (const char *)data, size);
}

// --- the association ----------------------------------------------------------------------------------------

static void on_opened(void *context, dg_time now, uint32_t owner, uint32_t link, const struct dg_handover *handover)
{
    struct netcat *netcat = context;
    (void)now;
    (void)owner;
    (void)handover; // on_told has told what there is
    netcat->is_open = true;
    netcat->link = link;
}

static void on_failed(void *context, dg_time now, uint32_t owner, uint32_t link, const char *why, int alert)
{
    struct netcat *netcat = context;
    (void)now;
    (void)owner;
    (void)link;
    if (alert >= 0)
        fail(netcat, "%s (alert %d of the server)", why, alert);
    else
        fail(netcat, "%s", why);
    netcat->is_over = true;
}

static void closed_by_server(struct netcat *netcat, const char *how)
{
    netcat->is_open = false;
    netcat->is_over = true;
    if (!netcat->input_ended)
        fail(netcat, "%s before the input's end", how);
    else if (netcat->config.is_verbose)
        say("%s", how);
}

static void on_closed(void *context, dg_time now, uint32_t owner, uint32_t link, enum dg_counter reason)
{
    struct netcat *netcat = context;
    (void)now;
    (void)owner;
    (void)link;
    if (reason == DG_COUNT_CLOSED_BY_PEER) {
        closed_by_server(netcat, "the server ended the association");
        return;
    }
    netcat->is_open = false;
    netcat->is_over = true;
    fail(netcat, "the association failed: %s", dg_counter_name(reason));
}

static void on_moved(void *context, dg_time now, uint32_t owner, uint32_t link, const struct dg_address *local)
{
    const struct netcat *netcat = context;
    char text[DG_ADDRESS_TEXT];
    (void)now;
    (void)owner;
    (void)link;
    dg_address_format(local, text);
    if (netcat->config.is_verbose)
        say("goes on from %s", text);
}

static void on_told(void *context, dg_time now, uint32_t owner, const struct dg_dial_event *event)
{
    const struct netcat *netcat = context;
    (void)owner;
    if (netcat->config.is_verbose)
        say("%4llu ms: %s%s%s", (unsigned long long)(dg_time_since(now, netcat->started_at) / DG_MILLISECOND),
            event->what, event->detail[0] ? ": " : "", event->detail);
}

// --- in -------------------------------------------------------------------------------------------------------

static void send_one(struct netcat *netcat, dg_time now, const uint8_t *data, size_t size)
{
    if (!netcat->is_open)
        return;
    size_t most = dg_client_payload_max(netcat->client, netcat->link);
    if (size > most)
        fail(netcat, "%zu bytes were not sent: a datagram to this server holds %zu (see --datagram-max)", size, most);
    else if (!dg_client_send(netcat->client, now, netcat->link, data, size))
        fail(netcat, "%zu bytes could not be sent", size);
}

static void send_line(struct netcat *netcat, dg_time now, const char *line, size_t size)
{
    uint8_t bytes[DG_DATAGRAM_MAX];
    if (netcat->config.input != DG_NETCAT_HEX) {
        send_one(netcat, now, (const uint8_t *)line, size);
    } else if (dg_hex_read(line, size, bytes, sizeof bytes, &size)) {
        send_one(netcat, now, bytes, size);
    } else {
        char shown[4 * SHOWN_MAX + 1]; // what comes through a pipe may be anybody's
        const char *end = memchr(line, '\n', size);
        size_t length = end ? (size_t)(end - line) : size;
        (void)dg_escape(shown, sizeof shown, line, length < SHOWN_MAX ? length : SHOWN_MAX);
        fail(netcat, "a line was not sent: found \"%s\", expected pairs of hexadecimal digits for at most %d bytes",
             shown, DG_DATAGRAM_MAX);
    }
    dg_wipe(bytes, sizeof bytes);
}

static void send_lines(struct netcat *netcat, dg_time now)
{
    char *at = netcat->line;
    size_t left = netcat->line_size;
    for (char *end = memchr(at, '\n', left); end; end = memchr(at, '\n', left)) {
        size_t size = (size_t)(end - at) + 1;
        if (!netcat->skips_line)
            send_line(netcat, now, at, size);
        netcat->skips_line = false;
        at += size;
        left -= size;
    }
    memmove(netcat->line, at, left);
    netcat->line_size = left;
    if (left < sizeof netcat->line - 1)
        return;
    if (!netcat->skips_line)
        fail(netcat, "a line of more than %zu bytes was not sent", left);
    netcat->skips_line = true;
    netcat->line_size = 0;
}

static void end_input(struct netcat *netcat, dg_time now)
{
    if (netcat->line_size > 0 && !netcat->skips_line) {
        netcat->line[netcat->line_size] = '\0';
        send_line(netcat, now, netcat->line, netcat->line_size);
    }
    netcat->line_size = 0;
    netcat->input_ended = true;
    netcat->quiet_since = now;
    netcat->is_over = netcat->is_over || netcat->config.wait == 0;
}

static void read_input(struct netcat *netcat, dg_time now)
{
    size_t room = sizeof netcat->line - 1 - netcat->line_size;
    if (netcat->config.input == DG_NETCAT_DATAGRAMS && room > DG_DATAGRAM_MAX)
        room = DG_DATAGRAM_MAX;
    ssize_t size = read(STDIN_FILENO, netcat->line + netcat->line_size, room);
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (size < 0)
        fail(netcat, "the standard input cannot be read: %s", strerror(errno));
    if (size <= 0) {
        end_input(netcat, now);
        return;
    }
    if (netcat->config.input == DG_NETCAT_DATAGRAMS) {
        send_one(netcat, now, (const uint8_t *)netcat->line, (size_t)size);
        return;
    }
    netcat->line_size += (size_t)size;
    send_lines(netcat, now);
}

// --- the loop -----------------------------------------------------------------------------------------------

static dg_time deadline_of(const struct netcat *netcat)
{
    dg_time deadline = dg_time_min(dg_client_deadline(netcat->client), netcat->next_rebind);
    if (netcat->input_ended)
        deadline = dg_time_min(deadline, netcat->quiet_since + netcat->config.wait);
    return deadline;
}

static int wait_ms(dg_time now, dg_time deadline)
{
    dg_time left = dg_time_since(dg_time_min(deadline, now + DG_HOUR), now);
    return (int)((left + DG_MILLISECOND - 1) / DG_MILLISECOND);
}

static void advance(struct netcat *netcat, dg_time now)
{
    dg_client_advance(netcat->client, now, dg_clock_wall_seconds());
    if (netcat->is_open && dg_client_doubt(netcat->client, now, netcat->link, DG_NEVER) == DG_DOUBT_CLOSED)
        closed_by_server(netcat, "the server ended the association");
    if (netcat->wants_rebind || now >= netcat->next_rebind)
        dg_client_rebind_all(netcat->client, now);
    netcat->wants_rebind = false;
    if (now >= netcat->next_rebind)
        netcat->next_rebind = now + netcat->config.rebind;
    if (netcat->input_ended && dg_time_since(now, netcat->quiet_since) >= netcat->config.wait)
        netcat->is_over = true;
}

static void loop(struct netcat *netcat)
{
    while (!netcat->is_over) {
        bool reads = netcat->is_open && !netcat->input_ended;
        struct pollfd fds[] = {
            {.fd = reads ? STDIN_FILENO : -1, .events = POLLIN},
            {.fd = dg_client_fd(netcat->client), .events = POLLIN},
            {.fd = netcat->signal_fd, .events = POLLIN},
        };
        if (poll(fds, 3, wait_ms(dg_clock_now(), deadline_of(netcat))) < 0)
            continue; // interrupted
        dg_time now = dg_clock_now();
        if (fds[2].revents)
            handle_signal(netcat);
        if (fds[1].revents)
            dg_client_read(netcat->client, now);
        if (fds[0].revents && netcat->is_open)
            read_input(netcat, now);
        advance(netcat, now);
    }
}

static enum dg_netcat_end judge(struct netcat *netcat)
{
    const struct dg_counters *counters = dg_client_counters(netcat->client);
    uint64_t lost = dg_counter_read(counters, DG_COUNT_DROP_SEND_FULL) + dg_counter_read(counters, DG_COUNT_DROP_SEND_ERROR);
    if (lost > 0 && !netcat->has_failed)
        fail(netcat, "the host did not take %llu datagrams", (unsigned long long)lost);
    if (netcat->has_failed)
        return DG_NETCAT_FAILED;
    if (netcat->config.wait > 0 && !netcat->is_answered) {
        say("nothing came back in time");
        return DG_NETCAT_NOTHING;
    }
    return DG_NETCAT_DONE;
}

enum dg_netcat_end dg_netcat_run(const struct dg_netcat_config *config, int signal_fd)
{
    char error[256];
    enum dg_netcat_end end = DG_NETCAT_FAILED;
    struct netcat *netcat = calloc(1, sizeof *netcat);
    if (!netcat) {
        say("memory is short");
        return end;
    }
    netcat->config = *config;
    netcat->config.client.links_max = 1;
    netcat->is_terminal = isatty(STDOUT_FILENO) == 1;
    netcat->signal_fd = signal_fd;
    const struct dg_client_hooks hooks = {.context = netcat,
                                          .opened = on_opened,
                                          .received = on_received,
                                          .failed = on_failed,
                                          .closed = on_closed,
                                          .moved = on_moved,
                                          .told = on_told};
    netcat->client = dg_client_new(&netcat->config.client, &hooks, error, sizeof error);
    netcat->started_at = dg_clock_now();
    netcat->next_rebind = config->rebind == DG_NEVER ? DG_NEVER : netcat->started_at + config->rebind;
    if (!netcat->client || dg_client_dial(netcat->client, netcat->started_at, 0, error, sizeof error) == DG_NO_LINK) {
        say("%s", error);
    } else {
        loop(netcat);
        dg_client_close_all(netcat->client, dg_clock_now());
        end = judge(netcat);
    }
    dg_client_free(netcat->client);
    dg_wipe(netcat, sizeof *netcat);
    free(netcat);
    return end;
}
