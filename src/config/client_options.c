// SPDX-License-Identifier: GPL-3.0-or-later
// What the options of the client's role must have in common to make sense. Never opens a file.
#include "config/client_options.h"

const char *dg_client_choice_check(const struct dg_client_choice *choice)
{
    bool checks_server = choice->ca[0] || choice->pin[0] || choice->psk_file[0];
    if (!checks_server && !choice->insecure_no_verify)
        return "there is nothing to prove the server by: give --ca FILE, --pin sha256:HEX or --psk-file FILE; taking "
               "whoever answers for the server takes the explicit word --insecure-no-verify";
    if (choice->insecure_no_verify && (choice->ca[0] || choice->pin[0]))
        return "--insecure-no-verify contradicts --ca and --pin: give one or the other";
    if (choice->psk_identity[0] && !choice->psk_file[0])
        return "--psk-identity needs --psk-file FILE, where the key of that identity is";
    if (choice->raw_public_key && choice->cert[0])
        return "--raw-public-key and --cert are two ways to prove ourselves: give one of them, with --key FILE";
    if (choice->raw_public_key && !choice->key[0])
        return "--key FILE is missing: the private key whose public half --raw-public-key shows";
    if (choice->cert[0] && !choice->key[0])
        return "--key FILE is missing: the private key of --cert";
    if (choice->key[0] && !choice->cert[0] && !choice->raw_public_key)
        return "--cert FILE is missing: the certificate of --key; or say --raw-public-key";
    return NULL;
}
