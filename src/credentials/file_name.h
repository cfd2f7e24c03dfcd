// SPDX-License-Identifier: GPL-3.0-or-later
// Where the name of a credential file comes from: itself, systemd's folder of credentials, or the environment. Never
// opens the file.
#ifndef DG_CREDENTIALS_FILE_NAME_H
#define DG_CREDENTIALS_FILE_NAME_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

#define DG_FILE_NAME_MAX 1024 // bytes with the NUL

// given: a path; "credential:NAME", the credential of this name that systemd handed over (LoadCredential=, in
// $CREDENTIALS_DIRECTORY); or "env:NAME", the file that the environment variable NAME names, which has to be there. A file
// that really is called like that is given as "./credential:x". False: error says what was found and what to do, and never
// what a variable holds.
DG_MUST_USE bool dg_file_name(const char *given, char path[DG_FILE_NAME_MAX], char *error, size_t error_size);
// Does the path lead into $CREDENTIALS_DIRECTORY, and does that folder look like one that systemd made: root's or our
// own, nobody else's to enter or to write?
bool dg_file_name_is_handed_over(const char *path);

#endif
