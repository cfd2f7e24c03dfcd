// SPDX-License-Identifier: GPL-3.0-or-later
// Several listeners of one server, made from a configuration file: each with credentials and a backend of its own, none
// lets in whom only another one knows, and a reload swaps all of it or changes nothing.
#include "check.h"
#include "core/wire_constants.h"
#include "crypto/gate.h"
#include "crypto/pki.h"
#include "server/snapshot.h"
#include "support/file_server.h"
#include "support/live_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define METERS 0 // addresses by their order in the file
#define VALVES 1

static struct file_server gate;

// --- credentials -----------------------------------------------------------------------------------------

struct person {
    const char *identity;
    uint8_t key[32];
};

static struct person meter = {"meter-1", {1}};
static struct person valve = {"valve-1", {2}};

static void write_keys(const char *name, const struct person *person)
{
    char hex[2 * sizeof person->key + 1];
    for (size_t i = 0; i < sizeof person->key; i++)
        snprintf(hex + 2 * i, 3, "%02x", person->key[i]);
    file_server_write(&gate, name, "%s:%s\n", person->identity, hex);
}

static struct wolf_client_config client_of(const struct person *person, int version)
{
    return (struct wolf_client_config){.version = version,
                                       .psk_identity = person->identity,
                                       .psk_key = person->key,
                                       .psk_key_size = sizeof person->key,
                                       .groups = {WOLF_GROUP_X25519},
                                       .tickets = true,
                                       .offer_cid = true,
                                       .cid = {0xc1},
                                       .cid_size = 1};
}

static struct live_client *dial(size_t address, const struct person *person, int version)
{
    const struct wolf_client_config config = client_of(person, version);
    return live_client_dial(file_server_port(&gate, address), &config, NULL);
}

static bool is_let_in(size_t address, const struct person *person, int version)
{
    struct live_client *client = dial(address, person, version);
    bool is_in = client != NULL && live_client_echo(client, 1);
    live_client_free(client);
    return is_in;
}

// --- two listeners ---------------------------------------------------------------------------------------

#define PROCESS "workers: 2\nassociations-max: 4096\nhandshakes-max: 16\nlog-level: error\n"

static void write_two(const char *process, const char *valves)
{
    file_server_write(&gate, FILE_SERVER_CONFIG,
                      "%s%slisteners:\n"
                      "  - name: meters\n    listen: 127.0.0.1:0\n    backend: echo\n    psk-file: meters.txt\n"
                      "  - name: valves\n    listen: 127.0.0.1:0\n    backend: echo\n    psk-file: valves.txt\n%s",
                      PROCESS, process, valves);
}

static void start_two(const char *process)
{
    file_server_prepare(&gate);
    write_keys("meters.txt", &meter);
    write_keys("valves.txt", &valve);
    write_two(process, "");
    CHECK_MSG(file_server_start(&gate), "%s", gate.error);
}

DG_TEST(listeners_let_in_whom_their_own_credentials_prove)
{
    start_two("");
    REQUIRE(gate.server != NULL);
    for (int version = 12; version <= 13; version++) {
        CHECK(is_let_in(METERS, &meter, version));
        CHECK(is_let_in(VALVES, &valve, version));
    }
    // In 1.2 a server says nothing about a wrong key: one refusal of each kind is enough to wait for.
    CHECK(!is_let_in(METERS, &valve, 13));
    CHECK(!is_let_in(VALVES, &meter, 13));
    CHECK(!is_let_in(VALVES, &meter, 12));
    CHECK_EQ(dg_server_counter(gate.server, "associations_opened"), 4);
    file_server_free(&gate);
}

static void write_pki(const char *certificate, const char *key, const char *authority, const struct dg_pki_pem *ca,
                      const struct dg_pki_pem *server)
{
    file_server_write(&gate, certificate, "%s", server->certificate);
    file_server_write(&gate, key, "%s", server->key);
    file_server_write(&gate, authority, "%s", ca->certificate);
}

