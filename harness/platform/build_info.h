/**
 * What this program was built from and how: echoed in every result, printed by --version.
 */
#ifndef HX_BUILD_INFO_H
#define HX_BUILD_INFO_H

#include <stdbool.h>

/** All texts are constants; none is NULL. */
struct hx_build_info {
    const char *version;    /**< "0.1.0" */
    const char *git_commit; /**< 40 hexadecimal digits, or "unknown" outside a git tree and its archives */
    bool git_dirty;         /**< what is compiled differed from that commit when it was built */
    const char *compiler;   /**< name and version, "gcc 12.2.0" */
    const char *c_flags;    /**< the flags that change code or speed; warnings are left out */
    const char *build_type; /**< CMake's: Debug, RelWithDebInfo, Release */
    const char *sanitizers; /**< "address,undefined", "thread", or "" */
    const char *assertions; /**< "none", "cheap" or "checked" */
    bool checked;           /**< whole-heap assertions are on: such a build measures nothing */
};

extern const struct hx_build_info hx_build_info;

#endif
