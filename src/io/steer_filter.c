// SPDX-License-Identifier: GPL-3.0-or-later
// A small assembler and the program. In a reuseport program offset 0 is the first byte of the UDP payload;
// the IP header is reached at SKF_NET_OFF. A load past the end would end the program with 0, the front, so
// lengths are tested first: the answer must come from the rules, not from an accident.
#include "io/steer_filter.h"

#include "core/cid.h"
#include "core/wire_constants.h"

#include <sys/socket.h>

// Places that jumps lead to, in the order in which they stand: the kernel takes forward jumps only.
enum label {
    NEXT, // the following instruction
    LABEL_RECORD12,
    LABEL_UNIFIED,
    LABEL_UNIFIED_CID,
    LABEL_TLS12_CID,
    LABEL_ADDRESS,
    LABEL_IPV4,
    LABEL_IPV6,
    LABEL_PORT,
    LABEL_SHARD,
    LABEL_FRONT,
    LABEL_COUNT
};

struct assembler {
    struct sock_filter *program;
    size_t count;
    struct jump {
        enum label on_true, on_false;
    } jumps[DG_STEER_FILTER_MAX];
    size_t labels[LABEL_COUNT];
};

static void emit(struct assembler *as, unsigned code, uint32_t k)
{
    DG_BUG_UNLESS(as->count < DG_STEER_FILTER_MAX);
    as->jumps[as->count] = (struct jump){NEXT, NEXT};
    as->program[as->count++] = (struct sock_filter){.code = (uint16_t)code, .k = k};
}

// A comparison of A with k (BPF_JEQ, BPF_JGE, BPF_JSET).
static void emit_if(struct assembler *as, unsigned comparison, uint32_t k, enum label on_true, enum label on_false)
{
    emit(as, BPF_JMP | comparison | BPF_K, k);
    as->jumps[as->count - 1] = (struct jump){on_true, on_false};
}

static void emit_goto(struct assembler *as, enum label label)
{
    emit(as, BPF_JMP | BPF_JA, 0);
    as->jumps[as->count - 1] = (struct jump){label, NEXT};
}

static void place(struct assembler *as, enum label label) { as->labels[label] = as->count; }

static uint32_t distance(const struct assembler *as, size_t from, enum label label)
{
    if (label == NEXT) {
        return 0;
    }
    DG_BUG_UNLESS(as->labels[label] > from);
    return (uint32_t)(as->labels[label] - from - 1);
}

static void resolve(struct assembler *as)
{
    for (size_t i = 0; i < as->count; i++) {
        struct sock_filter *at = &as->program[i];
        if (BPF_CLASS(at->code) != BPF_JMP) {
            continue;
        }
        uint32_t on_true = distance(as, i, as->jumps[i].on_true);
        if (BPF_OP(at->code) == BPF_JA) {
            at->k = on_true;
            continue;
        }
        uint32_t on_false = distance(as, i, as->jumps[i].on_false);
        DG_BUG_UNLESS(on_true <= UINT8_MAX && on_false <= UINT8_MAX);
        at->jt = (uint8_t)on_true;
        at->jf = (uint8_t)on_false;
    }
}

#define NET(offset) ((uint32_t)SKF_NET_OFF + (uint32_t)(offset))

static void load_length(struct assembler *as) { emit(as, BPF_LD | BPF_W | BPF_LEN, 0); }
static void load_u8(struct assembler *as, uint32_t at) { emit(as, BPF_LD | BPF_B | BPF_ABS, at); }
static void load_u16(struct assembler *as, uint32_t at) { emit(as, BPF_LD | BPF_H | BPF_ABS, at); }
static void load_u32(struct assembler *as, uint32_t at) { emit(as, BPF_LD | BPF_W | BPF_ABS, at); }

#define HASH_CELL 0 // of the scratch memory

// A ^= A >> shift
static void emit_fold(struct assembler *as, uint32_t shift)
{
    emit(as, BPF_MISC | BPF_TAX, 0);
    emit(as, BPF_ALU | BPF_RSH | BPF_K, shift);
    emit(as, BPF_ALU | BPF_XOR | BPF_X, 0);
}

// mix() of core/steer.c with A as the word; the hash is kept in its cell and left in A.
static void emit_mix(struct assembler *as)
{
    emit(as, BPF_LDX | BPF_MEM, HASH_CELL);
    emit(as, BPF_ALU | BPF_XOR | BPF_X, 0);
    emit(as, BPF_ALU | BPF_MUL | BPF_K, DG_STEER_MULTIPLY_1);
    emit_fold(as, DG_STEER_SHIFT_1);
    emit(as, BPF_ALU | BPF_MUL | BPF_K, DG_STEER_MULTIPLY_2);
    emit_fold(as, DG_STEER_SHIFT_2);
    emit(as, BPF_ST, HASH_CELL);
}

