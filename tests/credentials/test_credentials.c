// SPDX-License-Identifier: GPL-3.0-or-later
// Credential files: what is accepted, what is refused and with which words. Never a key of use elsewhere:
// all are made here from counters.
#include "check.h"

#include "credentials/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_A "000102030405060708090a0b0c0d0e0f"
#define KEY_B "000102030405060708090a0b0c0d0e10"
#define KEY_C "000102030405060708090a0b0c0d0e11"

static char folder[64];
static char error[512];

static const char *put_file(const char *name, mode_t mode, const char *text, size_t size)
{
    static char path[160];
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/dg-credentials-XXXXXX");
        if (!mkdtemp(folder))
            abort();
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(text, 1, size, file) != size || fclose(file) != 0 || chmod(path, mode) != 0)
        abort();
    return path;
}

static struct dg_credentials *load_psk(mode_t mode, const char *text, size_t size)
{
    error[0] = '\0';
    struct dg_credential_files files = {.psk_file = put_file("psk.txt", mode, text, size)};
    struct dg_credentials *credentials = dg_credentials_new(&files, error, sizeof error);
    unlink(files.psk_file);
    return credentials;
}

static struct dg_credentials *load_text(const char *text)
{
    return load_psk(0600, text, strlen(text));
}

// The current key.
static const struct dg_psk *find(const struct dg_credentials *credentials, const char *identity, size_t size)
{
    static struct dg_psk keys[DG_PSK_KEYS_MAX];
    size_t count = dg_credentials_find_psk(credentials, (struct dg_bytes){(const uint8_t *)identity, size}, keys);
    return count > 0 ? &keys[0] : NULL;
}

DG_TEST(psk_file_lines_are_read)
{
    struct dg_credentials *credentials =
        load_text("# a comment\n\nsensor-1:" KEY_A "\r\nwith:colon:" KEY_A "\n#6869ff:" KEY_A "\nlast:FFeeDDccBBaa99887766554433221100");
    CHECK_MSG(credentials != NULL, "%s", error);
    REQUIRE(credentials);
    CHECK_EQ(dg_credentials_psk_count(credentials), 4);
    const struct dg_psk *psk = find(credentials, "sensor-1", 8);
    REQUIRE(psk);
    CHECK_EQ(psk->key.size, 16);
    CHECK_EQ(psk->key.data[15], 15);
    CHECK_EQ(psk->line, 3);
    CHECK(find(credentials, "with:colon", 10) != NULL);
    CHECK(find(credentials, "hi\xff", 3) != NULL);
    CHECK(find(credentials, "last", 4) != NULL);
    CHECK(find(credentials, "sensor-2", 8) == NULL);
    CHECK(find(credentials, "sensor-", 7) == NULL);
    CHECK(dg_credentials_can_check_clients(credentials));
    dg_credentials_put(credentials);
}

// RFC 9257 6: at least 128 bits. Every refusal names file and line, none shows the key.
DG_TEST(psk_file_refusals_name_line_and_hide_keys)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"ok:" KEY_A "\nshort:0001020304050607\n", ":2: the key has fewer than 128 bits"},
        {"odd:" KEY_A "0\n", ":1: the key behind the last colon is not an even number of hex digits"},
        {"nothex:zz0102030405060708090a0b0c0d0e0f\n", ":1: the key behind"},
        {"nocolon\n", ":1: no colon"},
        {":" KEY_A "\n", ":1: the identity before the colon is empty"},
        {"a:" KEY_A "\nb:" KEY_A "\na:" KEY_A "\n", ":3: identity a stands already in line 1, with the same key"},
        {"a:" KEY_A "\na:" KEY_B "\na:" KEY_C "\n", ":3: identity a stands already in lines 1 and 2"},
        {"#6100:" KEY_A "\n", ":1: the identity holds a NUL byte"},
        {"# nothing\n", "holds no key"},
        {"", "holds no key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dg_credentials *credentials = load_text(cases[i].text);
        CHECK_MSG(!credentials && strstr(error, cases[i].expected), "case %zu: \"%s\"", i, error);
        CHECK_MSG(!strstr(error, "0001020304"), "case %zu shows a key: \"%s\"", i, error);
        dg_credentials_put(credentials);
    }
}

