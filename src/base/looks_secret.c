// SPDX-License-Identifier: GPL-3.0-or-later
// Keys where no key belongs, by their looks. Never tells a key from a name that looks like one.
#include "base/looks_secret.h"

#include "base/hex.h"

#include <string.h>

#define SECRET_DIGITS_MIN 16 // so many hexadecimal digits and nothing else are a key, not a file's name

static const char *skip_blanks_before(const char *value, const char *end)
{
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return end;
}

bool dg_looks_secret(const char *value)
{
    if (strstr(value, "-BEGIN ")) // PEM; the dashes before it may have been taken for an option's
        return true;
    size_t digits = 0;
    const char *end = skip_blanks_before(value, value + strlen(value));
    while (end > value && dg_hex_digit(end[-1]) >= 0) {
        end--;
        digits++;
    }
    end = skip_blanks_before(value, end);
    return digits >= SECRET_DIGITS_MIN && (end == value || end[-1] == ':');
}

bool dg_hides_secret(const char *value)
{
    return dg_looks_secret(value) && value[strspn(value, "0123456789")] != '\0';
}

const char *dg_word_shown(const char *word)
{
    char name[512]; // of a longer one nobody shows the rest
    const char *bare = word + strspn(word, "-"), *value = strchr(bare, '=');
    size_t size = strcspn(bare, "=");
    size = size < sizeof name ? size : sizeof name - 1;
    memcpy(name, bare, size);
    name[size] = '\0';
    // The word itself first: its dashes may be those of a PEM block.
    return dg_looks_secret(word) || dg_looks_secret(name) || (value && dg_looks_secret(value + 1)) ? "what looks like a key" : word;
}
