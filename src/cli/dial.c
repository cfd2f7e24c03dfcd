// SPDX-License-Identifier: GPL-3.0-or-later
// The dialer's configuration out of options. Opens nothing itself.
#include "cli/dial.h"

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
    const struct dg_dialer_config config = {
        .certificate_file = text_or_null(choice->cert),
        .key_file = text_or_null(choice->key),
        .use_raw_public_key = choice->raw_public_key,
        .psk_file = text_or_null(choice->psk_file),
        .psk_identity = text_or_null(choice->psk_identity),
        .ca_file = text_or_null(choice->ca),
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
    return dg_dialer_new(&config, error, error_size);
}
