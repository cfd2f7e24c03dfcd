// SPDX-License-Identifier: GPL-3.0-or-later
// Associations that outlive the server's process: killed, handed over, started with more or fewer workers, with other
// credentials, or ended by one of its own slots. Nobody ever performs a second handshake.
#include "check.h"
#include "io/crash_note.h"
#include "io/memfile.h"
#include "server/server.h"
#include "support/settler.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTLERS 24
#define PATIENCE_MS 20000

static struct survivor survivor;
static struct settler settlers[SETTLERS];

// Of both versions, with and without connection IDs, narrow keys and wide ones, all over the shards.
static void settle_with(const char *const *options, bool is_anonymous)
{
    struct settler_setup setups[SETTLERS];
    for (uint32_t i = 0; i < SETTLERS; i++)
        setups[i] = (struct settler_setup){.version = i % 2 == 0 ? 12 : 13,
                                           .aead = i % 8 < 6 ? DG_AEAD_AES_128_GCM : DG_AEAD_AES_256_GCM,
                                           .has_cid = i % 4 < 2,
                                           .who = i * 11 + 1,
                                           .is_anonymous = is_anonymous};
    survivor_prepare(&survivor, options);
    survivor_start(&survivor);
    survivor_hand_over(&survivor);
    settlers_plant(&survivor, settlers, setups, SETTLERS);
}

static void settle(void) { settle_with(NULL, false); }

static void leave(void)
{
    for (size_t i = 0; i < SETTLERS; i++)
        CHECK_EQ(settlers[i].repeats, 0);
    settlers_free(settlers, SETTLERS);
    survivor_free(&survivor);
}

static void all_converse(const char *text)
{
    for (size_t i = 0; i < SETTLERS; i++)
        CHECK_MSG(settler_converse(&settlers[i], text), "settler %zu, \"%s\"", i, text);
}

DG_TEST(survival_a_killed_server_goes_on_with_every_association)
{
    settle();
    survivor_start(&survivor);
    all_converse("first");
    for (int round = 0; round < 3; round++) {
        survivor_kill(&survivor);
        survivor_start(&survivor);
        CHECK_EQ(survivor_associations(&survivor), SETTLERS);
        all_converse("again");
    }
    CHECK_EQ(survivor_counter(&survivor, "slots_quarantined"), 0);
    CHECK_EQ(survivor_counter(&survivor, "handshakes_started"), 0);
    leave();
}

// With every number of threads, datagrams reach their worker without a detour: the kernel's numbers of the sockets are
// what the filter takes them for.
DG_TEST(survival_8_then_3_then_8_workers_keep_every_association)
{
    static const char *const WORKERS[] = {"8", "3", "8", "1", "5"};
    settle_with((const char *const[]){"workers", "8", NULL}, false);
    for (size_t i = 0; i < sizeof WORKERS / sizeof WORKERS[0]; i++) {
        survivor_set(&survivor, "workers", WORKERS[i]);
        survivor_start(&survivor);
        CHECK_EQ(survivor.count, 2 + (size_t)atoi(WORKERS[i]));
        all_converse(WORKERS[i]);
        CHECK_EQ(survivor_counter(&survivor, "misrouted"), 0);
        CHECK_EQ(survivor_associations(&survivor), SETTLERS);
        survivor_kill(&survivor);
    }
    leave();
}

// What came while no process was there, also to workers that are no more, is answered: once.
DG_TEST(survival_datagrams_that_waited_are_answered_whoever_reads_them)
{
    static const char *const WORKERS[] = {"2", "8", "1"};
    settle_with((const char *const[]){"workers", "8", NULL}, false);
    survivor_start(&survivor);
    for (size_t round = 0; round < sizeof WORKERS / sizeof WORKERS[0]; round++) {
        survivor_kill(&survivor);
        uint64_t before = 0, after = 0;
        for (size_t i = 0; i < SETTLERS; i++) {
            before += settlers[i].answers;
            for (int k = 0; k < 5; k++)
                settler_say(&settlers[i], "waits");
        }
        survivor_set(&survivor, "workers", WORKERS[round]);
        survivor_start(&survivor);
        all_converse("behind");
        // All before it has been read by then; what one thread passes on to another may be answered a little later.
        for (int wait = 0; wait < PATIENCE_MS && after < before + SETTLERS * 6; wait++) {
            usleep(wait > 0 ? 1000 : 0);
            after = 0;
            for (size_t i = 0; i < SETTLERS; i++) {
                (void)settler_listen(&settlers[i]);
                after += settlers[i].answers;
            }
        }
        CHECK(after >= before + SETTLERS * 6);
    }
    leave();
}

