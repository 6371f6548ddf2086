#!/bin/bash
# chroot.sh DIR COMMAND...: runs a command in a host that is not booted, as an image build does: no init, no network, a bare /dev.
# Runs in fresh mount, pid, uts, ipc and net namespaces made from those of the host's keeper.
set -eu
m=$1/merged
shift
mount --make-rprivate /
mount -t proc proc "$m/proc"
mount --bind "$m/proc/sys" "$m/proc/sys"; mount -o remount,bind,ro "$m/proc/sys"
[ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null "$m/proc/sysrq-trigger"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$m/run"
mkdir "$m/run/lock"
mount -t tmpfs -o mode=755,nosuid tmpfs "$m/dev"
mkdir "$m/dev/pts" "$m/dev/shm"
for node in null zero full random urandom tty; do touch "$m/dev/$node"; mount --bind "/dev/$node" "$m/dev/$node"; done
ln -s /proc/self/fd "$m/dev/fd"
ln -s fd/0 "$m/dev/stdin"; ln -s fd/1 "$m/dev/stdout"; ln -s fd/2 "$m/dev/stderr"
ip link set lo up
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
  chroot "$m" "$@"
