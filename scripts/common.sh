# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the shell scripts share: where the tree and the per-user cache are, how
# to speak and how to stop. Sourced, never run; it changes nothing on disk.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DTLSGATE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dtlsgate}

say()  { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() { say "error: $*"; exit 1; }

jobs() { nproc 2>/dev/null || echo 2; }
