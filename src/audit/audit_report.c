// SPDX-License-Identifier: GPL-3.0-or-later
// Tells findings: as text for people, as JSON for programs, and the table of all that can be found. Judges nothing.
#include "audit/audit.h"

#include "base/json.h"

#include <string.h>

static void print_where(const struct dg_finding *finding, FILE *out)
{
    if (!finding->file[0])
        fputs("command line", out);
    else if (finding->place.line == 0)
        fputs(finding->file, out);
    else
        fprintf(out, "%s:%u", finding->file, finding->place.line);
}

static void count(const struct dg_findings *findings, size_t counts[DG_SEVERITY_CRITICAL + 1])
{
    memset(counts, 0, (DG_SEVERITY_CRITICAL + 1) * sizeof *counts);
    for (size_t i = 0; i < findings->count; i++)
        counts[findings->items[i].severity]++;
}

void dg_audit_print(const struct dg_audit_report *report, FILE *out)
{
    const struct dg_findings *findings = report->findings;
    for (size_t i = 0; i < findings->count; i++) {
        const struct dg_finding *finding = &findings->items[i];
        const struct dg_finding_row *row = dg_finding_row_of(finding->kind);
        fprintf(out, "%zu. %s: ", i + 1, dg_severity_name(finding->severity));
        if (row->cwe)
            fprintf(out, "CWE-%u %s ", row->cwe, row->cwe_name);
        if (row->also)
            fprintf(out, "(also CWE-%u) ", row->also);
        fprintf(out, "[%s]\n   ", row->name);
        print_where(finding, out);
        fprintf(out, ": %s\n   %s\n   do: %s\n\n", finding->what, row->wrong, row->remedy);
    }
    size_t counts[DG_SEVERITY_CRITICAL + 1];
    count(findings, counts);
    fprintf(out, "%s: %zu finding%s", report->file[0] ? report->file : "command line", findings->count,
            findings->count == 1 ? "" : "s");
    for (int severity = DG_SEVERITY_CRITICAL; severity >= DG_SEVERITY_NOTE; severity--)
        if (counts[severity] > 0)
            fprintf(out, ", %zu %s", counts[severity], dg_severity_name((enum dg_severity)severity));
    if (findings->dropped > 0)
        fprintf(out, ", and %zu more that are not shown", findings->dropped);
    fputs("\n", out);
}

static void write_finding(struct dg_json *json, size_t number, const struct dg_finding *finding)
{
    const struct dg_finding_row *row = dg_finding_row_of(finding->kind);
    dg_json_open_object(json, NULL);
    dg_json_number(json, "number", number);
    dg_json_text(json, "name", row->name);
    dg_json_text(json, "severity", dg_severity_name(finding->severity));
    if (row->cwe)
        dg_json_number(json, "cwe", row->cwe);
    else
        dg_json_text(json, "cwe", NULL);
    dg_json_text(json, "cwe_name", row->cwe ? row->cwe_name : NULL);
    if (row->also)
        dg_json_number(json, "also_cwe", row->also);
    dg_json_text(json, "file", finding->file[0] ? finding->file : NULL);
    dg_json_number(json, "line", finding->place.line);
    dg_json_number(json, "column", finding->place.column);
    dg_json_text(json, "what", finding->what);
    dg_json_text(json, "wrong", row->wrong);
    dg_json_text(json, "remedy", row->remedy);
    dg_json_close_object(json);
}

void dg_audit_json(const struct dg_audit_report *report, FILE *out)
{
    const struct dg_findings *findings = report->findings;
    struct dg_json json = {.out = out};
    size_t counts[DG_SEVERITY_CRITICAL + 1];
    count(findings, counts);
    dg_json_open_object(&json, NULL);
    dg_json_text(&json, "configuration", report->file[0] ? report->file : NULL);
    dg_json_open_object(&json, "counts");
    for (int severity = DG_SEVERITY_CRITICAL; severity >= DG_SEVERITY_NOTE; severity--)
        dg_json_number(&json, dg_severity_name((enum dg_severity)severity), counts[severity]);
    dg_json_number(&json, "not_shown", findings->dropped);
    dg_json_close_object(&json);
    dg_json_open_array(&json, "findings");
    for (size_t i = 0; i < findings->count; i++)
        write_finding(&json, i + 1, &findings->items[i]);
    dg_json_close_array(&json);
    dg_json_close_object(&json);
    fputs("\n", out);
}

void dg_audit_markdown(FILE *out)
{
    fputs("| finding | severity | weakness | what is wrong | what to do |\n|---|---|---|---|---|\n", out);
    for (int kind = 0; kind < DG_FINDING_COUNT; kind++) {
        const struct dg_finding_row *row = dg_finding_row_of((enum dg_finding_kind)kind);
        fprintf(out, "| `%s` | %s | ", row->name, dg_severity_name(row->severity));
        if (row->cwe)
            fprintf(out, "CWE-%u %s", row->cwe, row->cwe_name);
        if (row->also)
            fprintf(out, ", also CWE-%u", row->also);
        fprintf(out, " | %s | %s |\n", row->wrong, row->remedy);
    }
}

int dg_audit_status(const struct dg_findings *findings)
{
    static const int statuses[] = {0, 3, 4, 5, 6}; // 1 and 2 are every command's
    int status = findings->dropped > 0 ? statuses[DG_SEVERITY_CRITICAL] : 0;
    for (size_t i = 0; i < findings->count; i++)
        if (statuses[findings->items[i].severity] > status)
            status = statuses[findings->items[i].severity];
    return status;
}