// A socket that was not handed down: threads pass on what the kernel sorts otherwise than before.
DG_TEST(survival_with_a_lost_socket_every_association_goes_on)
{
    settle_with((const char *const[]){"workers", "4", NULL}, false);
    survivor_start(&survivor);
    survivor_kill(&survivor);
    for (size_t i = 0; i < survivor.count; i++) {
        if (strcmp(survivor.items[i].name, "socket-2") != 0)
            continue;
        close(survivor.items[i].fd);
        survivor.items[i] = survivor.items[--survivor.count];
    }
    survivor_start(&survivor);
    all_converse("all the same");
    leave();
}

// Another listener beside, and gone again; without the filter, and with it again: whoever came before goes on.
DG_TEST(survival_other_listeners_and_another_steering_keep_every_association)
{
    settle_with((const char *const[]){"workers", "4", NULL}, false);
    survivor_set(&survivor, "listen", "127.0.0.2:0");
    survivor_start(&survivor);
    CHECK_EQ(survivor.count, 1 + 2 * 5);
    all_converse("two listeners");
    survivor_kill(&survivor);
    survivor.options.listen.count = 1;
    survivor_start(&survivor);
    CHECK_EQ(survivor.count, 1 + 5);
    all_converse("one again");
    survivor_kill(&survivor);
    survivor_set(&survivor, "steering", "forward");
    survivor_start(&survivor);
    CHECK_EQ(survivor.count, 1 + 2);
    all_converse("passed on");
    survivor_kill(&survivor);
    survivor_set(&survivor, "steering", "filter");
    survivor_start(&survivor);
    all_converse("sorted");
    CHECK_EQ(survivor_counter(&survivor, "misrouted"), 0);
    leave();
}

DG_TEST(survival_a_hand_over_loses_no_datagram)
{
    settle();
    survivor_start(&survivor);
    all_converse("before");
    for (int round = 0; round < 5; round++) {
        survivor_hand_over_begin(&survivor);
        for (int k = 0; k < 40; k++)
            for (size_t i = 0; i < SETTLERS; i++)
                settler_say(&settlers[i], "meanwhile");
        survivor_hand_over_end(&survivor);
        survivor_start(&survivor);
    }
    uint64_t said = 0, answered = 0; // since the beginning: a word that was said again has two answers, one of them late
    for (size_t i = 0; i < SETTLERS; i++)
        said += settlers[i].said;
    for (int wait = 0; wait < PATIENCE_MS && answered < said; wait++) {
        usleep(1000);
        answered = 0;
        for (size_t i = 0; i < SETTLERS; i++) {
            (void)settler_listen(&settlers[i]);
            answered += settlers[i].answers;
        }
    }
    CHECK_EQ(answered, said);
    leave();
}

// --- authorisation ---------------------------------------------------------------------------------------

static void rewrite_keys(const char *identity)
{
    FILE *file = fopen(survivor.psk.path, "w");
    REQUIRE(file != NULL);
    fprintf(file, "%s:", identity);
    for (size_t i = 0; i < sizeof survivor.psk.key; i++)
        fprintf(file, "%02x", survivor.psk.key[i]);
    fprintf(file, "\n");
    REQUIRE(fclose(file) == 0);
}

// H6, K1: before the first plaintext passes.
DG_TEST(survival_a_credential_removed_while_down_ends_its_association)
{
    settle();
    survivor_start(&survivor);
    all_converse("allowed");
    survivor_kill(&survivor);
    uint64_t before[SETTLERS];
    for (size_t i = 0; i < SETTLERS; i++) {
        before[i] = settlers[i].answers;
        settler_say(&settlers[i], "still?"); // waits in the socket
    }
    rewrite_keys("somebody-else");
    survivor_start(&survivor);
    size_t told = 0; // each of them, which is after its place is free
    for (int wait = 0; wait < PATIENCE_MS && (told < SETTLERS || survivor_associations(&survivor) > 0); wait++) {
        usleep(1000);
        told = 0;
        for (size_t i = 0; i < SETTLERS; i++) {
            (void)settler_listen(&settlers[i]);
            told += settlers[i].alerts > 0;
        }
    }
    CHECK_EQ(survivor_associations(&survivor), 0);
    CHECK_EQ(survivor_counter(&survivor, "closed_unauthorised"), SETTLERS);
    CHECK_EQ(survivor_counter(&survivor, "plaintext_delivered"), 0);
    for (size_t i = 0; i < SETTLERS; i++) {
        CHECK_EQ(settlers[i].answers, before[i]);
        CHECK_EQ(settlers[i].alerts, 1);
    }
    leave();
}

static uint32_t generation(void)
{
    char error[DG_MEMFILE_ERROR];
    struct dg_memfile file;
    CHECK(dg_memfile_adopt(&file, survivor_memory(&survivor), error, sizeof error));
    uint32_t found = file.memory.header->policy_generation;
    dg_memfile_let_go(&file);
    return found;
}