DG_TEST(psk_file_with_nul_byte_in_plain_identity_is_refused)
{
    static const char text[] = "a\0b:" KEY_A "\n";
    CHECK(!load_psk(0600, text, sizeof text - 1));
    CHECK(strstr(error, "NUL") != NULL);
}

DG_TEST(secret_file_readable_by_others_is_refused)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0666, 0610};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        CHECK(!load_psk(modes[i], "a:" KEY_A "\n", strlen("a:" KEY_A "\n")));
        CHECK_MSG(strstr(error, "chmod 600") != NULL, "%s", error);
    }
    struct dg_credentials *credentials = load_psk(0400, "a:" KEY_A "\n", strlen("a:" KEY_A "\n"));
    CHECK_MSG(credentials != NULL, "%s", error);
    dg_credentials_put(credentials);
}

DG_TEST(private_key_readable_by_others_is_refused)
{
    char certificate[160];
    snprintf(certificate, sizeof certificate, "%s",
             put_file("cert.pem", 0644, "-----BEGIN CERTIFICATE-----\n", strlen("-----BEGIN CERTIFICATE-----\n")));
    struct dg_credential_files files = {.certificate_file = certificate,
                                        .key_file = put_file("key.pem", 0644, "-----BEGIN X\n", 13)};
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK_MSG(strstr(error, "key.pem") && strstr(error, "chmod 600"), "%s", error);
    unlink(files.key_file);
    unlink(certificate);
}

DG_TEST(missing_and_odd_files_are_named)
{
    struct dg_credential_files files = {.psk_file = "/nonexistent/psk.txt"};
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK(strstr(error, "/nonexistent/psk.txt") != NULL);
    files = (struct dg_credential_files){.client_ca_file = "/"};
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK(strstr(error, "not a regular file") != NULL);
    files = (struct dg_credential_files){.certificate_file = "x.pem"};
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK(strstr(error, "--key is missing") != NULL);
    files = (struct dg_credential_files){.client_ca_file = put_file("ca.pem", 0644, "hello", 5)};
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK_MSG(strstr(error, "no PEM block") != NULL, "%s", error);
    unlink(files.client_ca_file);
}

// While a key is changed both are good: the first line's is the current one.
DG_TEST(psk_file_with_two_lines_of_an_identity_gives_two_keys)
{
    struct dg_credentials *credentials = load_text("a:" KEY_A "\nb:" KEY_A "\n#61:" KEY_B "00\n");
    CHECK_MSG(credentials != NULL, "%s", error);
    REQUIRE(credentials);
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    CHECK_EQ(dg_credentials_psk_count(credentials), 2);
    CHECK_EQ(dg_credentials_psk_rotating(credentials), 1);
    CHECK_EQ(dg_credentials_find_psk(credentials, (struct dg_bytes){(const uint8_t *)"a", 1}, keys), 2);
    CHECK_EQ(keys[0].line, 1);
    CHECK_EQ(keys[0].key.size, 16);
    CHECK_EQ(keys[0].key.data[15], 15);
    CHECK_EQ(keys[1].line, 3);
    CHECK_EQ(keys[1].key.size, 17);
    CHECK_EQ(keys[1].key.data[15], 16);
    CHECK_EQ(keys[1].identity.size, 1);
    CHECK_EQ(dg_credentials_find_psk(credentials, (struct dg_bytes){(const uint8_t *)"b", 1}, keys), 1);
    CHECK_EQ(dg_credentials_first_psk(credentials, keys), 2);
    dg_credentials_put(credentials);
}

