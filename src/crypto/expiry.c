// SPDX-License-Identifier: GPL-3.0-or-later
// One log line for each thing that an operator should renew, with what to do. All of them are read again by a reload.
#include "crypto/expiry.h"

#include "base/log.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/asn_public.h>

#define DAY_S 86400

// Whoever is told.
struct teller {
    void (*tell)(void *context, const struct dg_expiry *expiry);
    void *context;
};

static void log_expiry(void *context, const struct dg_expiry *expiry)
{
    struct dg_log_line line;
    (void)context;
    dg_log_begin(&line, DG_LOG_WARNING, expiry->event);
    if (expiry->listener != NULL)
        dg_log_text(&line, "listener", expiry->listener);
    dg_log_text(&line, "file", expiry->path != NULL ? expiry->path : "");
    if (expiry->line > 0)
        dg_log_u64(&line, "line", expiry->line);
    if (expiry->ends_s > expiry->now_s)
        dg_log_u64(&line, "days_left", (uint64_t)(expiry->ends_s - expiry->now_s) / DAY_S);
    dg_log_text(&line, "advice", expiry->advice);
    dg_log_end(&line);
}

static void tell_of_anchor(const struct dg_gate *gate, const struct dg_anchor *anchor, struct dg_expiry finding,
                           const struct teller *teller, int64_t horizon_s)
{
    const int64_t now_s = finding.now_s;
    finding.line = anchor->line;
    finding.ends_s = anchor->expires_s;
    if (anchor->is_revoked) {
        finding.event = "ca_revoked";
        finding.advice = "another CA has revoked this one, which proves nobody any more; take it out of the file";
        teller->tell(teller->context, &finding);
        return;
    }
    if (anchor->expires_s < horizon_s) {
        finding.event = "ca_expires";
        finding.advice = "renew the CA and add its new certificate to the file, then reload";
        teller->tell(teller->context, &finding);
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
    teller->tell(teller->context, &finding);
}

void dg_expiry_visit(const struct dg_gate *gate, const char *listener,
                     void (*tell)(void *context, const struct dg_expiry *expiry), void *context)
{
    const struct teller whom = {tell, context}, *teller = &whom;
    if (gate->config.expiry_warning_days == 0)
        return;
    int64_t now_s = (int64_t)wc_Time(NULL);
    int64_t horizon_s = now_s + (int64_t)gate->config.expiry_warning_days * DAY_S;
    for (size_t i = 0; i < gate->side_count; i++) {
        const struct dg_own *own = &gate->own[i];
        if (own->raw_key == NULL || own->expires_s >= horizon_s)
            continue;
        const struct dg_expiry finding = {.event = "certificate_expires",
                                        .listener = listener,
                                        .path = own->path,
                                        .now_s = now_s,
                                        .ends_s = own->expires_s,
                                        .advice = "renew the certificate in this file, then reload"};
        teller->tell(teller->context, &finding);
    }
    const struct dg_expiry finding = {.listener = listener,
                                      .now_s = now_s,
                                      .path = dg_credentials_files(gate->credentials)->client_ca_file};
    for (size_t i = 0; i < gate->trust.anchor_count; i++)
        tell_of_anchor(gate, &gate->trust.anchors[i], finding, teller, horizon_s);
}

void dg_expiry_warn(const struct dg_gate *gate, const char *listener)
{
    dg_expiry_visit(gate, listener, log_expiry, NULL);
}
