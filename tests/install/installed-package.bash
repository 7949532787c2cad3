# Sourced by the scripts of this folder: installs the build under test into a prefix of its own.
# Sets `work` (removed at exit), `prefix`, and arrays with what a consumer of this build must pass.
# Not named .sh, for every X.sh here is a test.
set -euo pipefail

: "${SAPIMEM_BUILD_DIR:?the build under test, set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"

say() {
    printf '%s: %s\n' "$(basename "$0")" "$*"
}

fail() {
    say "FAILED: $*" >&2
    exit 1
}

skip() {
    say "skipped: $*"
    exit 77
}

# Run a step quietly; show all it said when it fails.
quietly() {
    local log=$work/step.log
    "$@" >"$log" 2>&1 || {
        local status=$?
        cat "$log" >&2
        fail "exit $status from: $*"
    }
}

# The value of a variable in the cache of the build under test.
cached() {
    sed -n "s/^$1:[A-Z]*=//p" "$SAPIMEM_BUILD_DIR/CMakeCache.txt"
}

cmake=$(cached CMAKE_COMMAND)
compiler=$(cached CMAKE_C_COMPILER)
sanitize=$(cached SAPIMEM_SANITIZE)
for tool in "$cmake" "$compiler" pkg-config; do
    command -v "$tool" >/dev/null || skip "$tool is not here"
done

# The inline functions of the headers become part of the consumer, so that it must be instrumented as the library is.
sanitizer_flags=()
if [[ -n $sanitize ]]; then
    sanitizer_flags=("-fsanitize=$sanitize" -fno-sanitize-recover=all -fno-omit-frame-pointer)
fi
strict_flags=(-std=c17 -g -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
    -Wmissing-prototypes -Werror)

work=$(mktemp -d "${TMPDIR:-/tmp}/sapimem-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

# Install; the consumer finds the package by this prefix alone.
install_package() {
    quietly "$cmake" --install "$SAPIMEM_BUILD_DIR" --prefix "$prefix"
    find_pc_files
}

# Point pkg-config at `prefix`, wherever that is now. The rest of its search path stays, for liburcu.
find_pc_files() {
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name sapimem.pc)")
    [[ -n $PKG_CONFIG_PATH && $PKG_CONFIG_PATH != . ]] || fail "no sapimem.pc is installed"
    export PKG_CONFIG_PATH
    # Of use to a build with BUILD_SHARED_LIBS only.
    export LD_LIBRARY_PATH=${PKG_CONFIG_PATH%/pkgconfig}
}

# cmake_build SOURCE BUILD: configure and build a consumer that knows nothing but the prefix.
cmake_build() {
    quietly "$cmake" -S "$1" -B "$2" -G "$(cached CMAKE_GENERATOR)" "-DCMAKE_MAKE_PROGRAM=$(cached CMAKE_MAKE_PROGRAM)" \
        "-DCMAKE_C_COMPILER=$compiler" "-DCMAKE_C_FLAGS=${sanitizer_flags[*]-}" "-DCMAKE_PREFIX_PATH=$prefix" \
        -DCMAKE_BUILD_TYPE=Debug -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
    quietly "$cmake" --build "$2"
    local found
    found=$(sed -n 's/^sapimem_DIR:[A-Z]*=//p' "$2/CMakeCache.txt")
    [[ $found == "$prefix"/* ]] || fail "find_package found another package: $found"
}
