#!/usr/bin/env bash
# An extension that includes one header, built apart from its host, runs under both SAPI modes.
# shellcheck source=tests/install/installed-package.bash
source "$(dirname "$0")/installed-package.bash"
sources=$SAPIMEM_SOURCE_DIR/tests/install/extension
install_package

# The extension: compiled against the headers alone, linked with nothing.
read -ra package_flags <<<"$(pkg-config --cflags sapimem)"
extension=$work/wordcount_extension.so
quietly "$compiler" "${strict_flags[@]}" "${package_flags[@]}" "${sanitizer_flags[@]}" -shared -fPIC \
    -o "$extension" "$sources/wordcount_extension.c"

# It names one header of the library. What that one brings in is the whole interface of extensions.
included=$(sed -nE 's/^ *# *include "(.*)"/\1/p' "$sources/wordcount_extension.c")
[[ $included == sapimem/extension.h ]] || fail "the extension includes more than sapimem/extension.h: $included"
mapfile -t headers < <("$compiler" "${package_flags[@]}" -M "$sources/wordcount_extension.c" |
    grep -oE '[^[:space:]]+/sapimem/[a-z_]+\.h' | sort -u)
[[ ${#headers[@]} -gt 0 ]] || fail "the extension's headers could not be listed"
for header in "${headers[@]}"; do
    [[ $(realpath "$header") == "$(realpath "$prefix")"/* ]] || fail "$header is not the installed one"
    case $(basename "$header") in
    extension.h | object.h | roots.h | status.h) ;;
    *) fail "an extension should not see $header" ;;
    esac
done

# Nothing that tells the policy or the SAPI, and nothing outside those headers, is among what it takes from the host.
symbols=$(nm -D --undefined-only "$extension" | awk '$2 ~ /^sm_/ {print $2}')
[[ -n $symbols ]] || fail "the extension takes no sm_ symbol from its host"
for symbol in $symbols; do
    grep -qw "$symbol" "${headers[@]}" || fail "$symbol is not declared for extensions"
done
if readelf -d "$extension" | grep -E 'NEEDED.*(sapimem|urcu|mimalloc)'; then
    fail "the extension is linked with a library that belongs to the host"
fi
say "the extension takes from its host: $(tr '\n' ' ' <<<"$symbols")"

cmake_build "$sources" "$work/host"
"$work/host/host" "$extension"