DG_TEST(listeners_show_their_own_certificate_and_trust_their_own_authority)
{
    static struct dg_pki_pem ca[2], server[2], client[2];
    REQUIRE(dg_crypto_init());
    for (int i = 0; i < 2; i++)
        REQUIRE(dg_pki_make(DG_PKI_CA, i == 0 ? "CA one" : "CA two", 30, NULL, &ca[i], gate.error, sizeof gate.error) &&
                dg_pki_make(DG_PKI_SERVER, "localhost", 30, &ca[i], &server[i], gate.error, sizeof gate.error) &&
                dg_pki_make(DG_PKI_CLIENT, "client", 30, &ca[i], &client[i], gate.error, sizeof gate.error));
    file_server_prepare(&gate);
    write_pki("a.pem", "a.key", "a-ca.pem", &ca[0], &server[0]);
    write_pki("b.pem", "b.key", "b-ca.pem", &ca[1], &server[1]);
    file_server_write(&gate, FILE_SERVER_CONFIG,
                      PROCESS "listeners:\n"
                      "  - {name: a, listen: \"127.0.0.1:0\", backend: echo, cert: a.pem, key: a.key, client-ca: a-ca.pem}\n"
                      "  - {name: b, listen: \"127.0.0.1:0\", backend: echo, cert: b.pem, key: b.key, client-ca: b-ca.pem}\n");
    REQUIRE(file_server_start(&gate));
    for (size_t at = 0; at < 2; at++)
        for (size_t who = 0; who < 2; who++) {
            // Who believes this listener's certificate, with a certificate of the one or of the other authority.
            const struct wolf_client_config config = {.version = 13, .ca = ca[at].certificate,
                                                      .certificate = client[who].certificate, .key = client[who].key};
            struct live_client *visitor = live_client_dial(file_server_port(&gate, at), &config, NULL);
            // In 1.3 a client is done before the server has looked at its certificate.
            bool is_in = visitor != NULL && live_client_echo_repeated(visitor, 1) > 0;
            CHECK_EQ(is_in, at == who);
            live_client_free(visitor);
        }
    const struct wolf_client_config doubter = {.version = 13, .ca = ca[1].certificate,
                                               .certificate = client[0].certificate, .key = client[0].key};
    CHECK(live_client_dial(file_server_port(&gate, 0), &doubter, NULL) == NULL); // that is b's authority
    CHECK_EQ(dg_server_counter(gate.server, "associations_opened"), 2);
    file_server_free(&gate);
    dg_crypto_cleanup();
}

// --- backends --------------------------------------------------------------------------------------------

static int service(uint16_t *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&name, size) == 0 && getsockname(fd, (struct sockaddr *)&name, &size) == 0);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

static bool hears(int fd, const char *text)
{
    char got[64] = "";
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    if (poll(&readable, 1, 10000) != 1)
        return false;
    ssize_t size = recv(fd, got, sizeof got - 1, 0);
    return size > 0 && strcmp(got, text) == 0;
}

DG_TEST(listeners_pass_plaintext_to_their_own_backend)
{
    uint16_t ports[2];
    int services[2] = {service(&ports[0]), service(&ports[1])};
    file_server_prepare(&gate);
    write_keys("meters.txt", &meter);
    write_keys("valves.txt", &valve);
    file_server_write(&gate, FILE_SERVER_CONFIG,
                      PROCESS "listeners:\n"
                      "  - name: meters\n    listen: 127.0.0.1:0\n    backend: udp:127.0.0.1:%u\n    psk-file: meters.txt\n"
                      "  - name: valves\n    listen: 127.0.0.1:0\n    backend: udp:127.0.0.1:%u\n    psk-file: valves.txt\n",
                      ports[0], ports[1]);
    REQUIRE(file_server_start(&gate));
    struct live_client *clients[2] = {dial(METERS, &meter, 13), dial(VALVES, &valve, 12)};
    static const char *const WORDS[] = {"of a meter", "of a valve"};
    for (int i = 0; i < 2 && clients[i]; i++) {
        CHECK(wolf_client_write(live_client_wolf(clients[i]), WORDS[i], strlen(WORDS[i])));
        CHECK(hears(services[i], WORDS[i]));
        live_client_free(clients[i]);
        close(services[i]);
    }
    CHECK(clients[0] && clients[1]);
    file_server_free(&gate);
}

// --- tickets ---------------------------------------------------------------------------------------------

