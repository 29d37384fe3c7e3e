#!/bin/sh
# Run in a throw-away Debian that has the packages of confined.txt: gathers below $1/kaniko all that the agent of a confined
# builder needs. kaniko unpacks images over the root and wipes it, so nothing of it may need a file outside of /kaniko:
# programs get a loader and libraries of their own.
set -eu
out=$1/kaniko
version=$(python3 -c 'import sys; print(f"{sys.version_info.major}.{sys.version_info.minor}")')
mkdir -p "$out/bin" "$out/lib" "$out/ssl/certs"

cp /bin/busybox "$out/bin/busybox"
cp /usr/bin/tini-static "$out/tini"
cp "$(readlink -f /usr/bin/python3)" "$out/bin/python3"
cp /usr/bin/git /usr/bin/zstd "$out/bin/"
cp "$(readlink -f /usr/lib/git-core/git-remote-http)" "$out/bin/git-remote-http"
ln -sf git-remote-http "$out/bin/git-remote-https"
cp /etc/ssl/certs/ca-certificates.crt "$out/ssl/certs/"

cp -r "/usr/lib/python$version" "$out/lib/python$version"
for part in dist-packages ensurepip idlelib pydoc_data site-packages test tkinter turtledemo; do
    rm -rf "${out:?}/lib/python$version/$part"
done
find "$out" -name __pycache__ -prune -exec rm -rf {} +
python3 -m compileall -q -s "$1" -p / "$out/lib/python$version"

loader=$(readlink -f "$(patchelf --print-interpreter "$out/bin/python3")")
cp "$loader" "$out/lib/ld.so"
find "$out" "${2:-$out}" -type f \( -name '*.so' -o -name '*.so.*' -o -path "$out/bin/*" \) ! -name ld.so |
    while read -r file; do ldd "$file" 2>/dev/null || true; done |
    sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u |
    while read -r library; do cp -L "$library" "$out/lib/"; done
for program in python3 git git-remote-http zstd; do
    patchelf --set-interpreter /kaniko/lib/ld.so --force-rpath --set-rpath /kaniko/lib "$out/bin/$program"
done
