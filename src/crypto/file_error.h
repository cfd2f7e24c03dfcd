// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with a file of certificates or keys, for the operator: file, line, what was found, what is expected, what
// to do. Never holds what stands in the file.
#ifndef DG_CRYPTO_FILE_ERROR_H
#define DG_CRYPTO_FILE_ERROR_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

struct dg_file_error {
    const char *path; // NULL: no file
    char *error;
    size_t error_size;
};

// Returns false. line 0: the file as a whole.
bool dg_file_error(const struct dg_file_error *at, unsigned line, const char *format, ...) DG_PRINTF(3, 4);

#endif
