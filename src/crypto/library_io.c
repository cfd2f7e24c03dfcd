// SPDX-License-Identifier: GPL-3.0-or-later
// The library's send and receive call-backs, for the server's handshakes and for the client's. Gives one record
// at a time and takes every datagram at once; never lets anything out after the take-over.
#include "crypto/library_io.h"

#include "core/wire_constants.h"
#include "crypto/inner.h"
#include "crypto/key_log.h"

#include <wolfssl/error-ssl.h>

#include <string.h>

// Seconds; longer than any handshake may take. The library gives up when it has waited as long for an answer as it ever
// will, and how long a handshake may take is not its to say.
#define WAIT_MAX 3600

// Always takes everything: what the library kept for later would go out under a number that is ours by then.
static int on_send(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    struct dg_library_io *io = context;
    if (io->silent)
        DG_BUG("the TLS library sent after the take-over");
    if (size <= 0)
        return size;
    dg_tap_sent(&io->tap, (const uint8_t *)bytes, (size_t)size);
    if (io->only_new && io->tap.is_repeating)
        return size;
    io->sent++;
    uint8_t *room = io->output != NULL ? io->output->reserve(io->output->context, (size_t)size) : NULL;
    if (room == NULL)
        return size; // a lost datagram, which the timer repeats
    memcpy(room, bytes, (size_t)size);
    io->output->commit(io->output->context, &io->path, (size_t)size);
    io->queued++;
    return size;
}

static int on_receive(WOLFSSL *ssl, char *buffer, int capacity, void *context)
{
    struct dg_library_io *io = context;
    size_t size = io->record_size;
    io->record_size = 0; // once
    (void)wolfSSL_dtls_set_mtu(ssl, io->datagram_max);
    if (size == 0 || capacity <= 0 || size > (size_t)capacity)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(buffer, io->record, size);
    return (int)size;
}

void dg_library_io_install(WOLFSSL_CTX *context)
{
    wolfSSL_CTX_SetIOSend(context, on_send);
    wolfSSL_CTX_SetIORecv(context, on_receive);
}

// DTLS 1.2: the master secret, of full handshakes only; a resumed one has that of the ticket.
static int on_master_secret(WOLFSSL *ssl, void *secret, int size, void *context)
{
    (void)context;
    if (size > 0)
        dg_key_log_secret(ssl, "CLIENT_RANDOM", secret, (size_t)size);
    return 0;
}

bool dg_library_io_begin(struct dg_library_io *io, void *owner, WOLFSSL *ssl, bool is_client)
{
    io->owner = owner;
    dg_tap_begin(&io->tap, ssl, is_client);
    io->silent = false;
    io->sent = io->queued = 0;
    dg_library_io_close(io);
    wolfSSL_SetIOReadCtx(ssl, io);
    wolfSSL_SetIOWriteCtx(ssl, io);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    return wolfSSL_dtls_set_timeout_max(ssl, WAIT_MAX) == WOLFSSL_SUCCESS &&
           wolfSSL_set_secret_cb(ssl, on_master_secret, NULL) == WOLFSSL_SUCCESS &&
           wolfSSL_set_tls13_secret_cb(ssl, dg_tap_on_secret, &io->tap) == WOLFSSL_SUCCESS;
}

void *dg_library_io_owner(WOLFSSL *ssl)
{
    const struct dg_library_io *io = wolfSSL_GetIOReadCtx(ssl);
    return io->owner;
}

void dg_library_io_open(struct dg_library_io *io, const uint8_t *record, size_t size, const struct dg_output *output)
{
    io->output = output;
    io->record = record;
    io->record_size = size;
    io->tap.is_repeating = false;
}

void dg_library_io_close(struct dg_library_io *io)
{
    io->output = NULL;
    io->record = NULL;
    io->record_size = 0;
    io->only_new = false;
}

void dg_library_io_make_room(struct dg_library_io *io, size_t record_size)
{
    if (record_size > io->datagram_max && record_size <= UINT16_MAX)
        (void)wolfSSL_dtls_set_mtu(io->tap.ssl, (unsigned short)record_size);
}

dg_time dg_library_io_timeout(const struct dg_library_io *io)
{
    dg_time timeout = (dg_time)wolfSSL_dtls_get_current_timeout(io->tap.ssl) * DG_SECOND;
    return wolfSSL_dtls13_use_quick_timeout(io->tap.ssl) ? timeout / 4 : timeout;
}

bool dg_library_io_is_plain_alert(const uint8_t *record, size_t size, struct dg_bytes *ret_body)
{
    struct dg_reader reader = dg_reader_of(record, size);
    uint8_t type = dg_read_u8(&reader);
    (void)dg_read_u16(&reader);
    uint16_t epoch = dg_read_u16(&reader);
    (void)dg_read_u48(&reader);
    struct dg_bytes body = dg_read_block16(&reader);
    if (type != DG_CONTENT_ALERT || epoch != 0)
        return false;
    *ret_body = reader.failed || body.size != 2 ? (struct dg_bytes){NULL, 0} : body;
    return true;
}
