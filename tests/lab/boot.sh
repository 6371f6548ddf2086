#!/bin/bash
# boot.sh DIR: becomes PID 1 of a host. Runs in fresh mount, pid, uts, ipc and net namespaces made from those of the host's keeper.
# CONSOLE is the slave of a pseudo-terminal, ETH0=1 adds an eth0 without a route; boot_id, cmdline and dmi are files in DIR/boot.
set -eu
dir=$1
m=$dir/merged

if [ "${STAGE:-1}" = 1 ]; then
  # unshare, our parent, stays behind: a group with members of its own takes no controllers, and this one becomes the root of
  # the guest's hierarchy.
  echo 0 >"${dir%/*}/.groups/landfall-lab.${dir##*/}/guest/cgroup.procs"
  STAGE=2 exec unshare --cgroup bash "$0" "$dir"
fi

# /proc is still the machine's: this is how the machine numbers us.
read -r pid _ </proc/self/stat
mount --make-rprivate /

mount -t proc proc "$m/proc"
mount --bind "$m/proc/sys" "$m/proc/sys"; mount --bind "$m/proc/sys/net" "$m/proc/sys/net"
mount -o remount,bind,ro "$m/proc/sys"
# The kernel is the machine's, and so are its boot id and its sysrq.
for shown in boot_id:sys/kernel/random/boot_id cmdline:cmdline; do
  mount --bind "$dir/boot/${shown%%:*}" "$m/proc/${shown#*:}"
  # As the kernel's own, and no filesystem of the guest's that it would have to sync.
  mount -o remount,bind,ro "$m/proc/${shown#*:}"
done
[ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null "$m/proc/sysrq-trigger"
mount -t sysfs sysfs "$m/sys" -o nosuid,nodev,noexec
mount -t overlay overlay -o "ro,lowerdir=$dir/boot/class:$m/sys/class" "$m/sys/class"
mount -t cgroup2 cgroup2 "$m/sys/fs/cgroup" -o nosuid,nodev,noexec
mount -o remount,bind,ro "$m/sys"

mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$m/run"
# A guest that is up at its midnight does not begin its daily work in the middle of a test.
mkdir -p "$m/run/systemd/system"
for timer in dpkg-db-backup e2scrub_all fstrim logrotate; do ln -s /dev/null "$m/run/systemd/system/$timer.timer"; done
# A getty that starts hangs the console up, and the kernel then drops what was written and not yet read: on a terminal that is
# read by a busy machine that may be any line.
for getty in console-getty container-getty@ getty@ serial-getty@; do
  mkdir "$m/run/systemd/system/$getty.service.d"
  printf '[Service]\nTTYVHangup=no\nTTYReset=no\n' >"$m/run/systemd/system/$getty.service.d/lab.conf"
done
mount -t tmpfs -o mode=755,nosuid tmpfs "$m/dev"
mkdir -p "$m/dev/pts" "$m/dev/shm"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$m/dev/shm"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$m/dev/"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$m/dev/pts"
ln -s pts/ptmx "$m/dev/ptmx"; ln -s /proc/self/fd "$m/dev/fd"
ln -s fd/0 "$m/dev/stdin"; ln -s fd/1 "$m/dev/stdout"; ln -s fd/2 "$m/dev/stderr"
touch "$m/dev/console"; mount --bind "$CONSOLE" "$m/dev/console"

hostname localhost
ip link set lo up
if [ "$ETH0" = 1 ]; then   # a veth pair, because not every kernel has a dummy driver
  echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad   # no second or two of duplicate address detection
  ip link add eth0 address 52:54:00:12:34:56 type veth peer name labpeer address 52:54:00:65:43:21
  ip link set labpeer up
fi

echo "$pid" >"$dir/boot/init.pid"
cd "$m"; mkdir -p run/old; pivot_root . run/old; umount -l /run/old; rmdir /run/old
exec 0</dev/console 1>/dev/console 2>&1
# Without CAP_SYS_TIME, MODULE, RAWIO: a provisioned chrony or sysctl must not reach the machine.
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LANG=C \
  setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio --inh-caps=-all \
  /lib/systemd/systemd --system --log-target=journal --show-status=yes
