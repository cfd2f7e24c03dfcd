// SPDX-License-Identifier: GPL-3.0-or-later
// CWE-259, the memory after shutdown: a server of the public library gets planted keys, serves good and bad
// clients, is stopped and freed; then every writable byte of the process is searched for the keys. This
// program itself never holds a key in the clear: it reads the files a byte at a time and keeps them masked.
// ctest: release-only timeout=120
#include "check.h"

#include "dtlsgate/dtlsgate.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MASK 0xa5
#define PART 16 // consecutive bytes of a secret that count as a find
#define BLOCK 65536

struct secret {
    const char *name;
    unsigned char masked[128];
    size_t size;
};

static char folder[64];

static unsigned char digit(unsigned char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

// Fills in a shell command: '@' is the folder, '^' the argument.
static void fill(char *command, size_t capacity, const char *text, const char *argument)
{
    size_t used = 0;
    for (; *text && used + 1 < capacity; text++) {
        char one[2] = {*text, '\0'};
        const char *part = *text == '@' ? folder : *text == '^' ? argument : one;
        used += (size_t)snprintf(command + used, capacity - used, "%s", part);
    }
}

// The bytes that a shell command prints, masked as they come; hex: two digits are a byte.
static void plant(struct secret *secret, const char *name, const char *text, bool is_hex, size_t skip, size_t size)
{
    char command[512];
    int ends[2];
    fill(command, sizeof command, text, "");
    secret->name = name;
    secret->size = 0;
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    unsigned char pair[2] = {0};
    for (size_t i = 0; read(ends[0], &pair[i & 1], 1) == 1; i++) {
        if (is_hex && !(i & 1))
            continue;
        unsigned char value = pair[i & 1];
        if (is_hex)
            value = (unsigned char)(digit(pair[0]) << 4 | digit(pair[1]));
        size_t place = is_hex ? i / 2 : i;
        if (place >= skip && secret->size < size)
            secret->masked[secret->size++] = value ^ MASK;
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
    memset(pair, 0, sizeof pair);
    __asm__ volatile("" : : "r"(pair) : "memory");
}

static void run(const char *text, const char *argument)
{
    char command[1024];
    fill(command, sizeof command, text, argument);
    if (system(command) != 0)
        fprintf(stderr, "did not succeed: %s\n", command);
}

// Is a part of the secret in the block? Compares masked, so that the comparison itself leaves nothing behind.
static bool holds(const unsigned char *block, size_t size, const struct secret *secret)
{
    for (size_t at = 0; at + PART <= secret->size; at += PART)
        for (size_t i = 0; i + PART <= size; i++) {
            size_t same = 0;
            while (same < PART && (block[i + same] ^ MASK) == secret->masked[at + same])
                same++;
            if (same == PART)
                return true;
        }
    return false;
}

// Reads the region through /proc/self/mem with an overlap of PART. The mask goes over the copy at once.
static bool region_holds(int memory, unsigned long from, unsigned long to, const struct secret *secret)
{
    static unsigned char block[BLOCK];
    bool found = false;
    for (unsigned long at = from; at < to && !found; at += BLOCK - PART) {
        size_t wanted = to - at < BLOCK ? to - at : BLOCK;
        ssize_t got = pread(memory, block, wanted, (off_t)at);
        if (got < PART)
            break;
        bool is_ourselves = (unsigned long)block >= from && (unsigned long)block < to &&
                            at + (size_t)got > (unsigned long)block && at < (unsigned long)block + BLOCK;
        if (!is_ourselves)
            found = holds(block, (size_t)got, secret);
        memset(block, 0, sizeof block);
    }
    return found;
}

// Searches all writable memory of this process. Returns how many regions hold the secret and prints them.
static unsigned search(const struct secret *secret)
{
    unsigned found = 0;
    char line[512], access[8];
    unsigned long from, to;
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    while (maps && memory >= 0 && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, access) != 3 || access[0] != 'r' || access[1] != 'w')
            continue;
        if (region_holds(memory, from, to, secret)) {
            fprintf(stderr, "%s found in %s", secret->name, line);
            found++;
        }
    }
    if (maps)
        fclose(maps);
    if (memory >= 0)
        close(memory);
    return found;
}