DG_TEST(survival_each_start_and_reload_has_a_policy_generation_of_its_own)
{
    settle();
    uint32_t last = generation();
    for (int round = 0; round < 3; round++) {
        survivor_start(&survivor);
        survivor_kill(&survivor);
        CHECK_EQ(generation(), last + 1);
        last++;
    }
    survivor_start(&survivor);
    CHECK(survivor_reload(&survivor));
    survivor_hand_over(&survivor);
    CHECK_EQ(generation(), last + 2);
    leave();
}

// --- a slot that ends the process ------------------------------------------------------------------------

static void note_crashes(void)
{
    dg_crash_note_install();
    (void)!freopen("/dev/null", "w", stderr); // what a sanitizer says of it
}

static void crash_when_told(void *context, const dtlsgate_peer *peer, const uint8_t *data, size_t size)
{
    (void)context;
    if (size == 5 && memcmp(data, "crash", 5) == 0)
        (void)raise(SIGSEGV); // as a fault of this thread
    (void)dtlsgate_answer(peer, data, size);
}

DG_TEST(survival_a_slot_that_crashes_the_server_twice_is_quarantined_alone)
{
    survivor.before = NULL;
    settle_with((const char *const[]){"backend", "echo", NULL}, false);
    survivor.before = note_crashes;
    survivor.on_datagram = crash_when_told;
    survivor_set(&survivor, "backend", "callback");
    for (int round = 0; round < 2; round++) {
        survivor_start(&survivor);
        all_converse("well");
        settler_say(&settlers[7], "crash");
        int status = survivor_wait(&survivor);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    survivor_start(&survivor);
    CHECK_EQ(survivor_associations(&survivor), SETTLERS - 1);
    CHECK_EQ(survivor_counter(&survivor, "slots_quarantined"), 1);
    uint64_t before = settlers[7].answers;
    settler_say(&settlers[7], "crash");
    for (size_t i = 0; i < SETTLERS; i++)
        CHECK(i == 7 || settler_converse(&settlers[i], "alone"));
    (void)settler_listen(&settlers[7]);
    CHECK_EQ(settlers[7].answers, before);
    leave();
}

// SIGKILL says nothing about whoever is being served.
DG_TEST(survival_being_killed_under_load_quarantines_nobody)
{
    settle();
    survivor.before = note_crashes;
    for (int round = 0; round < 20; round++) {
        survivor_start(&survivor);
        for (int k = 0; k < 40; k++)
            for (size_t i = 0; i < SETTLERS; i++)
                settler_say(&settlers[i], "load");
        survivor_kill(&survivor);
    }
    survivor_start(&survivor);
    all_converse("still here");
    CHECK_EQ(survivor_counter(&survivor, "slots_quarantined"), 0);
    leave();
}

// --- the service behind ----------------------------------------------------------------------------------

static int service_socket(uint16_t *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0 &&
          getsockname(fd, (struct sockaddr *)&name, &size) == 0);
    const struct timeval patience = {.tv_sec = 10};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

// Where the service sees the settler when it says something.
static struct sockaddr_in seen_at(int service, struct settler *settler)
{
    struct sockaddr_in peer = {0};
    socklen_t size = sizeof peer;
    char data[64];
    settler_say(settler, "hello service");
    CHECK_EQ(recvfrom(service, data, sizeof data, 0, (struct sockaddr *)&peer, &size), 13);
    return peer;
}

// The service answers nobody: it speaks first, to where it saw its client before the server was killed.
static bool is_notified(int service, struct settler *settler, const struct sockaddr_in *to)
{
    uint64_t before = settler->answers;
    for (int attempt = 0; attempt < 1000 && settler->answers == before; attempt++) {
        char drained[64];
        (void)recv(service, drained, sizeof drained, MSG_DONTWAIT); // an ICMP error of the time without a server
        (void)!sendto(service, "news", 4, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof *to);
        usleep(10000);
        (void)settler_listen(settler);
    }
    return settler->answers > before && strcmp(settler->last, "news") == 0;
}

// Ports that neither the kernel nor another test hands out while no server holds them.
#define PORTS 400
static uint32_t first_port(void) { return 10000 + (uint32_t)getpid() % 50 * PORTS; }

DG_TEST(survival_the_service_finds_its_clients_at_the_ports_of_before)
{
    static const char *const WORKERS[] = {"3", "1", "2"};
    uint16_t port;
    int service = service_socket(&port);
    char backend[64], first[16], last[16];
    snprintf(backend, sizeof backend, "udp:127.0.0.1:%u", port);
    snprintf(first, sizeof first, "%u", first_port());
    snprintf(last, sizeof last, "%u", first_port() + PORTS - 1);
    settle_with((const char *const[]){"backend", backend, "backend-port-min", first, "backend-port-max", last, NULL}, false);
    survivor_start(&survivor);
    struct sockaddr_in at[SETTLERS];
    for (size_t i = 0; i < SETTLERS; i++)
        at[i] = seen_at(service, &settlers[i]);
    for (size_t round = 0; round < sizeof WORKERS / sizeof WORKERS[0]; round++) {
        survivor_kill(&survivor);
        survivor_set(&survivor, "workers", WORKERS[round]);
        survivor_start(&survivor);
        // The last one speaks before its port's turn comes, the others are spoken to.
        CHECK_EQ(seen_at(service, &settlers[SETTLERS - 1]).sin_port, at[SETTLERS - 1].sin_port);
        for (size_t i = 0; i + 1 < SETTLERS; i++)
            CHECK_MSG(is_notified(service, &settlers[i], &at[i]), "settler %zu", i);
        for (size_t i = 0; i < SETTLERS; i++)
            CHECK_EQ(seen_at(service, &settlers[i]).sin_port, at[i].sin_port);
    }
    leave();
    close(service);
}

// --- what is refused -------------------------------------------------------------------------------------

DG_TEST(survival_a_memory_file_of_another_owner_is_refused)
{
    settle();
    survivor_start(&survivor);
    struct dg_inherited items[SURVIVOR_DESCRIPTORS];
    char error[512] = "";
    for (size_t i = 0; i < survivor.count; i++) {
        items[i] = survivor.items[i];
        items[i].fd = dup(survivor.items[i].fd);
    }
    const struct dg_inheritance inherited = {.items = items, .count = survivor.count};
    CHECK(dg_server_new_from(&survivor.options, NULL, NULL, &inherited, error, sizeof error) == NULL);
    CHECK_MSG(strstr(error, "owned by") != NULL, "%s", error);
    for (size_t i = 0; i < survivor.count; i++)
        CHECK(fcntl(items[i].fd, F_GETFD) < 0); // all of them closed
    all_converse("untouched");
    leave();
}

// In a process of its own: its workers run already when it finds that it cannot start, for want of descriptors.
static void *fail_to_start(void *nothing)
{
    char error[512];
    const struct dg_inheritance inherited = {.items = survivor.items, .count = survivor.count};
    struct dg_server *server = dg_server_new_from(&survivor.options, NULL, NULL, &inherited, error, sizeof error);
    struct rlimit none;
    if (!server || getrlimit(RLIMIT_NOFILE, &none) != 0)
        _exit(1);
    none.rlim_cur = 0;
    if (setrlimit(RLIMIT_NOFILE, &none) != 0 || dg_server_start(server, error, sizeof error))
        _exit(2);
    dg_server_free(server);
    _exit(0);
    return nothing;
}

DG_TEST(survival_a_start_that_fails_ends_no_association)
{
    settle_with((const char *const[]){"workers", "8", "metrics", "127.0.0.1:0", NULL}, false);
    for (int round = 0; round < 5; round++) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, fail_to_start, NULL) == 0)
                (void)pthread_join(thread, NULL);
            _exit(3);
        }
        int status = -1;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    survivor_start(&survivor);
    CHECK_EQ(survivor_associations(&survivor), SETTLERS);
    all_converse("served");
    leave();
}

