// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate check`: reads a configuration and everything that it names as a reviewer does who looks for weaknesses. Changes
// nothing, asks nobody, never shows a secret.
#ifndef DG_AUDIT_AUDIT_H
#define DG_AUDIT_AUDIT_H

#include "audit/findings.h"

struct dg_audit_source {
    const struct dg_config *config;        // as read, also where errors were found; NULL: not even that
    const struct dg_config_errors *errors; // of its reading
    const char *refusal;                   // why a server would not start with it; NULL: it would, or was not asked
    uint32_t now_s;                        // CLOCK_REALTIME
};

// Adds to findings, sorted. dg_crypto_init must have been called.
void dg_audit(const struct dg_audit_source *source, struct dg_findings *findings);

// --- what is told of it ---
struct dg_audit_report {
    const char *file; // that was asked for; empty: a command line
    const struct dg_findings *findings;
};
void dg_audit_print(const struct dg_audit_report *report, FILE *out);
void dg_audit_json(const struct dg_audit_report *report, FILE *out);
void dg_audit_markdown(FILE *out); // the table of docs/check.md
// 0: nothing above a note; else 3 to 6 for low to critical.
int dg_audit_status(const struct dg_findings *findings);

#endif
