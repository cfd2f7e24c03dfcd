// SPDX-License-Identifier: GPL-3.0-or-later
// Proofs of an address in DTLS 1.3 without RRC (RFC 9147 11): what went there is acknowledged from there. An
// acknowledgement says nothing but a record's number, so the number is what the peer has to be unable to guess: it
// is drawn out of a range that nothing else takes a number from, and who acknowledges another number of that range
// ends its association. Never moves an address by one acknowledgement.
#include "core/crash_point.h"
#include "core/path_state.h"

#define HASTENED_MAX 8 // transmissions: the last ones are left to their timer

static bool is_probing(struct dg_side_flight *side)
{
    return side != NULL && dg_side_path_phase(side) == DG_PATH_PROBE;
}

static struct dg_side_flight *waiting_message(const struct dg_association *association)
{
    return dg_shard_flight_find(association->shard, association->slot, DG_FLIGHT_MESSAGE);
}

// --- sent -----------------------------------------------------------------------------------

bool dg_path_hides(const struct dg_association *association, uint8_t type, size_t size_max)
{
    struct dg_side_flight *side = type == DG_CONTENT_HANDSHAKE ? dg_path_side(association) : NULL;
    return is_probing(side) && size_max <= dg_path_budget(dg_side_path_of(side));
}

// Only records that went to the address, under numbers that were hidden.
void dg_path_probe_sent(struct dg_side_flight *side, struct dg_record_number number)
{
    if (side->sent_count >= DG_FLIGHT_SENT_MAX)
        side->sent_count = 0; // the eight before are as good as lost
    DG_STORE_ORDER();
    uint32_t at = side->sent_count;
    side->sent_epoch[at] = number.epoch;
    side->sent_sequence[at] = number.sequence;
    DG_STORE_ORDER(); // counted last: what lay there before was sent to another address
    side->sent_count = at + 1;
}

static dg_time round_trip(const struct dg_association *association)
{
    dg_time measured = association->slot->rtt_ms * DG_MILLISECOND;
    return measured > DG_PATH_TURN_MIN ? measured : DG_PATH_TURN_MIN;
}

void dg_path_probe(const struct dg_association *association, struct dg_side_flight *side)
{
    struct dg_side_path *path = dg_side_path_of(side);
    struct dg_side_flight *waiting = waiting_message(association);
    if (waiting == NULL) {
        path->challenge_after = association->now + round_trip(association);
        (void)dg_key_update_start(association, DG_UPDATE_NOT_REQUESTED);
        return;
    }
    if (association->now < path->challenge_after || waiting->attempts >= HASTENED_MAX ||
        waiting->next_send <= association->now)
        return;
    path->challenge_after = association->now + round_trip(association);
    waiting->next_send = association->now;
    dg_message_due(association, waiting);
}

// --- acknowledged ------------------------------------------------------------------------------

// Any number of the next epoch, any not yet taken of this one, and those of a range that the number of a probe was
// drawn from. Of other gaps, and of ranges of earlier addresses, nothing is kept: they prove nothing.
bool dg_path_was_never_sent(const struct dg_association *association, struct dg_record_number number)
{
    const struct dg_keyset *tx = dg_association_tx(association);
    if (number.epoch > tx->epoch)
        return true;
    if (number.epoch == tx->epoch && number.sequence >= atomic_load_explicit(&tx->next, memory_order_relaxed))
        return true;
    const struct dg_side_flight *side = dg_path_side(association);
    for (uint32_t i = 0; side != NULL && i < side->sent_count && i < DG_FLIGHT_SENT_MAX; i++)
        if (side->sent_epoch[i] == number.epoch && side->sent_sequence[i] != number.sequence &&
            side->sent_sequence[i] / DG_HIDDEN_RANGE == number.sequence / DG_HIDDEN_RANGE)
            return true;
    return false;
}

static bool take_proof(struct dg_side_flight *side, struct dg_record_number number)
{
    for (uint32_t i = 0; i < side->sent_count && i < DG_FLIGHT_SENT_MAX; i++) {
        if (side->sent_epoch[i] != number.epoch || side->sent_sequence[i] != number.sequence)
            continue;
        side->sent_epoch[i] = 0; // counts once: nothing of epoch 0 is a probe
        return true;
    }
    return false;
}

void dg_path_acknowledged(struct dg_receive *receive, struct dg_record_number number)
{
    struct dg_side_flight *side = dg_path_side(&receive->association);
    if (number.epoch < DG_EPOCH13_APPLICATION || !is_probing(side) || !dg_path_is_candidate(side, receive->path) ||
        !take_proof(side, number))
        return;
    side->attempts++;
    if (side->attempts >= DG_PATH_PROOFS)
        dg_path_move(&receive->association, side);
}

void dg_path_probe_next(const struct dg_receive *receive)
{
    struct dg_side_flight *side = dg_path_side(&receive->association);
    if (is_probing(side) && dg_path_is_candidate(side, receive->path) &&
        waiting_message(&receive->association) == NULL)
        dg_path_probe(&receive->association, side);
}
