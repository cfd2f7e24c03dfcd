// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of this room share. Never seen outside src/audit.
#ifndef DG_AUDIT_AUDIT_INTERNAL_H
#define DG_AUDIT_AUDIT_INTERNAL_H

#include "audit/audit.h"
#include "credentials/file.h"

struct dg_auditing {
    const struct dg_config *config;
    struct dg_findings *findings;
    uint32_t now_s;
};

// With the row's own severity.
#define DG_FIND(auditing, name, file, place, ...)                                                                 \
    dg_findings_add((auditing)->findings, DG_FINDING_##name, dg_finding_row_of(DG_FINDING_##name)->severity, file, \
                    place, __VA_ARGS__)

void dg_audit_process(const struct dg_auditing *auditing);  // options of the process
void dg_audit_listener(const struct dg_auditing *auditing, const struct dg_config_listener *listener);
void dg_audit_files(const struct dg_auditing *auditing);    // permissions and owners of all files that are named
void dg_audit_psks(const struct dg_auditing *auditing, const struct dg_config_listener *listener);
void dg_audit_certificates(const struct dg_auditing *auditing, const struct dg_config_listener *listener);

// A named file as it is, whatever its permissions. False: it cannot be read, which the server's refusal tells.
DG_MUST_USE bool dg_audit_read(const char *given, size_t size_max, struct dg_file *ret);
bool dg_audit_is_local(const struct dg_config_listener *listener); // only this host reaches it

#endif
