// SPDX-License-Identifier: GPL-3.0-or-later
// What looks like a key is not repeated, in an error or a log, by whoever finds it in the wrong place.
#ifndef DG_BASE_LOOKS_SECRET_H
#define DG_BASE_LOOKS_SECRET_H

#include <stdbool.h>

// A key where its file's name belongs ("identity:hex key", hexadecimal digits alone, PEM), with blanks around it perhaps:
// never to be shown.
bool dg_looks_secret(const char *text);
// The same of a value that no option takes, whatever it stands at: all but plain numbers.
bool dg_hides_secret(const char *text);
// A word of a command line as it may be repeated: itself, or words that stand for it where it looks like a key, or an
// option ("--name", "--name=value") whose name or value does.
const char *dg_word_shown(const char *word);

#endif