DG_TEST(survival_another_associations_max_waits_for_a_new_file)
{
    settle();
    survivor_set(&survivor, "associations-max", "100000");
    survivor_start(&survivor);
    all_converse("as before");
    CHECK_EQ(survivor_associations(&survivor), SETTLERS);
    leave();
}

static const struct dg_test_case CASES[] = {
    DG_CASE(survival_a_killed_server_goes_on_with_every_association),
    DG_CASE(survival_8_then_3_then_8_workers_keep_every_association),
    DG_CASE(survival_datagrams_that_waited_are_answered_whoever_reads_them),
    DG_CASE(survival_with_a_lost_socket_every_association_goes_on),
    DG_CASE(survival_other_listeners_and_another_steering_keep_every_association),
    DG_CASE(survival_a_hand_over_loses_no_datagram),
    DG_CASE(survival_a_credential_removed_while_down_ends_its_association),
    DG_CASE(survival_each_start_and_reload_has_a_policy_generation_of_its_own),
    DG_CASE(survival_a_slot_that_crashes_the_server_twice_is_quarantined_alone),
    DG_CASE(survival_being_killed_under_load_quarantines_nobody),
    DG_CASE(survival_the_service_finds_its_clients_at_the_ports_of_before),
    DG_CASE(survival_a_memory_file_of_another_owner_is_refused),
    DG_CASE(survival_a_start_that_fails_ends_no_association),
    DG_CASE(survival_another_associations_max_waits_for_a_new_file),
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
