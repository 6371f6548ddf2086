#!/bin/bash
# What `make check` runs: the tools and the cache, format and lints, the package, then every test suite. LANDFALL_LONG=1 asks the
# suites for their full size. With CI=true a skipped test is a failed one.
#
# Suites get the program as users do: LANDFALL_DEB is the package, LANDFALL_BIN the binary in it, LANDFALL_UNSTRIPPED the same
# before it was stripped. Lines that a test prints as "closing: ..." are shown; everything a suite printed is in target/check/.
# The last line is "N passed, N failed", and "N skipped" if some were; each step that is not a suite counts as one.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# .cargo/config.toml has to name one target, and names the commonest.
export CARGO_BUILD_TARGET=${CARGO_BUILD_TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
logs=target/check
rm -rf "$logs"
mkdir -p "$logs"
passed=0 failed=0 skipped=0

tally() {
  echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
}

# step NAME COMMAND...: runs it with its output in a log; shows the log if it fails
step() {
  local name=$1 begin=$SECONDS
  shift
  if "$@" >"$logs/$name.log" 2>&1; then
    passed=$((passed + 1))
    echo "$name: ok ($((SECONDS - begin)) s)"
  else
    failed=$((failed + 1))
    tail -n 200 "$logs/$name.log"
    echo "$name: FAILED ($((SECONDS - begin)) s)"
    return 1
  fi
}

# Of libtest's output with --show-output: "PASSED FAILED SKIPPED", or nothing if the suite did not come to its end.
# A test that says on a line of its own "skipped: why" has passed for libtest, and is counted as skipped here.
read_result() {
  awk '
    /^---- .* stdout ----$/ { section = $0 }
    /^skipped: / && section != "" && !(section in seen) { seen[section]; skips++ }
    /^test result: / { passed += $4; failed += $6; ended = 1 }
    END { if (ended) print passed - skips, failed, skips + 0 }' "$1"
}

# suite NAME COMMAND...: runs a test binary
suite() {
  local name=$1 begin=$SECONDS log=$logs/$1.log code=0 p f s
  shift
  timeout --kill-after=30 "${LANDFALL_SUITE_TIMEOUT:-3h}" "$@" --show-output >"$log" 2>&1 || code=$?
  read -r p f s < <(read_result "$log")
  if [ -z "${p:-}" ]; then
    p=0 f=1 s=0
    echo "$name did not come to its end: exit status $code" >>"$log"
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  if [ "$f" != 0 ]; then tail -n 200 "$log"; fi
  grep '^closing: ' "$log" | sed 's/^closing: //'
  echo "$name: $p passed, $f failed$([ "$s" = 0 ] || echo ", $s skipped") ($((SECONDS - begin)) s)"
}

build_tests() {
  cargo test --locked --no-run
}

# NAME<TAB>PATH of every test binary that build_tests has made
test_binaries() {
  sed -n 's,^ *Executable \(unittests \)\{0\,1\}\(.*\) (\(.*\))$,\2\t\3,p' "$logs/build.log" |
    sed 's,^tests/,,; s,^src/,unit-,; s,\.rs\t,\t,; s,/main\t,\t,'
}

main() {
  if [ "$(id -u)" = 0 ]; then
    step setup tests/setup.sh || return
  else
    echo "setup: left out, it needs root"
  fi
  step fmt cargo fmt --check
  step clippy cargo clippy --locked --all-targets -- -D warnings
  step deb packaging/make-deb.sh || return
  step build build_tests || return

  LANDFALL_DEB=$(realpath target/debian/landfall_*.deb)
  LANDFALL_UNSTRIPPED=$(realpath target/debian/landfall)
  LANDFALL_BIN=$PWD/$logs/unpacked/usr/bin/landfall
  dpkg-deb -x "$LANDFALL_DEB" "$logs/unpacked"
  export LANDFALL_DEB LANDFALL_BIN LANDFALL_UNSTRIPPED

  local name path
  while IFS=$'\t' read -r name path <&3; do
    suite "$name" "$path" 3<&-
  done 3< <(test_binaries)
  suite doc cargo test --locked --doc --
}

main
tally
[ "$failed" = 0 ] && { [ "${CI:-}" != true ] || [ "$skipped" = 0 ]; }
