// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of options of `dtlsgate connect`: it makes the struct, the parser, the ranges, the defaults, the
// help text and its part of docs/options.md. Never opens a file, never acts on an option.
#ifndef DG_CONFIG_CONNECT_OPTIONS_H
#define DG_CONFIG_CONNECT_OPTIONS_H

#include "config/client_options.h"

// See option_table.h.
#define DG_CONNECT_OPTION_LIST(TEXT, ADDRESSES, NUMBER, CHOICE, FLAG)                                             \
    DG_CLIENT_OPTION_LIST(TEXT, NUMBER, CHOICE, FLAG) \
    CHOICE(resume, "resume", "yes|no", 0, "offer the last session ticket when connecting again") \
    DG_CLIENT_TIME_OPTION_LIST(NUMBER) \
    FLAG(datagram, "datagram", "each read(2) of the standard input is a datagram, instead of each line") \
    FLAG(hex, "hex", "lines of hexadecimal digits in and out, a datagram each") \
    NUMBER(wait, "wait", "SECONDS", 0, 0, 86400, "or -w: after the input's end, go on until nothing has come for this long; 0: end at once") \
    ADDRESSES(listen, "listen", "ADDR:PORT", "be a tunnel: a local UDP port, with an association of its own for each local sender") \
    CHOICE(listen_network, "listen-network", "loopback|any", 0, "any: senders may be on other hosts, although that hop is neither encrypted nor authenticated") \
    NUMBER(associations_max, "associations-max", "N", 1024, 1, 16384, "local senders at once; a further one takes the place of the one that is idle longest") \
    NUMBER(hold_max, "hold-max", "N", 16, 1, 64, "datagrams of a sender that are held while its association is made") \
    NUMBER(idle_timeout, "idle-timeout", "SECONDS", 3600, 1, 31536000, "a local sender is forgotten, and its association ends, after this long without a datagram") \
    NUMBER(answer_wait, "answer-wait", "SECONDS", 30, 0, 86400, "dial again when data was sent, nothing came back for this long and there is more to send; 0: never") \
    NUMBER(keepalive, "keepalive", "SECONDS", 0, 0, 86400, "after this long without a word, send a record that says nothing: whoever only listens behind a NAT is found again (25 suits most NATs); 0: never") \
    NUMBER(rebind, "rebind", "SECONDS", 0, 0, 86400, "change our own port this often, as a test of connection IDs; 0: never") \
    FLAG(verbose, "verbose", "tell the handshake on the standard error") \
    CHOICE(log_level, "log-level", "error|warning|info|debug", 2, "of a tunnel's log lines")

struct dg_connect_options {
    DG_CONNECT_OPTION_LIST(DG_OPTION_FIELD_TEXT, DG_OPTION_FIELD_ADDRESSES, DG_OPTION_FIELD_NUMBER,
                           DG_OPTION_FIELD_CHOICE, DG_OPTION_FIELD_FLAG)
};

enum { DG_LISTEN_NETWORK_LOOPBACK, DG_LISTEN_NETWORK_ANY };

void dg_connect_options_default(struct dg_connect_options *options);
// As dg_options_parse; "-w" is "--wait".
DG_MUST_USE bool dg_connect_options_parse(struct dg_connect_options *options, int argc, char **argv, char *error,
                                          size_t error_size);
// What single options cannot know: something to prove the server by, a key with its certificate, options of the
// two modes not mixed.
DG_MUST_USE bool dg_connect_options_check(const struct dg_connect_options *options, char *error, size_t error_size);
void dg_connect_options_help(FILE *out);
void dg_connect_options_markdown(FILE *out);

#endif
