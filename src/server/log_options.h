// SPDX-License-Identifier: GPL-3.0-or-later
// What the options say about log lines, which are the process'. Writes none.
#ifndef DG_SERVER_LOG_OPTIONS_H
#define DG_SERVER_LOG_OPTIONS_H

#include "config/options.h"

void dg_log_begin_by(const struct dg_options *options);

#endif
