// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of dialing share: a gate that takes everything, and a dialer's options for each credential.
#ifndef DG_TESTS_DIAL_CREDENTIALS_H
#define DG_TESTS_DIAL_CREDENTIALS_H

#include "support/dial_rig.h"

#include <stdio.h>
#include <string.h>

static const struct rig_options everything = {
    .with_psk = true,
    .with_certificate = true,
    .with_client_ca = true,
    .with_raw_keys = true,
    .profile = DG_PROFILE_IOT,
};

static inline const char *psk_text(const char *identity, const uint8_t key[32])
{
    static char line[512];
    size_t used = (size_t)snprintf(line, sizeof line, "%s:", identity);
    for (size_t i = 0; i < 32; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, "%02x", key[i]);
    return line;
}

enum credential { PSK, PSK_OF_IOT, CERTIFICATE, RAW };
static const char *const credential_names[] = {"PSK", "PSK of the iot profile", "certificate", "raw public key"};

static inline struct dial_options options_of(enum credential credential, int version)
{
    struct dial_options options = {.version_min = version, .version_max = version};
    if (credential == PSK || credential == PSK_OF_IOT) {
        options.profile = credential == PSK ? DG_PROFILE_MODERN : DG_PROFILE_IOT;
        options.psk_lines = psk_text(RIG_IDENTITY, rig_psk);
        return options;
    }
    options.raw = credential == RAW;
    options.client = credential == RAW ? &rig_pki()->raw_client : &rig_pki()->client;
    options.ca = rig_pki()->ca.certificate;
    options.name = "gate.example";
    return options;
}

// A handshake, both take-overs, data both ways.
static inline bool dial_and_talk(struct dial_rig *rig, const char *what, dg_time limit)
{
    enum dg_dial_step step = dial_rig_run(rig, limit);
    CHECK_MSG(step == DG_DIAL_DONE, "%s: %s\n%s", what,
              rig->dial != NULL ? dg_wolf_dial.why(rig->dial, NULL) : "no dial", rig->told);
    if (step != DG_DIAL_DONE)
        return false;
    bool taken = dial_rig_take_over(rig);
    CHECK_MSG(taken, "%s: no take-over\n%s", what, rig->told);
    bool exchanged = taken && dial_rig_exchange(rig);
    CHECK_MSG(exchanged, "%s: data\n%s", what, rig->told);
    if (taken && !exchanged)
        dial_rig_show(rig);
    return exchanged;
}

#endif
