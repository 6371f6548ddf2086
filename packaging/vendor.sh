#!/bin/bash
# Puts the source of every crate that Cargo.lock names into DIR: what a build without a network needs. debian/rules uses vendor/ if it is there.
#
#   packaging/vendor.sh [DIR]        default: vendor
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# It also prints the cargo configuration that goes with it; debian/rules passes its own.
cargo vendor --quiet --locked --versioned-dirs "${1:-vendor}" >/dev/null
