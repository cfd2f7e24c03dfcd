// SPDX-License-Identifier: GPL-3.0-or-later
// Checks a configuration across its options and listeners, and collects what is wrong by its place. Changes nothing, opens
// no file.
#include "config/config_internal.h"

#include "backend/backends.h"
#include "base/looks_secret.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

// --- the list of errors --------------------------------------------------------------------------------------------

static bool is_before(struct dg_config_place a, struct dg_config_place b)
{
    return a.line < b.line || (a.line == b.line && a.column < b.column);
}

size_t dg_config_errors_held(const struct dg_config_errors *errors)
{
    return errors->count < DG_CONFIG_ERRORS_MAX ? errors->count : DG_CONFIG_ERRORS_MAX;
}

size_t dg_config_errors_more(const struct dg_config_errors *errors)
{
    return errors->count - dg_config_errors_held(errors);
}

void dg_config_errors_join(const struct dg_config_errors *errors, const char *between, char *text, size_t size_bytes)
{
    char more[64] = ""; // the words behind the last one
    size_t at = 0;
    for (size_t i = 0; i < dg_config_errors_held(errors); i++) {
        const char *before = i > 0 ? between : "";
        size_t left = errors->count - i - 1, size = strlen(before) + strlen(errors->texts[i]);
        char behind[sizeof more] = "";
        if (left > 0)
            snprintf(behind, sizeof behind, "%sand %zu more", between, left);
        size_t room = size_bytes > at + strlen(behind) + 1 ? size_bytes - at - strlen(behind) - 1 : 0;
        if (i > 0 && size > room)
            break;
        snprintf(text + at, size_bytes - at, "%s%.*s", before, (int)room, errors->texts[i]); // the first is cut
        at += size < room ? size : room;
        memcpy(more, behind, sizeof more);
    }
    snprintf(text + at, size_bytes - at, "%s", more);
}

// Makes room behind all that stands no later. NULL: the list is full.
static char *make_room(struct dg_config_errors *errors, struct dg_config_place place, bool is_secret)
{
    size_t held = dg_config_errors_held(errors);
    errors->count++;
    if (held == DG_CONFIG_ERRORS_MAX)
        return NULL;
    size_t at = held;
    for (; at > 0 && is_before(place, errors->places[at - 1]); at--) {
        memcpy(errors->texts[at], errors->texts[at - 1], sizeof errors->texts[at]);
        errors->places[at] = errors->places[at - 1];
        errors->are_secrets[at] = errors->are_secrets[at - 1];
    }
    errors->places[at] = place;
    errors->are_secrets[at] = is_secret;
    return errors->texts[at];
}

static size_t print_place(char *text, size_t size, const char *path, struct dg_config_place place)
{
    int used = 0;
    if (path[0] && place.line > 0)
        used = snprintf(text, size, "%.200s:%u:%u: ", path, place.line, place.column);
    else if (path[0])
        used = snprintf(text, size, "%.200s: ", path);
    return used > 0 ? (size_t)used : 0;
}

void dg_config_complain(struct dg_config_errors *errors, const char *path, struct dg_config_place place,
                        const char *format, ...)
{
    char *text = make_room(errors, place, false);
    if (!text)
        return;
    size_t size = sizeof errors->texts[0];
    size_t used = print_place(text, size, path, place);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

void dg_config_complain_secret(struct dg_config_errors *errors, const char *path, struct dg_config_place place,
                               const char *what)
{
    char *text = make_room(errors, place, true);
    if (!text)
        return;
    size_t size = sizeof errors->texts[0];
    size_t used = print_place(text, size, path, place);
    snprintf(text + used, size - used, "%s", what);
}

// --- what an option's check says, in the words of the file ---------------------------------------------------------

struct hearing {
    const struct dg_config *config;
    const struct dg_config_listener *listener; // NULL: the process
    struct dg_config_errors *errors;
};

// In a file, "--name" is "name:". Between quotation marks stands what was found, and stays as it is.
static void say_keys(const char *text, char *out, size_t size)
{
    size_t used = 0;
    bool is_found = false;
    while (*text && used + 2 < size) {
        is_found ^= *text == '"';
        if (is_found || strncmp(text, "--", 2) != 0 || !islower((unsigned char)text[2])) {
            out[used++] = *text++;
            continue;
        }
        for (text += 2; (islower((unsigned char)*text) || *text == '-') && used + 2 < size; text++)
            out[used++] = *text;
        out[used++] = ':';
        text += *text == ':';
    }
    out[used] = '\0';
}

// Texts show what was found: not where that is a key under a wrong name.
static bool shows_secret(const struct hearing *hearing, const char *option)
{
    char value[DG_OPTION_TEXT];
    const struct dg_option *row = dg_option_table_find(&dg_options_table, option);
    const void *options = hearing->listener ? &hearing->listener->options : &hearing->config->process;
    return row && dg_option_value(row, options, 0, value) && dg_hides_secret(value);
}

static void hear(void *context, const char *option, const char *text)
{
    const struct hearing *hearing = context;
    const struct dg_config *config = hearing->config;
    char words[512];
    if (shows_secret(hearing, option)) {
        dg_config_complain_secret(hearing->errors, config->path, dg_config_place_of(config, hearing->listener, option),
                                  "found what looks like a key itself, which is not repeated here");
        return;
    }
    if (config->path[0])
        say_keys(text, words, sizeof words);
    else
        snprintf(words, sizeof words, "%s", text);
    dg_config_complain(hearing->errors, config->path, dg_config_place_of(config, hearing->listener, option), "%s", words);
}

// --- listeners -----------------------------------------------------------------------------------------------------

static bool is_name(const char *name)
{
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("._-:[]%", *name))
            return false;
    return true;
}