// The first byte decides (RFC 9147 4.1).
static void emit_first_byte(struct assembler *as)
{
    load_length(as);
    emit_if(as, BPF_JEQ, 0, LABEL_FRONT, NEXT);
    load_u8(as, 0);
    emit_if(as, BPF_JEQ, DG_CONTENT_TLS12_CID, LABEL_TLS12_CID, NEXT);
    emit_if(as, BPF_JEQ, DG_CONTENT_ALERT, LABEL_RECORD12, NEXT);
    emit_if(as, BPF_JEQ, DG_CONTENT_APPLICATION_DATA, LABEL_RECORD12, NEXT);
    emit(as, BPF_ALU | BPF_AND | BPF_K, DG_UNIFIED_FIXED_MASK);
    emit_if(as, BPF_JEQ, DG_UNIFIED_FIXED, LABEL_UNIFIED, LABEL_FRONT);
}

// Where an association's record is told from a handshake's, and its connection ID is read.
static void emit_records(struct assembler *as, uint32_t cid_size)
{
    place(as, LABEL_RECORD12);
    load_length(as);
    emit_if(as, BPF_JGE, DG_RECORD12_HEADER, NEXT, LABEL_FRONT);
    load_u16(as, 3); // the epoch
    emit_if(as, BPF_JEQ, 0, LABEL_FRONT, LABEL_ADDRESS);

    place(as, LABEL_UNIFIED);
    load_u8(as, 0);
    emit(as, BPF_ALU | BPF_AND | BPF_K, DG_UNIFIED_EPOCH_MASK);
    emit_if(as, BPF_JEQ, DG_EPOCH13_HANDSHAKE, LABEL_FRONT, NEXT);
    load_u8(as, 0);
    emit_if(as, BPF_JSET, DG_UNIFIED_CID, LABEL_UNIFIED_CID, LABEL_ADDRESS);

    place(as, LABEL_UNIFIED_CID);
    load_length(as);
    emit_if(as, BPF_JGE, 1 + cid_size, NEXT, LABEL_FRONT);
    load_u8(as, 1 + DG_CID_SHARD_BYTE);
    emit_goto(as, LABEL_SHARD);

    place(as, LABEL_TLS12_CID);
    load_length(as);
    emit_if(as, BPF_JGE, DG_RECORD12_CID_OFFSET + cid_size, NEXT, LABEL_FRONT);
    load_u8(as, DG_RECORD12_CID_OFFSET + DG_CID_SHARD_BYTE);
    emit_goto(as, LABEL_SHARD);
}

// The hash over the peer's address and port, from the IP and UDP headers.
static void emit_address(struct assembler *as, const struct dg_steer *steer)
{
    place(as, LABEL_ADDRESS);
    emit(as, BPF_LD | BPF_IMM, steer->seed);
    emit(as, BPF_ST, HASH_CELL);
    load_u8(as, NET(0));
    emit(as, BPF_ALU | BPF_RSH | BPF_K, 4);
    emit_if(as, BPF_JEQ, 4, LABEL_IPV4, NEXT);
    emit_if(as, BPF_JEQ, 6, LABEL_IPV6, LABEL_FRONT);

    place(as, LABEL_IPV4);
    load_u32(as, NET(12));
    emit_mix(as);
    emit(as, BPF_LDX | BPF_MSH | BPF_B, NET(0)); // X = 4 * IHL: options make the header longer
    emit(as, BPF_LD | BPF_H | BPF_IND, NET(0));
    emit_goto(as, LABEL_PORT);

    place(as, LABEL_IPV6);
    load_u8(as, NET(6));
    emit_if(as, BPF_JEQ, 17, NEXT, LABEL_FRONT); // UDP follows at once, or there are extension headers
    for (uint32_t word = 0; word < 4; word++) {
        load_u32(as, NET(8 + 4 * word));
        emit_mix(as);
    }
    load_u16(as, NET(40));

    place(as, LABEL_PORT);
    emit_mix(as);
}

size_t dg_steer_filter_build(const struct dg_steer *steer, uint32_t worker_count,
                             struct sock_filter program[DG_STEER_FILTER_MAX])
{
    struct assembler as = {.program = program};
    emit_first_byte(&as);
    emit_records(&as, steer->cid_size);
    emit_address(&as, steer);
    place(&as, LABEL_SHARD); // in A, above the shard count perhaps
    emit(&as, BPF_ALU | BPF_AND | BPF_K, steer->shard_count - 1);
    emit(&as, BPF_ALU | BPF_MOD | BPF_K, worker_count); // dg_steer_worker
    emit(&as, BPF_ALU | BPF_ADD | BPF_K, 1);
    emit(&as, BPF_RET | BPF_A, 0);
    place(&as, LABEL_FRONT);
    emit(&as, BPF_RET | BPF_K, 0);
    resolve(&as);
    return as.count;
}

bool dg_steer_filter_attach(int fd, const struct dg_steer *steer, uint32_t worker_count)
{
    struct sock_filter instructions[DG_STEER_FILTER_MAX];
    size_t count = dg_steer_filter_build(steer, worker_count, instructions);
    struct sock_fprog program = {.len = (unsigned short)count, .filter = instructions};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}

void dg_steer_filter_detach(int fd)
{
    int ignored = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &ignored, sizeof ignored); // Linux 5.3
}
