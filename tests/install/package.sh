#!/usr/bin/env bash
# The installed package serves CMake and pkg-config, from where it was installed and from where it was moved to.
# shellcheck source=tests/install/installed-package.bash
source "$(dirname "$0")/installed-package.bash"
sources=$SAPIMEM_SOURCE_DIR/tests/install/package
install_package

has_vm=no
if compgen -G "$SAPIMEM_SOURCE_DIR/lib/vm/src/*.c" >/dev/null; then
    has_vm=yes
fi

# build_and_run LABEL: both ways, from `prefix`.
build_and_run() {
    cmake_build "$sources" "$work/cmake-$1"
    say "$1, find_package:"
    "$work/cmake-$1/consumer"
    if [[ $has_vm == yes ]]; then
        "$work/cmake-$1/vm_consumer"
    fi
    read -ra package_flags <<<"$(pkg-config --static --cflags --libs sapimem)"
    quietly "$compiler" "${strict_flags[@]}" "${sanitizer_flags[@]}" "$sources/consumer.c" "${package_flags[@]}" \
        -o "$work/consumer-$1"
    say "$1, pkg-config --static (version $(pkg-config --modversion sapimem)):"
    "$work/consumer-$1"
}

# Each header must compile on its own, as C and, where there is a compiler for it, as C++.
check_headers() {
    local header flags
    read -ra flags <<<"$(pkg-config --cflags sapimem)"
    for header in "$prefix"/include/sapimem/*.h; do
        echo "#include \"sapimem/$(basename "$header")\"" >"$work/header.c"
        quietly "$compiler" "${strict_flags[@]}" "${flags[@]}" -fsyntax-only "$work/header.c"
        if command -v c++ >/dev/null; then
            quietly c++ -std=c++17 "${flags[@]}" -fsyntax-only -x c++ "$work/header.c"
        fi
    done
    say "every installed header compiles on its own"
}

# A file that names the prefix, the build or the sources would not survive a move.
check_no_fixed_paths() {
    local path
    for path in "$prefix" "$SAPIMEM_BUILD_DIR" "$SAPIMEM_SOURCE_DIR"; do
        # As a whole path: a short one such as /src is also the tail of a folder's name in prose.
        if grep -rIlP "(?<![\w.])\Q$path\E(?![\w.-])" "$prefix"; then
            fail "the files above name $path"
        fi
    done
    say "no installed text file names a place"
}

build_and_run installed
check_headers
check_no_fixed_paths
mkdir "$work/elsewhere"
mv "$prefix" "$work/elsewhere/moved"
prefix=$work/elsewhere/moved
find_pc_files
build_and_run moved