// In 1.3 the ticket may come behind the first answers.
static struct wolf_session *session_of(struct live_client *client, const struct wolf_client_config *config)
{
    for (unsigned i = 1; i < 1000 && live_client_echo(client, i); i++) {
        struct wolf_session *session = wolf_client_session(live_client_wolf(client));
        struct wolf_client *probe = wolf_client_new(config);
        bool is_good = probe && session && wolf_client_resume(probe, session);
        wolf_client_free(probe);
        if (is_good)
            return session;
        wolf_session_free(session);
    }
    CHECK_MSG(false, "no ticket came");
    return NULL;
}

// Even where both know the same key: their rules and backends may differ.
DG_TEST(listeners_refuse_tickets_of_one_another)
{
    for (int version = 12; version <= 13; version++) {
        start_two("");
        write_keys("valves.txt", &meter);
        REQUIRE(file_server_reload(&gate));
        struct live_client *client = dial(METERS, &meter, version);
        REQUIRE(client != NULL);
        const struct wolf_client_config config = client_of(&meter, version);
        struct wolf_session *session = session_of(client, &config);
        live_client_free(client);
        struct live_client *again = live_client_dial(file_server_port(&gate, METERS), &config, session);
        CHECK(again != NULL && live_client_echo(again, 1)); // whoever is answered has been counted
        CHECK_MSG(dg_server_counter(gate.server, "handshakes_resumed") == 1, "version %d", version);
        struct live_client *elsewhere = live_client_dial(file_server_port(&gate, VALVES), &config, session);
        CHECK(elsewhere != NULL && live_client_echo(elsewhere, 1));
        CHECK_MSG(dg_server_counter(gate.server, "handshakes_resumed") == 1, "version %d", version);
        live_client_free(elsewhere);
        live_client_free(again);
        wolf_session_free(session);
        file_server_free(&gate);
    }
}

// --- reloads ---------------------------------------------------------------------------------------------

DG_TEST(reload_closes_whom_a_listener_no_longer_knows_and_nobody_else)
{
    start_two("");
    REQUIRE(gate.server != NULL);
    struct live_client *stays = dial(METERS, &meter, 13), *goes = dial(VALVES, &valve, 13);
    REQUIRE(stays != NULL && goes != NULL && live_client_echo(stays, 1) && live_client_echo(goes, 1));
    struct person successor = {"valve-2", {3}};
    write_keys("valves.txt", &successor);
    CHECK_MSG(file_server_reload(&gate), "%s", gate.error);
    CHECK(live_client_ends(goes)); // it has said nothing since
    CHECK(wolf_client_closed(live_client_wolf(goes)));
    CHECK(live_client_echo(stays, 2));
    CHECK(file_server_counts(&gate, "closed_unauthorised", 1));
    CHECK_EQ(dg_server_associations(gate.server), 1);
    CHECK(is_let_in(VALVES, &successor, 12));
    CHECK(!is_let_in(VALVES, &valve, 13));
    live_client_free(goes);
    live_client_free(stays);
    file_server_free(&gate);
}

DG_TEST(reload_leaves_the_removed_until_they_speak_where_that_is_asked_for)
{
    start_two("on-removal: at-next-datagram\n");
    REQUIRE(gate.server != NULL);
    struct live_client *stays = dial(METERS, &meter, 13), *goes = dial(VALVES, &valve, 13);
    REQUIRE(stays != NULL && goes != NULL && live_client_echo(stays, 1) && live_client_echo(goes, 1));
    write_keys("valves.txt", &meter);
    CHECK_MSG(file_server_reload(&gate), "%s", gate.error);
    for (unsigned i = 2; i < 50; i++)
        CHECK(live_client_echo(stays, i)); // turns in which the workers could have looked
    CHECK_EQ(dg_server_associations(gate.server), 2);
    uint64_t delivered = dg_server_counter(gate.server, "plaintext_delivered");
    CHECK(wolf_client_write(live_client_wolf(goes), "once more", 9));
    CHECK(live_client_ends(goes));
    CHECK_EQ(dg_server_counter(gate.server, "plaintext_delivered"), delivered);
    CHECK(file_server_counts(&gate, "closed_unauthorised", 1));
    live_client_free(goes);
    live_client_free(stays);
    file_server_free(&gate);
}

static void refuses(const char *says)
{
    CHECK(!file_server_reload(&gate));
    CHECK_MSG(strstr(gate.error, says) != NULL, "%s", gate.error);
}

