/* The boehm policy where its library is missing: it keeps its place in every list, and says why it cannot run. */
#include "sapimem/policy.h"

const struct sm_policy_ops sm_policy_boehm = {
    .name = "boehm",
    .summary = "bdwgc: conservative marking, what a C programmer would pick",
    .unavailable = "libgc was not found at build time",
};
