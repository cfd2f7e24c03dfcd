// SPDX-License-Identifier: GPL-3.0-or-later
// What the fuzz targets share: the input as a stream of small decisions, and AEADs that let a fuzzer past the
// cryptography and note every sealing. A target is one target_NAME.c with one LLVMFuzzerTestOneInput; its
// seeds lie in corpus/NAME, its words in NAME.dict. What must hold is said with the CHECKs of tests/check.h,
// which abort here (check_abort.c).
#ifndef DG_FUZZ_FUZZ_H
#define DG_FUZZ_FUZZ_H

#include "check.h"
#include "core/aead.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
// Optional, before the first input.
int LLVMFuzzerInitialize(int *argc, char ***argv);

// --- the input ----------------------------------------------------------------------------

// At its end it gives zeros: a prefix of an input is an input.
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

static inline struct fuzz_input fuzz_input_of(const uint8_t *data, size_t size)
{
    return (struct fuzz_input){.at = data, .left = size};
}

static inline bool fuzz_more(const struct fuzz_input *input) { return input->left > 0; }

static inline uint8_t fuzz_u8(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static inline uint16_t fuzz_u16(struct fuzz_input *input)
{
    uint16_t high = fuzz_u8(input);
    return (uint16_t)(high << 8 | fuzz_u8(input));
}

// At most `wanted` bytes of what is left; ret_size says how many.
static inline const uint8_t *fuzz_bytes(struct fuzz_input *input, size_t wanted, size_t *ret_size)
{
    const uint8_t *bytes = input->at;
    *ret_size = wanted < input->left ? wanted : input->left;
    input->at += *ret_size;
    input->left -= *ret_size;
    return bytes;
}

// A block of secret memory that outlives the inputs: the leak checker does not look into such by itself, and would
// call lost what only it refers to. Does nothing without the checker.
void __lsan_register_root_region(const void *region, size_t size) __attribute__((weak));

static inline void fuzz_keep(const void *page)
{
    if (__lsan_register_root_region != NULL)
        __lsan_register_root_region(page, 4096);
}

// --- AEADs --------------------------------------------------------------------------------

// dg_null_aead, each sealing noted in the books of support/sim_audit.h unless fuzz_is_peer_sealing.
extern const struct dg_aead_ops fuzz_null_aead;
// The same for sealing, but opens whatever it is given (a tag that begins with 0xff excepted), and masks no
// record number: raw bytes of the fuzzer's become authentic records.
extern const struct dg_aead_ops fuzz_open_aead;
extern bool fuzz_is_peer_sealing; // the client's side is not what the books are about

#endif
