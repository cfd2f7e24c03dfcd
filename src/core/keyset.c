// SPDX-License-Identifier: GPL-3.0-or-later
// Lays keys out in a keyset and derives them: RFC 9147 4.2.3 and 5.9, RFC 8446 7.2 and 7.3. Never decides
// when keys change.
#include "core/keyset.h"

#include "base/attributes.h"
#include "base/secret.h"

#include <stdbool.h>
#include <string.h>

static const struct dg_aead_info *info_of(enum dg_aead_id aead)
{
    DG_BUG_UNLESS(aead > DG_AEAD_NONE && aead < DG_AEAD_COUNT);
    return &dg_aead_table[aead];
}

bool dg_keyset_is_wide(enum dg_aead_id aead, enum dg_hash_id hash)
{
    return info_of(aead)->key_size > 16 || dg_hash_size(hash) > 32;
}

// The parts lie in the same places for both versions, so that filling does not depend on the version.
struct layout {
    size_t key, number_key, iv, secret, end;
};

static struct layout layout_of(enum dg_aead_id aead, enum dg_hash_id hash)
{
    struct layout ret;

    ret.key = 0;
    ret.number_key = ret.key + info_of(aead)->key_size;
    ret.iv = ret.number_key + info_of(aead)->key_size;
    ret.secret = ret.iv + 12;
    ret.end = ret.secret + dg_hash_size(hash);
    return ret;
}

struct dg_key_view dg_keyset_view(const struct dg_keyset *keyset, enum dg_aead_id aead, enum dg_hash_id hash,
                                  bool is_13)
{
    struct layout layout = layout_of(aead, hash);

    return (struct dg_key_view){
        .aead = aead,
        .hash = hash,
        .key = keyset->material + layout.key,
        .number_key = is_13 ? keyset->material + layout.number_key : NULL,
        .iv = keyset->material + layout.iv,
        .secret = is_13 ? keyset->material + layout.secret : NULL,
    };
}

void dg_keyset_fill(struct dg_keyset *keyset, enum dg_aead_id aead, enum dg_hash_id hash, uint64_t epoch,
                    const struct dg_key_material *material)
{
    struct layout layout = layout_of(aead, hash);
    size_t room = (dg_keyset_is_wide(aead, hash) ? DG_KEYSET_WIDE : DG_KEYSET_NARROW) - DG_KEYSET_HEAD;

    DG_BUG_UNLESS(layout.end <= room);
    keyset->epoch = epoch;
    atomic_store_explicit(&keyset->next, 0, memory_order_relaxed);
    memset(&keyset->replay, 0, sizeof keyset->replay);
    keyset->failures = 0;
    memcpy(keyset->material + layout.key, material->key, layout.number_key - layout.key);
    memcpy(keyset->material + layout.number_key, material->number_key, layout.iv - layout.number_key);
    memcpy(keyset->material + layout.iv, material->iv, layout.secret - layout.iv);
    memcpy(keyset->material + layout.secret, material->secret, layout.end - layout.secret);
    memset(keyset->material + layout.end, 0, room - layout.end);
}

bool dg_key_material_derive(struct dg_key_material *material, const struct dg_aead_ops *ops, enum dg_aead_id aead,
                            enum dg_hash_id hash)
{
    size_t key_size = info_of(aead)->key_size;

    // RFC 8446 7.3: "key" and "iv"; RFC 9147 4.2.3: "sn"
    return ops->expand_label(hash, material->secret, "key", material->key, key_size) &&
           ops->expand_label(hash, material->secret, "sn", material->number_key, key_size) &&
           ops->expand_label(hash, material->secret, "iv", material->iv, sizeof material->iv);
}

bool dg_key_material_next(struct dg_key_material *ret, const struct dg_key_view *current,
                          const struct dg_aead_ops *ops)
{
    DG_BUG_UNLESS(current->secret != NULL); // DTLS 1.2 has no next generation
    memset(ret, 0, sizeof *ret);
    if (ops->expand_label(current->hash, current->secret, "traffic upd", ret->secret, dg_hash_size(current->hash)) &&
        dg_key_material_derive(ret, ops, current->aead, current->hash))
        return true;
    dg_wipe(ret, sizeof *ret);
    return false;
}