static void check_names(const struct dg_config *config, size_t index, struct dg_config_errors *errors)
{
    const struct dg_config_listener *listener = &config->listeners[index];
    if (!is_name(listener->name))
        dg_config_complain(errors, config->path, listener->place,
                           "the listener's name holds a character that is not a letter, a digit or one of ._-:[]%%");
    for (size_t i = 0; i < index && listener->name[0]; i++)
        if (strcmp(config->listeners[i].name, listener->name) == 0)
            dg_config_complain(errors, config->path, listener->place,
                               "the listener in line %u is called \"%s\" too; give each a name of its own",
                               config->listeners[i].place.line, listener->name);
}

// Two sockets of one address would share its clients by chance.
static bool is_same_address(const struct dg_address *a, const struct dg_address *b)
{
    return a->port != 0 && dg_address_equal(a, b);
}

static void check_address(const struct dg_config *config, size_t index, uint32_t place, struct dg_config_errors *errors)
{
    const struct dg_config_listener *listener = &config->listeners[index];
    const struct dg_address *address = &listener->options.listen.items[place];
    char text[DG_ADDRESS_TEXT];
    dg_address_format(address, text);
    for (size_t i = 0; i <= index; i++) {
        const struct dg_address_list *list = &config->listeners[i].options.listen;
        for (uint32_t k = 0; k < (i == index ? place : list->count); k++)
            if (is_same_address(&list->items[k], address))
                dg_config_complain(errors, config->path, dg_config_place_of(config, listener, "listen"),
                                   i == index ? "%s is listened on twice; leave one out"
                                              : "%s is listened on twice, by listener %s too; each address has one listener",
                                   text, config->listeners[i].name);
    }
}

// Half of the pair that is the listener's own certificate was told with its options.
static bool is_told(const struct dg_config *config, const struct dg_config_listener *listener,
                    const struct dg_config_certificate *pair)
{
    const struct dg_config_place own = dg_config_place_of(config, listener, "cert");
    return !listener->has_refused && (pair->cert[0] || pair->key[0]) && own.line == pair->place.line &&
           own.column == pair->place.column;
}

static void check_certificates(const struct dg_config *config, const struct dg_config_listener *listener,
                               struct dg_config_errors *errors)
{
    // The listener's own one did not find room before the list's.
    if (listener->options.cert[0] && listener->certificate_count == DG_CONFIG_CERTIFICATES_MAX &&
        strcmp(listener->certificates[0].cert, listener->options.cert) != 0)
        dg_config_complain(errors, config->path, dg_config_place_of(config, listener, "cert"),
                           "cert: is one more than the %d of certificates:, expected at most %d of a listener together",
                           DG_CONFIG_CERTIFICATES_MAX, DG_CONFIG_CERTIFICATES_MAX);
    for (size_t i = 0; i < listener->certificate_count; i++) {
        const struct dg_config_certificate *pair = &listener->certificates[i];
        if (pair->place.line > 0 && (!pair->cert[0] || !pair->key[0]) && !is_told(config, listener, pair))
            dg_config_complain(errors, config->path, pair->place, "%s is missing: a certificate goes with its private key",
                               pair->cert[0] ? "key: FILE" : "cert: FILE");
    }
}

// On a command line the backend itself says what it expects.
void dg_config_check_backend(const struct dg_config *config, struct dg_config_place place, const char *backend,
                             struct dg_config_errors *errors)
{
    if (!config->path[0] || !backend[0] || dg_backends_is_text(backend))
        return;
    if (dg_hides_secret(backend))
        dg_config_complain_secret(errors, config->path, place, "backend: found what looks like a key itself, which is not "
                                  "repeated here; expected " DG_BACKENDS_EXPECTED);
    else
        dg_config_complain(errors, config->path, place, "backend: found \"%.80s\", expected " DG_BACKENDS_EXPECTED
                           ", where PATH begins with /", backend);
}

static void check_listener(const struct dg_config *config, size_t index, struct dg_config_errors *errors)
{
    const struct dg_config_listener *listener = &config->listeners[index];
    struct hearing hearing = {config, listener, errors};
    const struct dg_options_ear ear = {hear, &hearing};
    if (!listener->has_refused)
        dg_options_check_listener(&listener->options, &ear);
    check_names(config, index, errors);
    for (uint32_t i = 0; i < listener->options.listen.count; i++)
        check_address(config, index, i, errors);
    dg_config_check_backend(config, dg_config_place_of(config, listener, "backend"), listener->options.backend, errors);
    check_certificates(config, listener, errors);
    dg_config_check_rules(config, listener, errors);
}

void dg_config_check(const struct dg_config *config, struct dg_config_errors *errors)
{
    struct hearing hearing = {config, NULL, errors};
    const struct dg_options_ear ear = {hear, &hearing};
    size_t addresses = 0;
    dg_options_check_process(&config->process, &ear);
    if (config->listener_count == 0)
        dg_config_complain(errors, config->path, (struct dg_config_place){1, 1},
                           "listeners: is missing; expected a list of blocks, each with listen:, backend: and credentials");
    for (size_t i = 0; i < config->listener_count; i++) {
        check_listener(config, i, errors);
        addresses += config->listeners[i].options.listen.count;
    }
    if (addresses > DG_CONFIG_ADDRESSES_MAX)
        dg_config_complain(errors, config->path, config->listeners[0].place,
                           "found %zu addresses to listen on, expected at most %d of all listeners together", addresses,
                           DG_CONFIG_ADDRESSES_MAX);
}
