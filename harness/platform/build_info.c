#include "build_info.h"

#include "git_version.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* The HX_... texts come from harness/CMakeLists.txt, which defines them for this file alone. */
const struct hx_build_info hx_build_info = {
    .version = HX_VERSION,
    .git_commit = HX_GIT_COMMIT,
    .git_dirty = HX_GIT_DIRTY,
    .compiler = COMPILER,
    .c_flags = HX_C_FLAGS,
    .build_type = HX_BUILD_TYPE,
    .sanitizers = HX_SANITIZERS,
    .assertions = HX_ASSERTIONS,
    .checked = HX_ASSERT_LEVEL == 2,
};
