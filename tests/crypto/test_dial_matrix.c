// SPDX-License-Identifier: GPL-3.0-or-later
//
// Our dial against our gate over everything that they can agree on, each time followed by data between two
// engines, one in each role. These cases guard against another version of wolfSSL as the take-over's do.

#include "check.h"
#include "support/dial_rig.h"

#include <stdio.h>
#include <string.h>

static struct dial_rig rig;

static const struct rig_options everything = {
    .with_psk = true,
    .with_certificate = true,
    .with_client_ca = true,
    .with_raw_keys = true,
    .profile = DG_PROFILE_IOT,
};

static char psk_line[128];
static const char *own_psk(void)
{
    size_t used = (size_t)snprintf(psk_line, sizeof psk_line, "%s:", RIG_IDENTITY);
    for (size_t i = 0; i < sizeof rig_psk; i++)
        used += (size_t)snprintf(psk_line + used, sizeof psk_line - used, "%02x", rig_psk[i]);
    return psk_line;
}

enum credential { PSK, PSK_OF_IOT, CERTIFICATE, RAW };
static const char *const names[] = {"PSK", "PSK of the iot profile", "certificate", "raw public key"};

static struct dial_options options_of(enum credential credential, int version)
{
    struct dial_options options = {.version_min = version, .version_max = version};
    switch (credential) {
    case PSK_OF_IOT:
        options.profile = DG_PROFILE_IOT;
        options.psk_lines = own_psk();
        break;
    case PSK:
        options.psk_lines = own_psk();
        break;
    case CERTIFICATE:
        options.client = &rig_pki()->client;
        options.ca = rig_pki()->ca.certificate;
        options.name = "gate.example";
        break;
    case RAW:
        options.client = &rig_pki()->raw_client;
        options.raw = true;
        options.ca = rig_pki()->ca.certificate;
        options.name = "gate.example";
        break;
    }
    return options;
}

// A handshake, both take-overs, data both ways.
static bool dials(const char *what, int version)
{
    enum dg_dial_step step = dial_rig_run(&rig, 30 * DG_SECOND);
    CHECK_MSG(step == DG_DIAL_DONE, "%s, DTLS 1.%d: %s\n%s", what, version - 10,
              rig.dial != NULL ? dg_wolf_dial.why(rig.dial, NULL) : "no dial", rig.told);
    if (step != DG_DIAL_DONE)
        return false;
    bool taken = dial_rig_take_over(&rig);
    CHECK_MSG(taken, "%s, DTLS 1.%d: no take-over", what, version - 10);
    bool exchanged = taken && dial_rig_exchange(&rig);
    CHECK_MSG(exchanged, "%s, DTLS 1.%d: data\n%s", what, version - 10, rig.told);
    if (!exchanged)
        dial_rig_show(&rig);
    return exchanged;
}

DG_TEST(dial_every_version_credential_and_connection_id)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        for (enum credential credential = PSK; credential <= RAW; credential++) {
            for (int cid = 0; cid < 2; cid++) {
                struct dial_options options = options_of(credential, version);
                options.offer_cid = cid;
                if (!dial_rig_dialer(&rig, &options)) {
                    CHECK_MSG(false, "%s: %s", names[credential], rig.error);
                    continue;
                }
                if (dials(names[credential], version)) {
                    const struct dg_handover *client = &rig.client_handover, *server = &rig.server_handover;
                    CHECK_EQ(client->version, version);
                    CHECK_EQ(client->is_client, 1);
                    CHECK_EQ(server->is_client, 0);
                    CHECK_EQ(client->resumed, 0);
                    CHECK_EQ(client->cid_size, cid ? DG_CID_SIZE : 0);
                    CHECK_EQ(client->peer_cid_size, cid ? DG_CID_SIZE : 0);
                    CHECK_MEM(client->peer_cid, server->cid, client->peer_cid_size);
                    CHECK_MEM(client->tx.key, server->rx.key, 16);
                    CHECK_MEM(client->rx.key, server->tx.key, 16);
                    CHECK_EQ(client->suite, server->suite);
                    CHECK_EQ(client->group, server->group);
                    bool is_psk = credential == PSK || credential == PSK_OF_IOT;
                    CHECK_EQ(client->identity_kind, is_psk ? DG_IDENTITY_PSK : DG_IDENTITY_CERTIFICATE);
                    CHECK_EQ(client->identity_size, strlen(is_psk ? RIG_IDENTITY : "gate.example"));
                    CHECK_MEM(client->identity, is_psk ? RIG_IDENTITY : "gate.example", client->identity_size);
                }
                dial_rig_hang_up(&rig);
            }
        }
    }
    dial_rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(dial_every_version_credential_and_connection_id),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
