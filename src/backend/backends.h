// SPDX-License-Identifier: GPL-3.0-or-later
// The backends of the whole process by number: what a configuration's text means, and how a worker makes its object of
// it. A text keeps its number as long as the process lives, whatever is reloaded. Never asks which association uses which.
#ifndef DG_BACKEND_BACKENDS_H
#define DG_BACKEND_BACKENDS_H

#include "backend/port_allocator.h"
#include "core/backend.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_backends;

struct dg_backends_config {
    uint32_t worker_count;
    struct dg_port_range ports; // udp: for all services together
    dg_time rest;               // udp: of a port after use
    dg_time hold;               // udp: an association keeps its port at least so long after its last traffic
    struct dg_port_book book;   // udp: what outlives the process
    // "callback": of a program that embeds the library. NULL: there is none.
    struct dg_backend (*callback)(void *context, const struct dg_backend_sink *sink);
    void *callback_context;
};

struct dg_backends *dg_backends_new(const struct dg_backends_config *config); // NULL: memory is short
void dg_backends_free(struct dg_backends *backends); // after every object that was made of it; NULL is fine

// Is it of one of these forms? Looks nothing up.
bool dg_backends_is_text(const char *text);
#define DG_BACKENDS_EXPECTED "echo, udp:HOST:PORT, proxy-udp:HOST:PORT or proxy-unix:PATH"
// The number of the backend that text names: echo, udp:HOST:PORT, proxy-udp:HOST:PORT, proxy-unix:PATH or callback. Looks
// HOST up when the text is new. One thread at a time; workers may use earlier numbers meanwhile. False: error says what
// is wrong, without the option's name.
DG_MUST_USE bool dg_backends_number(struct dg_backends *backends, const char *text, bool allow_beyond_loopback,
                                    uint16_t *ret_number, char *error, size_t error_size);
const char *dg_backends_text(const struct dg_backends *backends, uint16_t number); // "": no such number
// For dg_backend_maker: context is the backends.
struct dg_backend dg_backends_make(void *backends, uint16_t number, const struct dg_backend_sink *sink, uint32_t worker,
                                   uint32_t worker_count, struct dg_counters *counters, char *error, size_t error_size);

#endif
