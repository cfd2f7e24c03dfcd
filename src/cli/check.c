// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate check`: looks a configuration and the files that it names over. Owns its arguments and its exit status, finds
// nothing itself, changes nothing.
#include "cli/cli.h"

#include "audit/audit.h"
#include "base/log.h"
#include "cli/process.h"
#include "crypto/gate.h"
#include "io/clock.h"
#include "server/rehearse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
    const char *path; // NULL: options alone
    bool has_options; // beside the file
    bool is_json;
    char **rest;      // without --json
    int count;
};

static int print_help(FILE *out)
{
    fputs("usage: dtlsgate check -c FILE [--json]\n"
          "       dtlsgate check [--json] --listen ADDR:PORT --backend BACKEND [--option value ...]\n"
          "       dtlsgate check --list\n"
          "Reads a configuration and the files that it names as a security review does, and prints what it finds: the "
          "weakness\n(CWE), the place, what is wrong, what to do. Run it as the user that starts the server. --list prints "
          "all that\ncan be found.\n"
          "Status: 0 nothing above a note, 3 low, 4 medium, 5 high, 6 critical; 1 it could not be done, 2 it was asked "
          "wrongly.\n", out);
    return out == stdout ? DG_EXIT_OK : DG_EXIT_USAGE;
}

static struct asked take_arguments(int argc, char **argv)
{
    struct asked asked = {.rest = calloc((size_t)argc + 1, sizeof(char *))};
    for (int i = 1; i < argc && asked.rest; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            asked.is_json = true;
            continue;
        }
        asked.rest[asked.count++] = argv[i];
        bool names_file = strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0;
        asked.has_options = asked.has_options || asked.path; // a second file too: it is refused as serve refuses it
        if (names_file && i + 1 < argc)
            asked.path = asked.rest[asked.count++] = argv[++i];
        else if (strncmp(argv[i], "--config=", 9) == 0)
            asked.path = argv[i] + 9;
        else
            asked.has_options = true;
    }
    return asked;
}

// A file is looked at in spite of its errors, unless options stand beside it.
static struct dg_config *read_config(const struct asked *asked, struct dg_config_errors *errors)
{
    if (asked->path && !asked->has_options)
        return dg_config_inspect(asked->path, errors);
    return dg_config_of_arguments(asked->count, asked->rest, errors);
}

static int audit(const struct asked *asked, const struct dg_config *config, const struct dg_config_errors *errors)
{
    char refusal[512];
    struct dg_findings findings = {0};
    const struct dg_inheritance nothing = {0};
    bool is_refused = config && errors->count == 0 && !dg_server_rehearse(config, &nothing, refusal, sizeof refusal);
    const struct dg_audit_source source = {config, errors, is_refused ? refusal : NULL, dg_clock_wall_seconds()};
    dg_audit(&source, &findings);
    const struct dg_audit_report report = {asked->path ? asked->path : "", &findings};
    if (asked->is_json)
        dg_audit_json(&report, stdout);
    else
        dg_audit_print(&report, stdout);
    int status = fflush(stdout) == 0 ? dg_audit_status(&findings) : DG_EXIT_FAILURE;
    dg_findings_clear(&findings);
    return status;
}

static int check(const struct asked *asked)
{
    struct dg_config_errors *errors = calloc(1, sizeof *errors);
    int status = DG_EXIT_FAILURE;
    if (!errors || !dg_crypto_init()) {
        fprintf(stderr, "dtlsgate check: memory is short, or the TLS library does not start\n");
        free(errors);
        return status;
    }
    dg_log_set_level(DG_LOG_ERROR); // what a start would warn of is found in another way
    struct dg_config *config = read_config(asked, errors);
    if (config) {
        status = audit(asked, config, errors);
    } else {
        dg_cli_config_errors("check", errors);
        status = DG_EXIT_USAGE;
    }
    dg_config_free(config);
    dg_crypto_cleanup();
    free(errors);
    return status;
}

int dg_cli_check(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        dg_audit_markdown(stdout);
        return DG_EXIT_OK;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help(argc < 2 ? stderr : stdout);
    dg_process_forbid_core_dumps(); // it reads what a server reads
    struct asked asked = take_arguments(argc, argv);
    int status = asked.rest ? check(&asked) : DG_EXIT_FAILURE;
    free(asked.rest);
    return status;
}
