// SPDX-License-Identifier: GPL-3.0-or-later
// What the TLS library's object reads and writes through while it shakes hands, in either role: one record in,
// datagrams out, each seen by the tap, silence after the take-over. Knows no role and no timer.
// Only files of src/crypto include it.
#ifndef DG_CRYPTO_LIBRARY_IO_H
#define DG_CRYPTO_LIBRARY_IO_H

#include "base/time_value.h"
#include "base/wire.h"
#include "core/output.h"
#include "crypto/tap.h"

struct WOLFSSL_CTX;

struct dg_library_io {
    void *owner; // the handshake of either role
    struct dg_tap tap;
    struct dg_path path;   // to the peer
    uint16_t datagram_max; // what the library may send at once
    bool silent;           // nothing may be sent any more
    size_t sent;           // datagrams of the library's, but for repetitions thrown away
    size_t queued;         // those of them that found room
    // during one call only
    const struct dg_output *output;
    const uint8_t *record;
    size_t record_size;
    bool only_new; // what was sent before is thrown away; its numbers are used all the same
};

// All objects of this context will use a dg_library_io.
void dg_library_io_install(struct WOLFSSL_CTX *context);
// Binds one object to its io, forgetting all that was there but the path and the size. False: out of memory.
DG_MUST_USE bool dg_library_io_begin(struct dg_library_io *io, void *owner, struct WOLFSSL *ssl, bool is_client);
// Whose object this is: the library's other call-backs get nothing better.
void *dg_library_io_owner(struct WOLFSSL *ssl);

// Around each call of the library: what it may read (size 0: nothing) and where it sends.
void dg_library_io_open(struct dg_library_io *io, const uint8_t *record, size_t size,
                        const struct dg_output *output);
void dg_library_io_close(struct dg_library_io *io);
// The library takes records a little above its own size only, and a peer may send larger ones than we do: room
// is made for this one, and our own size is back before anything is sent.
void dg_library_io_make_room(struct dg_library_io *io, size_t record_size);

// How long the library waits before it repeats its flight.
dg_time dg_library_io_timeout(const struct dg_library_io *io);
// True: an unprotected alert, which may be anybody's who guesses a port. Its body, empty where it is malformed.
bool dg_library_io_is_plain_alert(const uint8_t *record, size_t size, struct dg_bytes *ret_body);

#endif
