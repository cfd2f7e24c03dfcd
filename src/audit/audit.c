// SPDX-License-Identifier: GPL-3.0-or-later
// Goes through a configuration with all the parts of this room. Owns the order, knows no weakness but what the reading of
// the configuration itself has found.
#include "audit/audit_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool others_read(const char *path)
{
    struct stat status;
    return path[0] && stat(path, &status) == 0 && (status.st_mode & (S_IRGRP | S_IROTH));
}

// What the reader of a configuration says begins with the place, which findings show by themselves.
static const char *take_place(const char *path, const char *text, struct dg_config_place *place)
{
    size_t size = strlen(path);
    unsigned line, column;
    int used = 0;
    if (size == 0 || strncmp(text, path, size) != 0 || sscanf(text + size, ":%u:%u: %n", &line, &column, &used) != 2 ||
        used == 0)
        return text;
    *place = (struct dg_config_place){line, column};
    return text + size + used;
}

static void refuse(const struct dg_auditing *auditing, const char *text, struct dg_config_place place)
{
    const char *path = auditing->config ? auditing->config->path : "";
    const char *words = take_place(path, text, &place);
    DG_FIND(auditing, REFUSED, path, place, "%s", words);
}

static void take_errors(const struct dg_auditing *auditing, const struct dg_config_errors *errors)
{
    const char *path = auditing->config ? auditing->config->path : "";
    for (size_t i = 0; i < dg_config_errors_held(errors); i++) {
        const struct dg_config_place place = errors->places[i];
        if (!errors->are_secrets[i]) {
            refuse(auditing, errors->texts[i], place);
            continue;
        }
        DG_FIND(auditing, SECRET_IN_CONFIGURATION, path, place, "what stands here looks like a key; it is not repeated");
        if (others_read(path))
            DG_FIND(auditing, SECRET_STORED_OPEN, path, place, "what stands here looks like a key, in a file that others "
                    "can read");
    }
    if (dg_config_errors_more(errors) == 0)
        return;
    char rest[48];
    struct dg_config_place behind = errors->places[dg_config_errors_held(errors) - 1]; // all others
    behind.column++;
    snprintf(rest, sizeof rest, "and %zu more", dg_config_errors_more(errors));
    refuse(auditing, rest, behind);
}

bool dg_audit_is_local(const struct dg_config_listener *listener)
{
    const struct dg_address_list *list = &listener->options.listen;
    for (uint32_t i = 0; i < list->count; i++)
        if (!dg_address_is_loopback(&list->items[i]))
            return false;
    return list->count > 0;
}

void dg_audit(const struct dg_audit_source *source, struct dg_findings *findings)
{
    const struct dg_auditing auditing = {source->config, findings, source->now_s};
    take_errors(&auditing, source->errors);
    if (source->config) {
        dg_audit_process(&auditing);
        for (size_t i = 0; i < source->config->listener_count; i++) {
            const struct dg_config_listener *listener = &source->config->listeners[i];
            dg_audit_listener(&auditing, listener);
            dg_audit_psks(&auditing, listener);
            dg_audit_certificates(&auditing, listener);
        }
        dg_audit_files(&auditing);
    }
    if (source->refusal)
        refuse(&auditing, source->refusal, (struct dg_config_place){0});
    dg_findings_sort(findings);
}
