// SPDX-License-Identifier: GPL-3.0-or-later
// Secrets from the heap instead of in pages of their own: AddressSanitizer then sees each byte beside them, of the files
// of credentials above all, which a page's rest would hide; and the kernel is not asked twice for each. Large ones keep
// their pages, which cost nothing until they are used. The linker puts these two in the place of base/secret.h's own
// (cmake/fuzz.cmake). Wiped as there.
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define LARGE (32u << 10) // bytes

void *__real_dg_secret_new(size_t size_bytes);
void __real_dg_secret_free(void *data, size_t size_bytes);
void *__wrap_dg_secret_new(size_t size_bytes);
void __wrap_dg_secret_free(void *data, size_t size_bytes);

void *__wrap_dg_secret_new(size_t size_bytes)
{
    if (size_bytes > LARGE)
        return __real_dg_secret_new(size_bytes);
    void *data = NULL;
    if (posix_memalign(&data, 64, size_bytes > 0 ? size_bytes : 1) != 0)
        return NULL;
    memset(data, 0, size_bytes);
    return data;
}

void __wrap_dg_secret_free(void *data, size_t size_bytes)
{
    if (size_bytes > LARGE) {
        __real_dg_secret_free(data, size_bytes);
        return;
    }
    if (data)
        dg_wipe(data, size_bytes);
    free(data);
}
