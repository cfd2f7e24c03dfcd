// SPDX-License-Identifier: GPL-3.0-or-later
// The few compiler attributes and the abort-on-bug macro that every room uses. Never holds logic.
#ifndef DG_BASE_ATTRIBUTES_H
#define DG_BASE_ATTRIBUTES_H

#define DG_MUST_USE __attribute__((warn_unused_result))
#define DG_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#define DG_NORETURN __attribute__((noreturn))
#define DG_CACHE_LINE 64

// The third outcome (design.md): a state that the program itself must never reach. Prints and aborts.
DG_NORETURN void dg_bug(const char *file, int line, const char *what);
#define DG_BUG(what) dg_bug(__FILE__, __LINE__, (what))
#define DG_BUG_UNLESS(condition) ((condition) ? (void)0 : dg_bug(__FILE__, __LINE__, "violated: " #condition))

#endif
