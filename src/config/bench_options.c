// SPDX-License-Identifier: GPL-3.0-or-later
// The table of the load generator's options, and what single options cannot know. Never opens a file.
#include "config/bench_options.h"

#define DG_OPTION_STRUCT struct dg_bench_options
static const struct dg_option rows[] = {
    DG_BENCH_OPTION_LIST(DG_OPTION_ROW_TEXT, DG_OPTION_ROW_NUMBER, DG_OPTION_ROW_CHOICE, DG_OPTION_ROW_FLAG)};
static const struct dg_option_table table = {
    "dtlsgate bench --help", "--rate", rows, sizeof rows / sizeof rows[0], sizeof(struct dg_bench_options)};

void dg_bench_options_default(struct dg_bench_options *options)
{
    dg_option_table_default(&table, options);
}

bool dg_bench_options_parse(struct dg_bench_options *options, int argc, char **argv, char *error, size_t error_size)
{
    return dg_option_table_parse(&table, options, argc, argv, error, error_size);
}

static const char *mixed_loads(const struct dg_bench_options *options)
{
    const bool sends = options->load == DG_BENCH_MESSAGES;
    if (options->rate && options->every)
        return "--rate and --every are two ways to say when messages are sent: give one of them";
    if (options->rate_from && !options->rate)
        return "--rate-from needs --rate, which it leads to";
    if (options->load == DG_BENCH_IDLE && options->rate)
        return "--rate is for messages or handshakes; --load idle sends nothing";
    if (!sends && options->every)
        return "--every is for messages: it goes with --load messages";
    if (!sends && options->in_flight)
        return "--in-flight is for messages: it goes with --load messages";
    if (options->in_flight && (options->rate || options->every))
        return "--in-flight is for the closed loop: it contradicts --rate and --every";
    if (sends && options->answers == DG_BENCH_ANSWERS_NONE && !options->rate && !options->every &&
        !options->connect_only)
        return "--answers none needs --rate or --every: without answers nothing says when to send the next message";
    if (options->resumed && options->load != DG_BENCH_HANDSHAKES)
        return "--resumed goes with --load handshakes";
    if (options->connect_only && options->load == DG_BENCH_HANDSHAKES)
        return "--connect-only makes associations and ends; it contradicts --load handshakes";
    return NULL;
}

static const char *impossible(const struct dg_bench_options *options)
{
    if (options->size > options->datagram_max - 128)
        return "--size is too large: a record's head and tag take up to 128 bytes of --datagram-max";
    if (options->move && options->connection_id == DG_CHOICE_NO)
        return "--move needs connection IDs: without them the server takes a new address for a stranger";
    if (options->move && options->load == DG_BENCH_HANDSHAKES)
        return "--move is for associations that stay: it contradicts --load handshakes";
    if (options->handshakes_at_once < options->threads)
        return "--handshakes-at-once is less than --threads: each thread needs one at least";
    if (options->load != DG_BENCH_HANDSHAKES && options->associations < options->threads)
        return "--associations is less than --threads: each thread needs one at least";
    if (options->in_flight && options->in_flight < options->threads)
        return "--in-flight is less than --threads: each thread needs one at least";
    return NULL;
}

bool dg_bench_options_check(const struct dg_bench_options *options, char *error, size_t error_size)
{
    const struct dg_client_choice choice = DG_CLIENT_CHOICE_OF(options);
    const char *wrong = dg_client_choice_check(&choice);
    if (!wrong)
        wrong = mixed_loads(options);
    if (!wrong)
        wrong = impossible(options);
    if (!wrong)
        return true;
    snprintf(error, error_size, "%s", wrong);
    return false;
}

void dg_bench_options_help(FILE *out)
{
    dg_option_table_help(&table, out);
}

void dg_bench_options_markdown(FILE *out)
{
    dg_option_table_markdown(&table, out);
}
