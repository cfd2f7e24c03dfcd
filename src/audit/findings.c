// SPDX-License-Identifier: GPL-3.0-or-later
// Collects findings and puts them in order. Never looks for anything, never prints.
#include "audit/findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ROW(name, word, severity, cwe, also, cwe_name, wrong, remedy)                                             \
    [DG_FINDING_##name] = {word, DG_SEVERITY_##severity, cwe, also, cwe_name, wrong, remedy},
static const struct dg_finding_row rows[DG_FINDING_COUNT] = {DG_FINDING_LIST(ROW)};

const struct dg_finding_row *dg_finding_row_of(enum dg_finding_kind kind)
{
    return &rows[kind];
}

const char *dg_severity_name(enum dg_severity severity)
{
    static const char *const names[] = {"note", "low", "medium", "high", "critical"};
    return names[severity];
}

void dg_findings_add(struct dg_findings *findings, enum dg_finding_kind kind, enum dg_severity severity, const char *file,
                     struct dg_config_place place, const char *format, ...)
{
    char what[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    struct dg_finding finding = {.kind = kind, .severity = severity, .place = place};
    struct dg_finding *items = NULL;
    if (findings->count < DG_FINDINGS_MAX)
        items = realloc(findings->items, (findings->count + 1) * sizeof *items);
    if (items) {
        findings->items = items;
        finding.file = strdup(file);
        finding.what = strdup(what);
    }
    if (!finding.file || !finding.what) {
        free(finding.file);
        free(finding.what);
        findings->dropped++;
        return;
    }
    items[findings->count++] = finding;
}

static int compare(const void *left, const void *right)
{
    const struct dg_finding *a = left, *b = right;
    if (a->severity != b->severity)
        return a->severity > b->severity ? -1 : 1;
    int files = strcmp(a->file, b->file);
    if (files != 0)
        return files;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->place.column != b->place.column)
        return a->place.column < b->place.column ? -1 : 1;
    return strcmp(a->what, b->what);
}

static bool is_same(const struct dg_finding *a, const struct dg_finding *b)
{
    return compare(a, b) == 0;
}

// What two listeners name is found twice, and told once.
void dg_findings_sort(struct dg_findings *findings)
{
    if (findings->count < 2)
        return;
    qsort(findings->items, findings->count, sizeof *findings->items, compare);
    size_t kept = 1;
    for (size_t i = 1; i < findings->count; i++) {
        if (!is_same(&findings->items[kept - 1], &findings->items[i])) {
            findings->items[kept++] = findings->items[i];
            continue;
        }
        free(findings->items[i].file);
        free(findings->items[i].what);
    }
    findings->count = kept;
}

void dg_findings_clear(struct dg_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->items[i].file);
        free(findings->items[i].what);
    }
    free(findings->items);
    memset(findings, 0, sizeof *findings);
}
