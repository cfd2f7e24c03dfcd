// SPDX-License-Identifier: GPL-3.0-or-later
// Reloads under load: two thousand associations exchange messages while their server reads its credentials again a
// hundred times. Who is still known loses nothing, who is not or has been revoked is closed, and a broken file has no effect.
#include "check.h"
#include "crypto/chain.h"
#include "support/credential_kit.h"
#include "support/gate_rig.h"
#include "support/settler.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLERS 2000
#define AT_ONCE 50 // messages under way: no queue of anybody's overflows
#define RELOADS 100
#define REMOVED 777 // the settler
#define REMOVED_AT 30 // the reload
#define BROKEN_AT 50
#define CERTIFIED 100  // the last so many have certificates
#define REVOKED 1950   // one of these
#define REVOKED_AT 60
#define PATIENCE_MS 10000

static struct survivor survivor;
static struct settler settlers[SETTLERS];
static char identities[SETTLERS][16];
static unsigned said[SETTLERS];

// --- the server's file ------------------------------------------------------------------------------------

static void write_keys(size_t without)
{
    char beside[sizeof survivor.psk.path + 8], hex[2 * sizeof survivor.psk.key + 1];
    for (size_t i = 0; i < sizeof survivor.psk.key; i++)
        snprintf(hex + 2 * i, 3, "%02x", survivor.psk.key[i]);
    snprintf(beside, sizeof beside, "%s.new", survivor.psk.path);
    FILE *file = fopen(beside, "w");
    CHECK(file != NULL && fchmod(fileno(file), 0600) == 0);
    for (size_t i = 0; file && i < SETTLERS; i++)
        if (i != without)
            fprintf(file, "%s:%s\n", identities[i], hex);
    CHECK(file != NULL && fclose(file) == 0 && rename(beside, survivor.psk.path) == 0);
}

static void break_keys(void)
{
    FILE *file = fopen(survivor.psk.path, "a");
    CHECK(file != NULL && fputs("client-0000:no key at all\n", file) >= 0 && fclose(file) == 0);
}

// --- certificates -----------------------------------------------------------------------------------------

static struct dg_pki_pem revoked, others; // many with one certificate
static char folder[64], paths[4][96];

static void write_text(const char *path, const char *text)
{
    char beside[128];
    snprintf(beside, sizeof beside, "%s.new", path);
    FILE *file = fopen(beside, "w");
    CHECK(file != NULL && fchmod(fileno(file), 0600) == 0 && fputs(text, file) >= 0 && fclose(file) == 0 &&
          rename(beside, path) == 0);
}

static void write_list(bool is_revoked)
{
    static char list[8192];
    const struct kit_crl crl = {.issuer = &rig_pki()->ca, .revoked = {&revoked}, .count = is_revoked ? 1 : 0};
    CHECK(kit_make_crl(&crl, list, sizeof list) > 0);
    write_text(paths[3], list);
}

// Options of the server; the CA has issued two clients' certificates and revoked none.
static const char *const *make_certificates(void)
{
    static const char *options[9] = {"cert", paths[0], "key", paths[1], "client-ca", paths[2], "client-crl", paths[3]};
    static const char *const names[] = {"server.pem", "server.key", "ca.pem", "crl.pem"};
    const struct rig_pki *pki = rig_pki();
    const struct kit_request request = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "meter", .issuer = &pki->ca};
    CHECK(kit_make(&request, &revoked) == NULL && kit_make(&request, &others) == NULL);
    snprintf(folder, sizeof folder, "/tmp/dtlsgate-reload-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < 4; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
    write_text(paths[0], pki->server.certificate);
    write_text(paths[1], pki->server.key);
    write_text(paths[2], pki->ca.certificate);
    write_list(false);
    return options;
}

static void remove_certificates(void)
{
    for (size_t i = 0; i < 4; i++)
        (void)unlink(paths[i]);
    (void)rmdir(folder);
}

// As a handshake with this certificate would have left it.
static void certify(struct settler_setup *setup, const struct dg_pki_pem *pem)
{
    uint8_t der[4096];
    struct dg_certificate_facts facts;
    setup->anchor = dg_credential_of_anchor((struct dg_bytes){der, kit_der(&rig_pki()->ca, der, sizeof der)});
    CHECK(dg_certificate_read((struct dg_bytes){der, kit_der(pem, der, sizeof der)}, &facts));
    setup->leaf = facts.leaf;
}

// --- the load ---------------------------------------------------------------------------------------------

static bool has_room_for_sockets(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < 2 * SETTLERS)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void settle(void)
{
    static struct settler_setup setups[SETTLERS];
    survivor_prepare(&survivor, make_certificates());
    for (uint32_t i = 0; i < SETTLERS; i++) {
        snprintf(identities[i], sizeof identities[i], "client-%04u", i);
        setups[i] = (struct settler_setup){.version = i % 2 == 0 ? 12 : 13,
                                           .aead = DG_AEAD_AES_128_GCM,
                                           .has_cid = i % 4 < 2,
                                           .who = i + 1,
                                           .identity = identities[i]};
        if (i >= SETTLERS - CERTIFIED)
            certify(&setups[i], i == REVOKED ? &revoked : &others);
        said[i] = 0;
    }
    write_keys(SETTLERS);
    survivor_start(&survivor);
    survivor_hand_over(&survivor);
    settlers_plant(&survivor, settlers, setups, SETTLERS);
    survivor_start(&survivor);
}

