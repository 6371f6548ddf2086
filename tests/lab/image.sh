#!/bin/bash
# image.sh empty IMAGE               makes a sparse image with an empty ext4
# image.sh whole IMAGE ROOT CACHED   makes one that holds all of ROOT; CACHED is the prepared copy, made at first use
set -eu

# As Debian's installer makes it, without the lazy zeroing that would write in the background of a quiet host.
format() { mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1,nodiscard -J size=16 "$@"; }

case $1 in
  empty)
    truncate -s 2G "$2"
    format "$2"
    ;;
  whole)
    exec 9>"$4.lock"
    flock 9
    if ! [ -e "$4" ]; then
      truncate -s 2G "$4.partial"
      format -d "$3" "$4.partial"
      mv "$4.partial" "$4"
    fi
    exec 9>&-
    cp --sparse=always --reflink=auto "$4" "$2"
    ;;
esac
