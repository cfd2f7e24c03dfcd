// SPDX-License-Identifier: GPL-3.0-or-later
// What an audit asks of files with certificates and keys: each of them with its line, whatever is wrong with the others.
// Judges nothing, refuses nothing, believes nobody.
#ifndef DG_CRYPTO_INSPECT_H
#define DG_CRYPTO_INSPECT_H

#include "crypto/certificate.h"

// The next certificate of a PEM file; is_readable false: it is none. False: no more.
DG_MUST_USE bool dg_inspect_certificate(struct dg_pem_reader *reader, unsigned *ret_line, bool *is_readable,
                                        struct dg_certificate_facts *ret);
// The next public key. weakness NULL: strong enough. False: no more.
DG_MUST_USE bool dg_inspect_public_key(struct dg_pem_reader *reader, unsigned *ret_line, const char **weakness);
// The next revocation list: when its CA's next one is due, CLOCK_REALTIME. wrong NULL: it can be read. False: no more.
DG_MUST_USE bool dg_inspect_crl(struct dg_pem_reader *reader, unsigned *ret_line, int64_t *ret_next_update_s,
                                const char **wrong);

enum dg_inspected_pair {
    DG_PAIR_FITS,
    DG_PAIR_DIFFERS,      // the private key is another certificate's
    DG_PAIR_NOT_READABLE, // one of the two
};
// A PEM chain's first certificate and a PEM private key. dg_crypto_init must have been called.
enum dg_inspected_pair dg_inspect_pair(struct dg_bytes certificate, struct dg_bytes key);

#endif
