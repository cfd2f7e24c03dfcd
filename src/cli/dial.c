// SPDX-License-Identifier: GPL-3.0-or-later
// The dialer's credentials and configuration out of options.
#include "cli/dial.h"

#include "credentials/credentials.h"

static const char *text_or_null(const char *text)
{
    return text[0] ? text : NULL;
}

// The name of a certificate is judged where a CA is; a pin or a key names the server by itself.
static const char *server_name_of(const struct dg_client_choice *choice, const char *host)
{
    if (choice->server_name[0])
        return choice->server_name;
    return choice->ca[0] ? host : NULL;
}

struct dg_dialer *dg_cli_dialer_new(const struct dg_client_choice *choice, const char *host, bool resume, char *error,
                                    size_t error_size)
{
    const bool has_cid = choice->connection_id == DG_CHOICE_YES;
    const struct dg_credential_files files = {
        .is_client = true,
        .certificate_file = text_or_null(choice->cert),
        .key_file = text_or_null(choice->key),
        .psk_file = text_or_null(choice->psk_file),
        .client_ca_file = text_or_null(choice->ca),
    };
    struct dg_credentials *credentials = dg_credentials_new(&files, error, error_size);
    if (!credentials)
        return NULL;
    const struct dg_dialer_config config = {
        .credentials = credentials,
        .use_raw_public_key = choice->raw_public_key,
        .psk_identity = text_or_null(choice->psk_identity),
        .server_name = server_name_of(choice, host),
        .pin = text_or_null(choice->pin),
        .insecure_no_verify = choice->insecure_no_verify,
        .profile = (enum dg_profile)choice->profile,
        .version_min = choice->dtls == DG_DTLS_13 ? 13 : 12,
        .version_max = choice->dtls == DG_DTLS_12 ? 12 : 13,
        .offer_cid = has_cid,
        .offer_rrc = has_cid,
        .resume = resume,
        .datagram_max = (uint16_t)choice->datagram_max,
        .retransmit_seconds = choice->retransmit,
    };
    struct dg_dialer *dialer = dg_dialer_new(&config, error, error_size);
    dg_credentials_put(credentials); // the dialer is a user of its own
    return dialer;
}
