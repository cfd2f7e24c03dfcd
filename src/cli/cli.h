// SPDX-License-Identifier: GPL-3.0-or-later
// The subcommands of the dtlsgate program. Each returns the process' exit status.
#ifndef DG_CLI_CLI_H
#define DG_CLI_CLI_H

#define DG_EXIT_OK 0
#define DG_EXIT_FAILURE 1 // it was asked rightly and did not work
#define DG_EXIT_USAGE 2   // it was asked wrongly
#define DG_EXIT_NO_ANSWER 3 // connect: all was sent, and nothing came back in time

struct dg_config;
struct dg_config_errors;
// The configuration of a command line without the subcommand's name. NULL: all that is wrong has been written out. Caller
// frees.
struct dg_config *dg_cli_config(const char *command, int argc, char **argv);
void dg_cli_config_errors(const char *command, const struct dg_config_errors *errors); // writes them out, one a line

// argv[0] is the subcommand's name.
int dg_cli_serve(int argc, char **argv);
int dg_cli_connect(int argc, char **argv);
int dg_cli_bench(int argc, char **argv);
int dg_cli_upgrade(int argc, char **argv);
int dg_cli_init(int argc, char **argv);
int dg_cli_psk(int argc, char **argv);
// Of a running server, by its control socket.
int dg_cli_status(int argc, char **argv);
int dg_cli_associations(int argc, char **argv);
int dg_cli_close(int argc, char **argv);
int dg_cli_reload(int argc, char **argv);
int dg_cli_why(int argc, char **argv);
int dg_cli_config_command(int argc, char **argv);
int dg_cli_check(int argc, char **argv);

#endif
