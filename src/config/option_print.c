// SPDX-License-Identifier: GPL-3.0-or-later
// Prints a table of options for its readers: help for people, Markdown and roff for the documentation. Never parses, never
// knows an option.
#include "config/option_table.h"

#include <string.h>

static void print_preset(FILE *out, const struct dg_option *option)
{
    if (option->kind == DG_OPTION_KIND_NUMBER)
        fprintf(out, "%u", option->preset);
    if (option->kind != DG_OPTION_KIND_CHOICE)
        return;
    const char *word = option->argument;
    for (uint32_t i = 0; i < option->preset; i++)
        word += strcspn(word, "|") + 1;
    fprintf(out, "%.*s", (int)strcspn(word, "|"), word);
}

static bool has_preset(const struct dg_option *option)
{
    return option->kind == DG_OPTION_KIND_NUMBER || option->kind == DG_OPTION_KIND_CHOICE;
}

void dg_option_table_help(const struct dg_option_table *table, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct dg_option *option = &table->rows[i];
        fprintf(out, "  --%s%s%s\n        %s", option->name, option->argument[0] ? " " : "", option->argument,
                option->help);
        if (has_preset(option)) {
            fputs(" (default ", out);
            print_preset(out, option);
            fputs(")", out);
        }
        fputs("\n", out);
    }
}

// --- Markdown ------------------------------------------------------------------------------------------------------

static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fputs(*text == '|' ? "\\|" : (char[]){*text, '\0'}, out);
}

static void print_rows(const struct dg_option_table *table, const char *dashes, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct dg_option *option = &table->rows[i];
        fprintf(out, "| `%s%s` | ", dashes, option->name);
        print_cell(out, option->argument);
        fputs(" | ", out);
        print_preset(out, option);
        fputs(" | ", out);
        if (option->kind == DG_OPTION_KIND_NUMBER)
            fprintf(out, "%u to %u", option->min, option->max);
        fputs(" | ", out);
        print_cell(out, option->help);
        fputs(" |\n", out);
    }
}

void dg_option_table_markdown(const struct dg_option_table *table, FILE *out)
{
    fputs("| option | value | default | range | meaning |\n|---|---|---|---|---|\n", out);
    print_rows(table, "--", out);
}

void dg_option_table_keys(const struct dg_option_table *table, FILE *out)
{
    fputs("| key | value | default | range | meaning |\n|---|---|---|---|---|\n", out);
    print_rows(table, "", out);
}

// --- roff ----------------------------------------------------------------------------------------------------------

static void print_roff(FILE *out, const char *text)
{
    // A dash is an option's, not a hyphen that a line may be broken at; quotes end arguments of macros.
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '"')
            fputs("\\(dq", out);
        else
            fputc(*text, out);
    }
}

void dg_option_table_roff(const struct dg_option_table *table, bool is_keys, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct dg_option *option = &table->rows[i];
        fputs(".TP\n.BI ", out);
        print_roff(out, is_keys ? "" : "--");
        print_roff(out, option->name);
        fputs(is_keys ? ":" : "", out);
        if (option->argument[0]) {
            fputs(" \" ", out);
            print_roff(out, option->argument);
            fputs("\"", out);
        }
        fputs("\n", out);
        print_roff(out, option->help);
        if (has_preset(option)) {
            fputs(" (default ", out);
            print_preset(out, option);
            if (option->kind == DG_OPTION_KIND_NUMBER)
                fprintf(out, ", from %u to %u", option->min, option->max);
            fputs(")", out);
        }
        fputs(".\n", out);
    }
}