static bool has_all_answers(size_t i) { return settlers[i].answers == said[i]; }

// Each of a batch says something, once, and gets its answer.
static void exchange(size_t first)
{
    struct pollfd waits[AT_ONCE];
    size_t members[AT_ONCE], count = 0;
    for (size_t i = first; i < first + AT_ONCE; i++) {
        if (i == REMOVED || i == REVOKED)
            continue; // say nothing all the time
        settler_say(&settlers[i], "all is well");
        said[i]++;
        members[count] = i;
        waits[count++] = (struct pollfd){.fd = settlers[i].fd, .events = POLLIN};
    }
    for (size_t missing = count; missing > 0 && poll(waits, (nfds_t)count, PATIENCE_MS) > 0;) {
        missing = 0;
        for (size_t k = 0; k < count; k++) {
            (void)settler_listen(&settlers[members[k]]);
            bool is_done = has_all_answers(members[k]);
            waits[k].fd = is_done ? -1 : waits[k].fd;
            missing += !is_done;
        }
    }
}

static size_t next_batch;

static void exchange_next(void)
{
    exchange(next_batch);
    next_batch = (next_batch + AT_ONCE) % SETTLERS;
}

static bool reload_meanwhile(void)
{
    survivor_reload_begin(&survivor);
    do
        exchange_next();
    while (!survivor_reload_is_over(&survivor));
    return survivor_reload_end(&survivor);
}

static bool is_closed(const struct settler *settler) { return settler->alerts > 0; }

static bool hears_the_end(struct settler *settler)
{
    struct pollfd readable = {.fd = settler->fd, .events = POLLIN};
    while (!is_closed(settler) && poll(&readable, 1, PATIENCE_MS) == 1)
        (void)settler_listen(settler);
    return is_closed(settler);
}

DG_TEST(reload_a_hundred_times_under_load_loses_no_message)
{
    if (!has_room_for_sockets()) {
        fprintf(stderr, "too few descriptors for %d clients\n", SETTLERS);
        return;
    }
    settle();
    for (int i = 0; i < RELOADS; i++) {
        if (i == REMOVED_AT)
            write_keys(REMOVED);
        if (i == REVOKED_AT)
            write_list(true);
        if (i == BROKEN_AT)
            break_keys();
        CHECK_EQ(reload_meanwhile(), i != BROKEN_AT);
        if (i == REMOVED_AT)
            CHECK(hears_the_end(&settlers[REMOVED])); // who has not said a word
        if (i == REVOKED_AT)
            CHECK(hears_the_end(&settlers[REVOKED]));
        if (i == BROKEN_AT)
            write_keys(REMOVED);
    }
    for (size_t i = 0; i < SETTLERS; i += AT_ONCE)
        exchange(i); // everybody at least once under the last
    size_t short_of = 0, told = 0;
    for (size_t i = 0; i < SETTLERS; i++) {
        CHECK_EQ(settlers[i].repeats + settlers[i].unopened, 0);
        short_of += !has_all_answers(i);
        told += is_closed(&settlers[i]);
    }
    CHECK_EQ(short_of, 0);
    CHECK_EQ(told, 2);
    CHECK_EQ(settlers[REMOVED].answers + settlers[REVOKED].answers, 0);
    CHECK_EQ(survivor_associations(&survivor), SETTLERS - 2);
    CHECK_EQ(survivor_counter(&survivor, "closed_unauthorised"), 2);
    CHECK_EQ(survivor_counter(&survivor, "handshakes_started"), 0);
    settlers_free(settlers, SETTLERS);
    survivor_free(&survivor);
    remove_certificates();
}

// Slots outlive configurations: what the removed one had sent meanwhile waits in the socket, and stays unread.
DG_TEST(reload_of_a_stopped_server_delivers_nothing_of_whom_it_no_longer_knows)
{
    if (!has_room_for_sockets())
        return;
    settle();
    survivor_hand_over(&survivor);
    settler_say(&settlers[REMOVED], "let me in");
    settler_say(&settlers[REMOVED + 1], "me too");
    settler_say(&settlers[REVOKED], "I am not on any list");
    write_keys(REMOVED);
    write_list(true);
    survivor_start(&survivor);
    CHECK(hears_the_end(&settlers[REMOVED]));
    CHECK(hears_the_end(&settlers[REVOKED]));
    CHECK(settler_converse(&settlers[REMOVED + 1], "and again"));
    CHECK(settler_converse(&settlers[REVOKED + 1], "of the same CA"));
    CHECK_EQ(settlers[REMOVED].answers + settlers[REVOKED].answers, 0);
    CHECK_EQ(survivor_associations(&survivor), SETTLERS - 2);
    // Nobody else has been told anything, and who was silent is closed all the same.
    survivor_hand_over(&survivor);
    write_keys(0);
    survivor_start(&survivor);
    CHECK(hears_the_end(&settlers[0]));
    CHECK_EQ(survivor_counter(&survivor, "closed_unauthorised"), 1);
    settlers_free(settlers, SETTLERS);
    survivor_free(&survivor);
    remove_certificates();
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(reload_a_hundred_times_under_load_loses_no_message),
        DG_CASE(reload_of_a_stopped_server_delivers_nothing_of_whom_it_no_longer_knows),
    };
    signal(SIGPIPE, SIG_IGN);
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
