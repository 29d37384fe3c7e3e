#!/bin/sh
# enclose.sh daemon|shell FROM:TO:DEVICE.INODE... -- PROGRAM...
#
# Runs PROGRAM as the first process of a fresh PID and mount namespace (the caller has made both, with
# `unshare`), where nothing of the agent can be seen: its processes are not in /proc, its files lie below /run or
# /tmp, which are new and empty here. What is shared is named, each FROM appearing as TO, and stays writable. DEVICE.INODE is
# the directory that FROM must be: a link that a step has put there instead could lead to the agent's files. All
# else of the root file system is read-only, so that no program that the agent starts later can be replaced.
# `shell` gives away more: no devices but the harmless ones, no writable /proc, nothing in /sys, Docker's default
# capabilities at most.
set -eu
kind=$1
shift
mount -t tmpfs -o mode=700,nosuid,nodev none /mnt
count=0
shared=
while [ "$1" != -- ]; do
    identity=${1##*:} pair=${1%:*}
    from=${pair%:*} to=${pair##*:}
    mkdir -p "/mnt/$count" "$to"
    mount --rbind "$from" "/mnt/$count"
    if [ "$(stat --format=%d.%i "/mnt/$count")" != "$identity" ]; then
        echo "a shared directory has been replaced" >&2
        exit 125
    fi
    shared="$shared $to"
    count=$((count + 1))
    shift
done
shift
mount -t tmpfs -o mode=755,nosuid,nodev none /run
mount -t tmpfs -o mode=1777,nosuid,nodev none /tmp
number=0
for to in $shared; do
    mkdir -p "$to"
    mount --move "/mnt/$number" "$to"
    number=$((number + 1))
done
umount /mnt
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -o remount,bind,ro /
if [ "$kind" = daemon ]; then
    if [ -e /proc/sysrq-trigger ]; then
        mount --bind /proc/sysrq-trigger /proc/sysrq-trigger
        mount -o remount,bind,ro /proc/sysrq-trigger
    fi
    exec tini -- "$@"
fi
mount -o remount,bind,ro /proc
for hidden in /sys /var/lib/docker; do
    [ ! -d "$hidden" ] || mount -t tmpfs -o ro,mode=755 none "$hidden"
done
mount -t tmpfs -o mode=700,nosuid none /mnt
for device in null zero full random urandom tty; do
    : >"/mnt/$device"
    mount --bind "/dev/$device" "/mnt/$device"
done
mount --rbind /mnt /dev
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mkdir -m 1777 /dev/shm
chmod 755 /dev
kept=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+sys_chroot,+setfcap
exec setpriv --no-new-privs --inh-caps=-all --bounding-set="$kept" "$@"
