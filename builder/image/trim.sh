#!/bin/sh
# Run inside a fresh builder image: takes out what no build needs, which is most of its size.
set -eu
rm -rf /usr/share/doc /usr/share/locale /usr/share/man /usr/share/info /usr/share/bash-completion
rm -rf /var/cache/apt/* /var/cache/debconf/*-old /var/lib/apt/lists/* /var/log/*
rm -f /usr/bin/ctr /usr/bin/scalar /usr/bin/pzstd

# Of the emulators only those of the platforms that images are published for.
for emulator in /usr/bin/qemu-*; do
    case "${emulator##*/qemu-}" in
        aarch64 | arm | i386 | ppc64le | riscv64 | s390x | x86_64) ;;
        *) rm -f "$emulator" ;;
    esac
done
