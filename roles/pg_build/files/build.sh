#!/bin/sh
# build.sh MAJOR KEY PREFIX JOBS FLAG...: builds ./source.tar with configure's FLAGs and packs it as pgsql-KEY.tar.gz.
# The archive holds one directory, PREFIX-KEY without its leading path, with two files of ours in it: .sky_build_id
# (KEY) and .sky_packages (the packages whose libraries the programs are linked with). Everything is in build.log; on
# an error its end is printed.
set -u
# What is packed here is installed with these modes: everybody runs and reads it.
umask 022
major=$1 key=$2 prefix=$3 jobs=$4
shift 4

build() {
    set -eu
    rm -rf source stage
    mkdir source stage
    tar -xf source.tar -C source --strip-components=1
    version=$(sed -n "s/^PACKAGE_VERSION='\(.*\)'/\1/p" source/configure)
    case $version in
    "$major".* | "$major"[a-z]*) ;;
    *) echo "the tarball holds PostgreSQL '$version', wanted is major version $major"; exit 2 ;;
    esac

    cd source
    ./configure "$@" PYTHON=/usr/bin/python3
    # world-bin is world without the documentation, which would need docbook; older releases lack it.
    if grep -q world-bin GNUmakefile.in; then
        make -j "$jobs" world-bin
        make install-world-bin DESTDIR="$PWD/../stage"
    else
        make -j "$jobs" all
        make -j "$jobs" -C contrib all
        make install DESTDIR="$PWD/../stage"
        make -C contrib install DESTDIR="$PWD/../stage"
    fi
    cd ..

    name=${prefix##*/}-$key
    mv "stage$prefix" "stage/$name"
    printf '%s\n' "$key" >"stage/$name/.sky_build_id"
    find "stage/$name/bin" "stage/$name/lib" -type f \( -perm -u+x -o -name '*.so*' \) |
        while read -r file; do ldd "$file" 2>/dev/null || true; done |
        sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u | while read -r library; do owner "$library"; done |
        sort -u >"stage/$name/.sky_packages"
    tar -czf "pgsql-$key.tar.gz.part" -C stage --owner=0 --group=0 "$name"
    mv "pgsql-$key.tar.gz.part" "pgsql-$key.tar.gz"
}

# The package that brought a library; nothing for the build's own. dpkg may know a merged /usr by its old path.
owner() {
    real=$(readlink -f "$1")
    if command -v dpkg >/dev/null; then
        for path in "$real" "${real#/usr}" "/usr$real" "$1" "${1#/usr}"; do
            package=$(dpkg -S "$path" 2>/dev/null | sed -n '1s/:.*//p')
            if [ -n "$package" ]; then echo "$package"; return; fi
        done
    else
        rpm -qf --qf '%{NAME}\n' "$real" 2>/dev/null | grep -v ' ' || true
    fi
}

(build "$@") >build.log 2>&1
code=$?
if [ $code -ne 0 ]; then
    echo "The build failed; the last lines of $PWD/build.log:" >&2
    tail -n 30 build.log >&2
fi
exit $code
