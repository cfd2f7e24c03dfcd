// SPDX-License-Identifier: GPL-3.0-or-later
// A peer that is proven and not let in is told so. Without that it would go on with an association that
// nobody has, and where its connection ID was another's already (RFC 9146 8: they are random) its records would
// count as forgeries of that one. Keeps nothing of the handover.
#include "core/engine_internal.h"
#include "core/record12.h"
#include "core/record13.h"

// The keys end with the handover, which nobody takes over any more: the number is not stored, since none follows it.
void dg_refusal_send(struct dg_engine *engine, const struct dg_handover *handover, uint8_t description)
{
    const uint8_t alert[2] = {DG_ALERT_LEVEL_FATAL, description};
    const bool is_13 = handover->version == 13;
    const enum dg_aead_id aead = (enum dg_aead_id)handover->aead;
    const struct dg_key_view view = {.aead = aead,
                                     .hash = (enum dg_hash_id)handover->hash,
                                     .key = handover->tx.key,
                                     .number_key = is_13 ? handover->tx.number_key : NULL,
                                     .iv = handover->tx.iv,
                                     .secret = is_13 ? handover->tx.secret : NULL};
    size_t cid_size = handover->peer_has_cid != 0 ? handover->peer_cid_size : 0;
    size_t capacity = sizeof alert + DG_RECORD13_CIPHERTEXT_MIN +
                      (is_13 ? dg_record13_expansion(aead, cid_size) : dg_record12_expansion(aead, cid_size));
    uint8_t *room = engine->output.reserve(engine->output.context, capacity);
    if (room == NULL) {
        dg_count(engine->counters, DG_COUNT_DROP_SEND_FULL);
        return;
    }
    size_t sealed = is_13 ? dg_record13_seal(engine->aead, &view, DG_EPOCH13_APPLICATION, handover->tx_next,
                                             DG_CONTENT_ALERT, handover->peer_cid, cid_size, alert, sizeof alert, room,
                                             capacity)
                          : dg_record12_seal(engine->aead, &view, DG_EPOCH12_PROTECTED, handover->tx_next,
                                             DG_CONTENT_ALERT, handover->peer_cid, cid_size, alert, sizeof alert, room,
                                             capacity);
    dg_engine_forget_keys(engine);
    if (sealed == 0) {
        dg_count(engine->counters, DG_COUNT_DROP_SEAL_FAILED);
        return;
    }
    dg_count(engine->counters, DG_COUNT_RECORDS_SEALED);
    engine->output.commit(engine->output.context, &handover->path, sealed);
}