// systemd.exec(5): the unit's user reads a credential by an access list, which shows as the group's bit.
DG_TEST(names_of_files_come_from_systemd_and_from_the_environment)
{
    static char named[256], variable[256];
    const char *path = put_file("psk", 0440, "a:" KEY_A "\n", strlen("a:" KEY_A "\n"));
    snprintf(named, sizeof named, "%s", path);
    struct dg_credential_files files = {.psk_file = "credential:psk"};
    unsetenv("CREDENTIALS_DIRECTORY");
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK_MSG(strstr(error, "CREDENTIALS_DIRECTORY is not set") && strstr(error, "LoadCredential=psk:"), "%s", error);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    struct dg_credentials *credentials = dg_credentials_new(&files, error, sizeof error);
    CHECK_MSG(credentials != NULL, "%s", error);
    dg_credentials_put(credentials);
    // Others may read nothing, whoever handed it over; and nothing outside of the folder is handed over.
    CHECK(chmod(named, 0444) == 0 && !dg_credentials_new(&files, error, sizeof error) && strstr(error, "mode 0444"));
    CHECK(chmod(named, 0460) == 0 && !dg_credentials_new(&files, error, sizeof error) && strstr(error, "mode 0460"));
    CHECK(chmod(named, 0440) == 0 && chmod(folder, 0755) == 0 && !dg_credentials_new(&files, error, sizeof error));
    CHECK(chmod(folder, 0700) == 0);
    static const char *const wrong[] = {"credential:", "credential:../psk", "credential:..", "credential:other", "env:",
                                        "env:DG_TEST_UNSET"};
    static const char *const words[] = {"without a slash", "without a slash", "without a slash", "no such credential",
                                        "not set", "not set"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        files.psk_file = wrong[i];
        CHECK(!dg_credentials_new(&files, error, sizeof error));
        CHECK_MSG(strstr(error, words[i]) != NULL, "%s: %s", wrong[i], error);
    }
    setenv("DG_TEST_PSK", "", 1);
    files.psk_file = "env:DG_TEST_PSK";
    CHECK(!dg_credentials_new(&files, error, sizeof error) && strstr(error, "is empty"));
    // The secret itself, by mistake: it is not repeated.
    setenv("DG_TEST_PSK", "a:" KEY_A, 1);
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK_MSG(strstr(error, "env:DG_TEST_PSK") && !strstr(error, KEY_A), "%s", error);
    files.psk_file = NULL;
    files.psk_store_file = "env:DG_TEST_PSK";
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK_MSG(strstr(error, "env:DG_TEST_PSK") && !strstr(error, KEY_A), "%s", error);
    files.psk_store_file = NULL;
    files.psk_file = "env:DG_TEST_PSK";
    snprintf(variable, sizeof variable, "%s", named);
    setenv("DG_TEST_PSK", variable, 1);
    unsetenv("CREDENTIALS_DIRECTORY");
    CHECK(!dg_credentials_new(&files, error, sizeof error) && strstr(error, "mode 0440")); // nobody handed it over
    CHECK(chmod(named, 0400) == 0);
    credentials = dg_credentials_new(&files, error, sizeof error);
    CHECK_MSG(credentials != NULL, "%s", error);
    dg_credentials_put(credentials);
    unsetenv("DG_TEST_PSK");
    unlink(named);
}

DG_TEST(ten_thousand_identities_are_found_and_no_other)
{
    size_t capacity = 10000 * 64, size = 0;
    char *text = malloc(capacity);
    REQUIRE(text);
    for (unsigned i = 0; i < 10000; i++)
        size += (size_t)snprintf(text + size, capacity - size, "device-%u:%032x\n", i, i + 1);
    struct dg_credentials *credentials = load_psk(0600, text, size);
    CHECK_MSG(credentials != NULL, "%s", error);
    REQUIRE(credentials);
    for (unsigned i = 0; i < 10100; i++) {
        char identity[32];
        int length = snprintf(identity, sizeof identity, "device-%u", i);
        const struct dg_psk *psk = find(credentials, identity, (size_t)length);
        CHECK_MSG((psk != NULL) == (i < 10000), "device-%u", i);
        if (psk)
            CHECK_EQ(psk->key.data[15], (i + 1) & 0xff);
    }
    free(text);
    dg_credentials_put(dg_credentials_get(credentials));
    dg_credentials_put(credentials);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(psk_file_lines_are_read),
        DG_CASE(psk_file_refusals_name_line_and_hide_keys),
        DG_CASE(psk_file_with_nul_byte_in_plain_identity_is_refused),
        DG_CASE(secret_file_readable_by_others_is_refused),
        DG_CASE(private_key_readable_by_others_is_refused),
        DG_CASE(missing_and_odd_files_are_named),
        DG_CASE(psk_file_with_two_lines_of_an_identity_gives_two_keys),
        DG_CASE(names_of_files_come_from_systemd_and_from_the_environment),
        DG_CASE(ten_thousand_identities_are_found_and_no_other),
    };
    int status = dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
    if (folder[0])
        rmdir(folder);
    return status;
}
