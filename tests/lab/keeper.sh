#!/bin/bash
# keeper.sh BASE: owns one throwaway host. Runs in a mount namespace of its own (`unshare --mount`), so nothing it or the host
# mounts is ever seen by the machine, and loop devices free themselves with the last mount.
# Prints the name of the directory it made in BASE; then holds on until standard input ends. That happens when the test lets go
# of the host, and also when the test process dies by whatever cause; so the clean-up below needs no goodwill of the test.
set -u
base=$1
trap '' INT TERM HUP PIPE

mount --make-rprivate /
# Every keeper has its own mount here: the whole hierarchy, wherever the machine itself has it.
mkdir -p "$base/.groups"
mount -t cgroup2 cgroup2 "$base/.groups" || exit 1

mounted() { grep -q " $base/$1/" /proc/self/mountinfo; }

# remove NAME: everything of one host: processes, mounts in this namespace, control groups, files
remove() {
  local name=$1 tries=0 group=$base/.groups/landfall-lab.$1
  if [ -d "$group" ]; then
    echo 1 >"$group/cgroup.kill"
    while grep -q '^populated 1' "$group/cgroup.events" && [ $tries -lt 500 ]; do sleep 0.01; tries=$((tries + 1)); done
    find "$group" -depth -type d -exec rmdir {} +
    # Where a controller has a hierarchy of its own, a test may have made a group of this host's there.
    rmdir "/sys/fs/cgroup/memory/landfall-lab.$name" "/sys/fs/cgroup/pids/landfall-lab.$name" 2>/dev/null
  fi
  tries=0
  while mounted "$name" && [ $tries -lt 500 ]; do
    umount -q -R "$base/$name/merged"; umount -q "$base/$name/disk" 2>/dev/null
    tries=$((tries + 1))
    if mounted "$name"; then sleep 0.01; fi
  done
  rm -rf --one-file-system "${base:?}/$name"
}

# A host whose lock nobody holds has lost its keeper as well (SIGKILL, power): swept by whoever comes next.
exec 8>"$base/.lock"
flock 8
for left in "$base"/host.*; do
  [ -d "$left" ] || continue
  # Opened for reading: it must not be made anew in a directory whose keeper is about to remove it, or whose keeper died at that.
  if ! { exec 7<"$left/lock"; } 2>/dev/null || flock -n 7; then remove "${left##*/}"; fi
  exec 7<&-
done
dir=$(mktemp -d "$base/host.XXXXXXXX")
name=${dir##*/}
chmod 755 "$dir"
exec 9>"$dir/lock"
flock 9
exec 8>&-

mkdir -p "$dir/boot" "$base/.groups/landfall-lab.$name/guest/lab"
echo "$name"
cat >/dev/null
remove "$name"