DG_TEST(reload_with_one_broken_file_changes_nothing_and_names_listener_and_file)
{
    start_two("");
    REQUIRE(gate.server != NULL);
    struct live_client *old_meter = dial(METERS, &meter, 13);
    REQUIRE(old_meter != NULL);
    struct person newcomer = {"meter-2", {4}};
    write_keys("meters.txt", &newcomer); // good, and yet it must not be in force alone
    file_server_write(&gate, "valves.txt", "valve-1:this is no key\n");
    refuses("valves.txt:1");
    refuses("listener valves");
    CHECK(live_client_echo(old_meter, 1));
    CHECK(is_let_in(METERS, &meter, 12));
    CHECK(is_let_in(VALVES, &valve, 13));
    CHECK(!is_let_in(METERS, &newcomer, 13));
    write_keys("valves.txt", &valve);
    CHECK_MSG(file_server_reload(&gate), "%s", gate.error);
    CHECK(is_let_in(METERS, &newcomer, 13));
    live_client_free(old_meter);
    file_server_free(&gate);
}

DG_TEST(reload_with_a_wrong_backend_names_its_place)
{
    start_two("");
    REQUIRE(gate.server != NULL);
    write_two("", "    rules:\n      - {action: allow, backend: \"udp:192.0.2.1:9\"}\n");
    refuses(FILE_SERVER_CONFIG ":15:"); // of the rule: it may not be beyond this host
    refuses("listener valves: backend: ");
    CHECK(is_let_in(VALVES, &valve, 13));
    file_server_free(&gate);
}

DG_TEST(reload_refuses_other_addresses_whole)
{
    start_two("");
    REQUIRE(gate.server != NULL);
    struct person newcomer = {"meter-2", {5}};
    write_keys("meters.txt", &newcomer);
    write_two("", "  - {name: third, listen: \"127.0.0.1:0\", backend: echo, psk-file: valves.txt}\n");
    refuses("new listening address 127.0.0.1:0");
    refuses("dtlsgate upgrade");
    file_server_write(&gate, FILE_SERVER_CONFIG,
                      PROCESS "listeners:\n  - {name: meters, listen: \"127.0.0.1:0\", backend: echo, psk-file: meters.txt}\n");
    refuses("nothing listens any more on 127.0.0.1:");
    CHECK(is_let_in(METERS, &meter, 13));
    // The same addresses, as the kernel chose them and shared out otherwise, are no others.
    file_server_write(&gate, FILE_SERVER_CONFIG,
                      PROCESS "listeners:\n"
                      "  - {name: valves, listen: \"127.0.0.1:%u\", backend: echo, psk-file: valves.txt}\n"
                      "  - {name: meters, listen: \"127.0.0.1:0\", backend: echo, psk-file: meters.txt}\n",
                      file_server_port(&gate, METERS));
    CHECK_MSG(file_server_reload(&gate), "%s", gate.error);
    CHECK(is_let_in(METERS, &valve, 13));
    CHECK(is_let_in(VALVES, &newcomer, 13));
    file_server_free(&gate);
}

DG_TEST(reload_applies_rules_and_options_of_front_and_engine)
{
    uint8_t cid[255];
    start_two("");
    REQUIRE(gate.server != NULL);
    struct live_client *client = dial(METERS, &meter, 13);
    REQUIRE(client != NULL);
    CHECK(live_client_server_cid(client, cid) > 0);
    write_two("connection-id: no\n", "    rules:\n      - {action: deny, identity: \"valve-*\"}\n");
    CHECK_MSG(file_server_reload(&gate), "%s", gate.error);
    struct live_client *without = dial(METERS, &meter, 13);
    CHECK(without != NULL && live_client_server_cid(without, cid) == 0);
    live_client_free(without);
    live_client_free(client);
    CHECK(!is_let_in(VALVES, &valve, 13));
    write_two("", "");
    CHECK_MSG(file_server_reload(&gate), "%s", gate.error);
    CHECK(is_let_in(VALVES, &valve, 13));
    file_server_free(&gate);
}

