// SPDX-License-Identifier: GPL-3.0-or-later
// One log line for each thing that an operator should renew, with what to do. All of them are read again by a reload.
#include "crypto/expiry.h"

#include "base/log.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/asn_public.h>

#define DAY_S 86400

struct finding {
    const char *event;
    const char *listener;
    const char *path;
    unsigned line; // 0: none
    int64_t ends_s;
    const char *advice;
};

static void warn(const struct finding *finding, int64_t now_s)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_WARNING, finding->event);
    if (finding->listener != NULL)
        dg_log_text(&line, "listener", finding->listener);
    dg_log_text(&line, "file", finding->path != NULL ? finding->path : "");
    if (finding->line > 0)
        dg_log_u64(&line, "line", finding->line);
    if (finding->ends_s > now_s)
        dg_log_u64(&line, "days_left", (uint64_t)(finding->ends_s - now_s) / DAY_S);
    dg_log_text(&line, "advice", finding->advice);
    dg_log_end(&line);
}

static void warn_of_anchor(const struct dg_gate *gate, const struct dg_anchor *anchor, struct finding finding,
                           int64_t now_s, int64_t horizon_s)
{
    finding.line = anchor->line;
    finding.ends_s = anchor->expires_s;
    if (anchor->is_revoked) {
        finding.event = "ca_revoked";
        finding.advice = "another CA has revoked this one, which proves nobody any more; take it out of the file";
        warn(&finding, now_s);
        return;
    }
    if (anchor->expires_s < horizon_s) {
        finding.event = "ca_expires";
        finding.advice = "renew the CA and add its new certificate to the file, then reload";
        warn(&finding, now_s);
    }
    if (!gate->trust.revocation.is_checked)
        return;
    finding.ends_s = anchor->crl_until_s;
    if (anchor->crl_until_s == 0) {
        finding.event = "crl_missing";
        finding.advice = "no revocation list of this CA is among those of --client-crl; get it from the CA, then reload";
    } else if (now_s > anchor->crl_until_s || now_s < anchor->crl_from_s) {
        finding.event = "crl_stale";
        finding.advice = "the revocation list of this CA is not current; get the next one from the CA, then reload";
    } else if (anchor->crl_until_s < horizon_s) {
        finding.event = "crl_expires";
        finding.advice = "get the next revocation list from the CA before this one ends, then reload";
    } else {
        return;
    }
    warn(&finding, now_s);
}

void dg_expiry_warn(const struct dg_gate *gate, const char *listener)
{
    if (gate->config.expiry_warning_days == 0)
        return;
    int64_t now_s = (int64_t)wc_Time(NULL);
    int64_t horizon_s = now_s + (int64_t)gate->config.expiry_warning_days * DAY_S;
    for (size_t i = 0; i < gate->side_count; i++) {
        const struct dg_own *own = &gate->own[i];
        if (own->raw_key == NULL || own->expires_s >= horizon_s)
            continue;
        const struct finding finding = {.event = "certificate_expires",
                                        .listener = listener,
                                        .path = own->path,
                                        .ends_s = own->expires_s,
                                        .advice = "renew the certificate in this file, then reload"};
        warn(&finding, now_s);
    }
    const struct finding finding = {.listener = listener,
                                    .path = dg_credentials_files(gate->credentials)->client_ca_file};
    for (size_t i = 0; i < gate->trust.anchor_count; i++)
        warn_of_anchor(gate, &gate->trust.anchors[i], finding, now_s, horizon_s);
}
