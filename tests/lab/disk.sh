#!/bin/bash
# disk.sh mount|unmount|remount|sync|cut|fail DIR: the storage of one host, in its keeper's mount namespace. LOWER, REPO and MIRROR are directories, DISK is
#   directory    upper layer in DIR itself; the page cache survives everything
#   ext4-upper   upper layer on a loop-mounted ext4 image
#   ext4-whole   the whole root on a loop-mounted ext4 image, no overlay
set -eu
dir=$2

attach_image() {
  # No background zeroing of inode tables: it would be the only writer of a quiet host.
  mount -t ext4 -o loop,noinit_itable "$dir/disk.img" "$1"
}

mount_all() {
  mkdir -p "$dir/merged"
  case $DISK in
    directory) upper=$dir/upper work=$dir/work;;
    ext4-upper) mkdir -p "$dir/disk"; attach_image "$dir/disk"; upper=$dir/disk/upper work=$dir/disk/work;;
    ext4-whole) attach_image "$dir/merged"; upper=;;
  esac
  if [ -n "$upper" ]; then
    mkdir -p "$upper" "$work"
    mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$upper,workdir=$work,redirect_dir=off,index=off,metacopy=off" "$dir/merged"
  fi
  mount --bind -o ro "$REPO" "$dir/merged/srv/repo"
  mount --bind -o ro "$MIRROR" "$dir/merged/srv/mirror"
}

# The namespace of a guest that just died is taken apart by the kernel a moment later, and holds on to the file system until then.
# Mounting again before that would give back the shut-down file system instead of replaying the journal.
unmount_all() {
  local device='' tries=0
  [ "$DISK" = directory ] || device=$(findmnt -n -o SOURCE "$(ext4_mount)")
  while grep -q " $dir/\(merged\|disk\)" /proc/self/mountinfo; do
    umount -q -R "$dir/merged" || true
    umount -q "$dir/disk" || true
    tries=$((tries + 1)); [ $tries -lt 500 ] || { echo "cannot unmount $dir" >&2; exit 1; }
    [ $tries = 1 ] || sleep 0.01
  done
  while [ -n "$device" ] && [ "$(cat "/sys/block/${device##*/}/loop/backing_file" 2>/dev/null)" = "$dir/disk.img" ]; do
    tries=$((tries + 1)); [ $tries -lt 500 ] || { echo "$device is still mounted somewhere" >&2; exit 1; }
    sleep 0.01
  done
}

ext4_mount() { if [ "$DISK" = ext4-whole ]; then echo "$dir/merged"; else echo "$dir/disk"; fi; }

case $1 in
  mount) mount_all;;
  unmount) unmount_all;;
  remount) unmount_all; mount_all;;
  sync) sync -f "$dir/merged";;
  fail)
    # EXT4_IOC_SHUTDOWN alone: from now on whatever reads or writes gets an I/O error, and what the journal did not hold is lost.
    perl -e 'use strict; use Fcntl;
      my ($disk) = @ARGV;
      sysopen(my $d, $disk, O_RDONLY) or die "$disk: $!";
      my $flags = pack("L", 2);
      ioctl($d, 0x8004587d, $flags) or die "shutdown: $!";' "$(ext4_mount)"
    ;;
  cut)
    # One process for both, so that nothing runs in between that sees its disk fail:
    # EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (the journal is not flushed), then SIGKILL to the whole control group.
    perl -e 'use strict; use Fcntl;
      my ($disk, $group) = @ARGV;
      sysopen(my $d, $disk, O_RDONLY) or die "$disk: $!";
      open(my $k, ">", "$group/cgroup.kill") or die "$group: $!";
      my $flags = pack("L", 2);
      ioctl($d, 0x8004587d, $flags) or die "shutdown: $!";
      syswrite($k, "1") or die "kill: $!";' "$(ext4_mount)" "${dir%/*}/.groups/landfall-lab.${dir##*/}/guest"
    ;;
esac