DG_TEST(listeners_of_several_addresses_are_one)
{
    file_server_prepare(&gate);
    write_keys("meters.txt", &meter);
    write_keys("valves.txt", &valve);
    file_server_write(&gate, FILE_SERVER_CONFIG,
                      PROCESS "listeners:\n"
                      "  - {name: meters, listen: [\"127.0.0.1:0\", \"127.0.0.1:0\"], backend: echo, psk-file: meters.txt}\n"
                      "  - {name: valves, listen: \"127.0.0.1:0\", backend: echo, psk-file: valves.txt}\n");
    REQUIRE(file_server_start(&gate));
    struct live_client *client = dial(0, &meter, 13);
    REQUIRE(client != NULL);
    const struct wolf_client_config config = client_of(&meter, 13);
    struct wolf_session *session = session_of(client, &config);
    struct live_client *again = live_client_dial(file_server_port(&gate, 1), &config, session);
    CHECK(again != NULL && live_client_echo(again, 1));
    CHECK_EQ(dg_server_counter(gate.server, "handshakes_resumed"), 1);
    CHECK(is_let_in(2, &valve, 13));
    CHECK(!is_let_in(2, &meter, 13));
    CHECK_EQ(file_server_port(&gate, 3), 0);
    live_client_free(again);
    live_client_free(client);
    wolf_session_free(session);
    file_server_free(&gate);
}

static bool no_backend(void *context, const char *backend, bool allow_beyond_loopback, uint16_t *ret_number, char *error,
                       size_t error_size)
{
    (void)context, (void)backend, (void)allow_beyond_loopback, (void)ret_number;
    snprintf(error, error_size, "no backend here");
    return false;
}

// One time in four thousand million that is so by chance; here it is said to be so.
DG_TEST(listeners_whose_addresses_share_a_number_are_refused)
{
    static const uint64_t digests[2][2] = {{7, 7}, {7, 8}};
    static struct dg_config_errors errors;
    char path[128], error[512] = "";
    file_server_prepare(&gate);
    write_two("", "");
    snprintf(path, sizeof path, "%s/%s", gate.folder, FILE_SERVER_CONFIG);
    struct dg_config *config = dg_config_load(path, &errors);
    REQUIRE(config != NULL);
    for (size_t i = 0; i < 2; i++) {
        const struct dg_snapshot_source source = {
            .config = config, .digests = digests[i], .generation = 1, .backend_number = no_backend};
        CHECK(dg_snapshot_new(&source, error, sizeof error) == NULL);
        CHECK_MSG(strstr(error, i == 0 ? "listener valves: one of its addresses" : "no backend here") != NULL, "%s", error);
    }
    dg_config_free(config);
    file_server_free(&gate);
}

DG_TEST(listeners_of_one_address_are_refused)
{
    start_two("");
    REQUIRE(gate.server != NULL);
    uint16_t port = file_server_port(&gate, METERS);
    file_server_stop(&gate);
    file_server_write(&gate, FILE_SERVER_CONFIG,
                      PROCESS "listeners:\n"
                      "  - {name: meters, listen: \"127.0.0.1:%u\", backend: echo, psk-file: meters.txt}\n"
                      "  - {name: valves, listen: \"127.0.0.1:%u\", backend: echo, psk-file: valves.txt}\n", port, port);
    CHECK(!file_server_start(&gate));
    CHECK(gate.error[0] != '\0');
    file_server_free(&gate);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(listeners_let_in_whom_their_own_credentials_prove),
        DG_CASE(listeners_show_their_own_certificate_and_trust_their_own_authority),
        DG_CASE(listeners_pass_plaintext_to_their_own_backend),
        DG_CASE(listeners_refuse_tickets_of_one_another),
        DG_CASE(reload_closes_whom_a_listener_no_longer_knows_and_nobody_else),
        DG_CASE(reload_leaves_the_removed_until_they_speak_where_that_is_asked_for),
        DG_CASE(reload_with_one_broken_file_changes_nothing_and_names_listener_and_file),
        DG_CASE(reload_with_a_wrong_backend_names_its_place),
        DG_CASE(reload_refuses_other_addresses_whole),
        DG_CASE(reload_applies_rules_and_options_of_front_and_engine),
        DG_CASE(listeners_of_several_addresses_are_one),
        DG_CASE(listeners_whose_addresses_share_a_number_are_refused),
        DG_CASE(listeners_of_one_address_are_refused),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
