// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of options of `dtlsgate bench`: it makes the struct, the parser, the ranges, the defaults, the help
// text and its part of docs/options.md. Never opens a file, never acts on an option.
#ifndef DG_CONFIG_BENCH_OPTIONS_H
#define DG_CONFIG_BENCH_OPTIONS_H

#include "config/client_options.h"

// See option_table.h.
#define DG_BENCH_OPTION_LIST(TEXT, NUMBER, CHOICE, FLAG) \
    CHOICE(load, "load", "messages|handshakes|idle", 0, "messages: make associations, then send through them; handshakes: one after the other, each association closed at once; idle: make associations and hold them") \
    NUMBER(duration, "duration", "SECONDS", 10, 1, 864000, "how long the load lasts, after the associations were made") \
    NUMBER(associations, "associations", "N", 1, 1, 16000000, "associations at once (messages, idle)") \
    NUMBER(ramp, "ramp", "N", 0, 0, 10000000, "begin this many handshakes a second while associations are made; 0: as fast as they go") \
    NUMBER(handshakes_at_once, "handshakes-at-once", "N", 64, 1, 65536, "handshakes under way at once, of all threads") \
    NUMBER(rate, "rate", "N", 0, 0, 100000000, "open loop: this many messages, or handshakes, a second in all, whether answers come or not; 0: closed loop") \
    NUMBER(rate_from, "rate-from", "N", 0, 0, 100000000, "with --rate: begin at this rate and reach --rate, evenly, at the end; 0: --rate all the time") \
    NUMBER(every, "every", "SECONDS", 0, 0, 864000, "open loop: each association sends a message this often, spread evenly; instead of --rate") \
    NUMBER(in_flight, "in-flight", "N", 0, 0, 1000000, "closed loop: messages under way at once, of all associations, which take turns; 0: as many as associations, at most 256") \
    NUMBER(size, "size", "BYTES", 64, 16, 16000, "of each message") \
    CHOICE(answers, "answers", "echo|none", 0, "echo: the server answers each message with itself; none: only sent, which takes --rate or --every") \
    NUMBER(answer_timeout, "answer-timeout", "MILLISECONDS", 1000, 1, 600000, "a message is lost when no answer has come for so long") \
    FLAG(resumed, "resumed", "handshakes: with the ticket of one full handshake before (--load handshakes)") \
    FLAG(connect_only, "connect-only", "make the associations, report, end") \
    FLAG(leave, "leave", "end without close_notify: the server keeps the associations") \
    NUMBER(move, "move", "SECONDS", 0, 0, 864000, "each association goes on from another address of ours this often, under its connection ID; 0: never") \
    NUMBER(threads, "threads", "N", 1, 1, 64, "threads of load, each with sockets, associations and a schedule of its own") \
    NUMBER(sockets, "sockets", "N", 0, 0, 16384, "sockets of each thread; 0: one for a server on 127/8, else as many as are needed") \
    NUMBER(sources, "sources", "N", 0, 0, 4194304, "source addresses in 127/8 for each socket, for a server on 127/8; 0: as many as are needed") \
    TEXT(json, "json", "FILE", "the report as JSON, in addition to the text; - writes it to the standard output instead of the text") \
    NUMBER(progress, "progress", "SECONDS", 1, 0, 3600, "a line on the standard error this often, and a sample in the JSON report; 0: none") \
    DG_CLIENT_OPTION_LIST(TEXT, NUMBER, CHOICE, FLAG) \
    DG_CLIENT_TIME_OPTION_LIST(NUMBER)

struct dg_bench_options {
    DG_BENCH_OPTION_LIST(DG_OPTION_FIELD_TEXT, DG_OPTION_FIELD_NUMBER, DG_OPTION_FIELD_CHOICE, DG_OPTION_FIELD_FLAG)
};

enum { DG_BENCH_MESSAGES, DG_BENCH_HANDSHAKES, DG_BENCH_IDLE };
enum { DG_BENCH_ANSWERS_ECHO, DG_BENCH_ANSWERS_NONE };

void dg_bench_options_default(struct dg_bench_options *options);
DG_MUST_USE bool dg_bench_options_parse(struct dg_bench_options *options, int argc, char **argv, char *error,
                                        size_t error_size);
// What single options cannot know: which go together.
DG_MUST_USE bool dg_bench_options_check(const struct dg_bench_options *options, char *error, size_t error_size);
void dg_bench_options_help(FILE *out);
void dg_bench_options_markdown(FILE *out);

#endif
