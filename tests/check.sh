#!/bin/bash
# What `make check` runs: the tools and the cache, format and lints, the package, then every test suite. LANDFALL_LONG=1 asks the
# suites for their full size. With CI=true a skipped test is a failed one.
#
# Suites get the program as users do: LANDFALL_DEB is the package, LANDFALL_BIN the binary in it, LANDFALL_UNSTRIPPED the same
# before it was stripped. Lines that a test prints as "closing: ..." are shown; everything a suite printed is in target/check/.
# What failed is named once more at the end. The last line is "N passed, N failed", and "N skipped" if some were; each step that is
# not a suite counts as one.
#
# A suite that does not end is ended after LANDFALL_SUITE_TIMEOUT seconds, and says what ran and which tests had not ended.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# .cargo/config.toml has to name one target, and names the commonest.
export CARGO_BUILD_TARGET=${CARGO_BUILD_TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
logs=target/check
rm -rf "$logs"
mkdir -p "$logs"
passed=0 failed=0 skipped=0
limit=${LANDFALL_SUITE_TIMEOUT:-$([ "${LANDFALL_LONG:-}" = 1 ] && echo 10800 || echo 1800)}

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

# Of libtest's output with --show-output: "PASSED FAILED SKIPPED", or nothing if the suite did not come to its end. What the
# tests of a suite print may hold such lines too: the last one counts.
# A test that says on a line of its own "skipped: why" has passed for libtest, and is counted as skipped here.
read_result() {
  awk '
    /^---- .* stdout ----$/ { section = $0 }
    /^skipped: / && section != "" && !(section in seen) { seen[section]; skips++ }
    /^test result: / { passed = $4; failed = $6; ended = 1 }
    END { if (ended) print passed - skips, failed, skips + 0 }' "$1"
}

# Every failed test with the place and the words of its assertions, the long evidence left out.
failures() {
  local log
  for log in "$logs"/*.log; do
    awk -v suite="$(basename "$log" .log)" '
      /^failures:$/ { at_failures = 1 }
      at_failures && /^---- .* stdout ----$/ { print "failed: " suite ": " $2 }
      at_failures && / panicked at / { lines = 12 }
      /^(note: |$)/ { lines = 0 }
      lines > 0 { lines--; print "  " substr($0, 1, 500) }' "$log"
  done
}

# SECONDS: after so long, shows every process of the machine
show_processes_after() {
  local sleeper=
  trap 'kill "$sleeper"; exit' TERM
  sleep "$1" &
  sleeper=$!
  wait "$sleeper"
  echo "the limit of time is reached, while there run:"
  ps -eo pid,ppid,etimes,stat,wchan:24,args --forest
}

# LOG BINARY: the tests of a suite that have not ended
unfinished() {
  comm -23 <("$2" --list 2>/dev/null | sed -n 's/: test$//p' | sort) <(sed -n 's/^test \(.*\) \.\.\. .*/\1/p' "$1" | sort) |
    sed 's/^/has not ended: /'
}

# suite NAME COMMAND...: runs a test binary; what it came to is left in a file, since several run at once
suite() {
  local name=$1 begin=$SECONDS log=$logs/$1.log code=0 watcher p f s
  shift
  : >"$log"
  show_processes_after "$((limit - 5))" >>"$log" 2>&1 &
  watcher=$!
  timeout --kill-after=30 "$limit" "$@" --show-output >>"$log" 2>&1 </dev/null || code=$?
  kill "$watcher" 2>/dev/null
  wait "$watcher"
  if [ "$code" = 124 ] || [ "$code" = 137 ]; then unfinished "$log" "$1" >>"$log"; fi
  read -r p f s < <(read_result "$log")
  if [ -z "${p:-}" ]; then
    p=0 f=1 s=0
    echo "$name did not come to its end: exit status $code" >>"$log"
  fi
  echo "$p $f $s" >"$logs/$name.tally"
  {
    if [ "$f" != 0 ]; then tail -n 200 "$log"; fi
    grep -a '^closing: ' "$log" | sed 's/^closing: //'
    echo "$name: $p passed, $f failed$([ "$s" = 0 ] || echo ", $s skipped") ($((SECONDS - begin)) s)"
  } >"$logs/$name.said"
  flock "$logs" cat "$logs/$name.said"
}

# One suite at a time, or LANDFALL_JOBS of them; the longest begin first.
suites() {
  local name path p f s most=${LANDFALL_JOBS:-1}
  trap 'trap - INT TERM; kill 0' INT TERM
  while IFS=$'\t' read -r name path <&3; do
    while [ "$(jobs -rp | wc -l)" -ge "$most" ]; do wait -n; done
    if [ "$most" = 1 ]; then suite "$name" "$path" 3<&-; else suite "$name" "$path" 3<&- & fi
  done 3< <(longest_first)
  wait
  trap - INT TERM
  suite doc cargo test --locked --doc --
  for name in $(longest_first | cut -f1) doc; do
    # A suite that was killed before it said anything has failed.
    read -r p f s < <(cat "$logs/$name.tally" 2>/dev/null || echo 0 1 0)
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  done
}

longest_first() {
  local name
  for name in power chaos rollback parity hosted operations vm package boot; do
    test_binaries | grep "^$name	"
  done
  test_binaries | grep -vE '^(power|chaos|rollback|parity|hosted|operations|vm|package|boot)	'
}

# package_is_built PID: waits for what builds the package, and says what it said
package_is_built() {
  local code=0
  wait "$1" || code=$?
  cat "$logs/make-deb.log"
  return "$code"
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
  # The package, whose last step has one core to itself for most of its time, is built beside the lints and the tests.
  local package built=yes
  setsid packaging/make-deb.sh >"$logs/make-deb.log" 2>&1 &
  package=$!
  trap "kill -- -$package 2>/dev/null" EXIT
  step fmt cargo fmt --check
  step clippy cargo clippy --locked --all-targets -- -D warnings
  step build build_tests || built=no
  step deb package_is_built "$package" || return
  trap - EXIT
  [ "$built" = yes ] || return

  LANDFALL_DEB=$(realpath target/debian/landfall_*.deb)
  LANDFALL_UNSTRIPPED=$(realpath target/debian/landfall)
  LANDFALL_BIN=$PWD/$logs/unpacked/usr/bin/landfall
  dpkg-deb -x "$LANDFALL_DEB" "$logs/unpacked"
  export LANDFALL_DEB LANDFALL_BIN LANDFALL_UNSTRIPPED

  suites
}

main
failures
tally
[ "$failed" = 0 ] && { [ "${CI:-}" != true ] || [ "$skipped" = 0 ]; }