static dtlsgate_server *start(void)
{
    static const char *const files[][2] = {
        {"psk-file", "psk.txt"}, {"cert", "server.pem"}, {"key", "server.key"}, {"client-ca", "ca.pem"}};
    char error[DTLSGATE_ERROR_SIZE] = "", path[128];
    dtlsgate_options *options = dtlsgate_options_new();
    bool done = options && dtlsgate_options_set(options, "listen", "127.0.0.1:0", error, sizeof error) &&
                dtlsgate_options_set(options, "workers", "2", error, sizeof error) &&
                dtlsgate_options_set(options, "associations-max", "64", error, sizeof error) &&
                dtlsgate_options_set(options, "handshake-timeout", "2", error, sizeof error) &&
                dtlsgate_options_set(options, "backend", "echo", error, sizeof error);
    for (size_t i = 0; done && i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/demo/%s", folder, files[i][1]);
        done = dtlsgate_options_set(options, files[i][0], path, error, sizeof error);
    }
    dtlsgate_server *server = done ? dtlsgate_server_new(options, NULL, NULL, error, sizeof error) : NULL;
    dtlsgate_options_free(options);
    if (!server || !dtlsgate_server_start(server, error, sizeof error)) {
        fprintf(stderr, "no server: %s\n", error);
        abort();
    }
    return server;
}

// Clients are processes of their own, so that their copies of the keys are not ours.
static void visit(uint16_t port)
{
    char client[256];
    snprintf(client, sizeof client, "%s/tests/system/wolf_echo --connect 127.0.0.1:%u", getenv("DTLSGATE_BUILD"), port);
    run("echo hello | ^ --version 1.2 --psk-file @/demo/psk.txt >@/out1", client);
    run("echo hello | ^ --version 1.3 --cid c1 --psk-file @/demo/psk.txt >@/out2", client);
    run("echo hello | ^ --version 1.2 --ca @/demo/ca.pem --cert @/demo/client.pem --key @/demo/client.key >@/out3", client);
    run("echo hello | ^ --version 1.3 --ca @/demo/ca.pem --cert @/demo/client.pem --key @/demo/client.key >@/out4", client);
    run("! echo hello | timeout 4 ^ --version 1.2 --psk-file @/wrong.txt >@/out5", client);
    run("! echo hello | timeout 4 ^ --version 1.3 --psk-file @/wrong.txt >@/out6", client);
}

DG_TEST(no_secret_is_in_memory_after_shutdown)
{
    static struct secret secrets[4];
    const char *program = getenv("DTLSGATE");
    REQUIRE(program != NULL && getenv("DTLSGATE_BUILD") != NULL);
    snprintf(folder, sizeof folder, "/tmp/dtlsgate-heap-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    run("^ init @/demo >/dev/null && (umask 077; sed 's/:../:00/' @/demo/psk.txt >@/wrong.txt)", program);
    plant(&secrets[0], "the pre-shared key", "cut -d: -f2 @/demo/psk.txt | tr -d '\\n'", true, 0, 32);
    plant(&secrets[1], "the pre-shared key in hex", "cut -d: -f2 @/demo/psk.txt | tr -d '\\n'", false, 0, 64);
    plant(&secrets[2], "the private key",
          "openssl ec -in @/demo/server.key -outform DER 2>/dev/null", false, 7, 32);
    plant(&secrets[3], "the private key in PEM", "sed -n 2p @/demo/server.key | tr -d '\\n'", false, 0, 64);
    for (size_t i = 0; i < 4; i++) {
        CHECK(secrets[i].size >= 32);
        CHECK_MSG(search(&secrets[i]) == 0, "%s is there before the server: the test itself holds it", secrets[i].name);
    }

    dtlsgate_server *server = start();
    CHECK_MSG(search(&secrets[0]) > 0, "the search does not find the key in a running server: it shows nothing");
    visit(dtlsgate_server_port(server, 0));
    CHECK_EQ(dtlsgate_server_counter(server, "handshakes_completed"), 4);
    for (int i = 0; i < 2000 && dtlsgate_server_counter(server, "fail_wrong_key") < 2; i++)
        usleep(10000); // the second is known when its handshake is given up
    CHECK_EQ(dtlsgate_server_counter(server, "fail_wrong_key"), 2);
    char error[DTLSGATE_ERROR_SIZE];
    CHECK(dtlsgate_server_reload(server, error, sizeof error));
    visit(dtlsgate_server_port(server, 0));
    dtlsgate_server_stop(server, 1000);
    dtlsgate_server_free(server);

    for (size_t i = 0; i < 4; i++)
        CHECK_MSG(search(&secrets[i]) == 0, "%s is still in memory", secrets[i].name);
    run("rm -rf @", "");
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {DG_CASE(no_secret_is_in_memory_after_shutdown)};
    return dg_test_main(cases, 1, argc, argv);
}
