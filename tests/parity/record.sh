#!/bin/bash
# Stores the peer's results anew, of all cases or of those whose names contain one of the words given (a,b). As root.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export LANDFALL_PARITY_RECORD=1 LANDFALL_PARITY_CASES=${1:-}
cargo test --locked --test parity stored_peer_results -- --show-output
git --no-pager diff --stat -- tests/parity/peer
