// SPDX-License-Identifier: GPL-3.0-or-later
// Writes the effective configuration as a file that can be loaded again, from the same tables that read it. Names files,
// never what they hold.
#include "config/config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    FILE *out;
    char folder[PATH_MAX]; // what relative names of a command line are relative to
};

static void print_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_value(const struct writer *writer, const struct dg_option *option, const char *text)
{
    char path[PATH_MAX + DG_OPTION_TEXT];
    if (option->kind == DG_OPTION_KIND_NUMBER || option->kind == DG_OPTION_KIND_CHOICE) {
        fputs(text, writer->out);
        return;
    }
    bool is_relative = dg_option_is_relative_file(option, text);
    snprintf(path, sizeof path, "%s%s%s", is_relative ? writer->folder : "", is_relative ? "/" : "", text);
    print_quoted(writer->out, path);
}

static void print_option(const struct writer *writer, const char *indent, const struct dg_option *option,
                         const void *options)
{
    char text[DG_OPTION_TEXT];
    if (!dg_option_value(option, options, 0, text)) {
        fprintf(writer->out, "%s# %s: not given\n", indent, option->name);
        return;
    }
    fprintf(writer->out, "%s%s: ", indent, option->name);
    if (dg_option_is_list(option)) {
        for (size_t i = 0; dg_option_value(option, options, i, text); i++) {
            fputs(i == 0 ? "[" : ", ", writer->out);
            print_value(writer, option, text);
        }
        fputs("]", writer->out);
    } else {
        print_value(writer, option, text);
    }
    fputs("\n", writer->out);
}

static void print_table(const struct writer *writer, const char *indent, const struct dg_option_table *table,
                        const void *options)
{
    for (size_t i = 0; i < table->count; i++)
        print_option(writer, indent, &table->rows[i], options);
}

static void print_listener(const struct writer *writer, const struct dg_config_listener *listener)
{
    fputs("  - name: ", writer->out);
    print_quoted(writer->out, listener->name);
    fputs("\n", writer->out);
    for (size_t i = 0; i < dg_options_table_listener.count; i++) {
        const struct dg_option *option = &dg_options_table_listener.rows[i];
        bool is_listed = strcmp(option->name, "cert") == 0 || strcmp(option->name, "key") == 0;
        if (!is_listed)
            print_option(writer, "    ", option, &listener->options);
    }
    if (listener->certificate_count > 0)
        fputs("    certificates:\n", writer->out);
    for (size_t i = 0; i < listener->certificate_count; i++) {
        fputs("      -\n", writer->out);
        print_table(writer, "        ", &dg_config_table_certificate, &listener->certificates[i]);
    }
    if (listener->rule_count > 0)
        fputs("    rules:\n", writer->out);
    for (size_t i = 0; i < listener->rule_count; i++) {
        fputs("      -\n", writer->out);
        print_table(writer, "        ", &dg_config_table_rule, &listener->rules[i]);
    }
}

void dg_config_dump(const struct dg_config *config, FILE *out)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return;
    writer->out = out;
    if (!realpath(".", writer->folder))
        snprintf(writer->folder, sizeof writer->folder, ".");
    print_table(writer, "", &dg_options_table_process, &config->process);
    fputs("listeners:\n", out);
    for (size_t i = 0; i < config->listener_count; i++)
        print_listener(writer, &config->listeners[i]);
    free(writer);
}
