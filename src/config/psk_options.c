// SPDX-License-Identifier: GPL-3.0-or-later
// The table of options of `dtlsgate psk`. Tells names from options; never opens a file.
#include "config/psk_options.h"

#include <string.h>

#define DG_OPTION_STRUCT struct dg_psk_options
static const struct dg_option rows[] = {
    DG_PSK_OPTION_LIST(DG_OPTION_ROW_TEXT, DG_OPTION_ROW_CHOICE, DG_OPTION_ROW_FLAG)};
static const struct dg_option_table table = {
    "dtlsgate psk --help", "--store", rows, sizeof rows / sizeof rows[0], sizeof(struct dg_psk_options)};

void dg_psk_options_default(struct dg_psk_options *options)
{
    dg_option_table_default(&table, options);
}

static bool takes_next(const char *word)
{
    if (strchr(word, '='))
        return false;
    const struct dg_option *option = dg_option_table_find(&table, word + 2);
    return option && option->kind != DG_OPTION_KIND_FLAG;
}

bool dg_psk_options_parse(struct dg_psk_options *options, int argc, char **argv, int *ret_names, char *error,
                          size_t error_size)
{
    int names = 0;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            int words = takes_next(argv[i]) && i + 1 < argc ? 2 : 1;
            if (!dg_option_table_parse(&table, options, words, argv + i, error, error_size))
                return false;
            i += words - 1;
        } else {
            argv[names++] = argv[i];
        }
    }
    *ret_names = names;
    return true;
}

void dg_psk_options_help(FILE *out)
{
    dg_option_table_help(&table, out);
}

void dg_psk_options_markdown(FILE *out)
{
    dg_option_table_markdown(&table, out);
}
