/**
 * A policy that looks after the stores of whoever uses it: the marksweep policy, and beside it an image of every object
 * that was there at the last safepoint, kept up to date by the store barrier alone.
 *
 * At safepoints, in a large heap not at each of them, images and objects are compared. An edge that changed without the
 * barrier is a finding: the young cycle or the concurrent marker of a policy that relies on it would have missed it (R8,
 * R10). What was made since the last comparison has no image, and may be filled in plainly. Goes into
 * sm_config.custom_policy.
 */
#ifndef AUDIT_POLICY_H
#define AUDIT_POLICY_H

#include "sapimem/policy.h"

extern const struct sm_policy_ops audit_policy_ops;

/**
 * Compare now, as a safepoint does. Returns in how many objects something was found since the last call; destroying the
 * manager aborts when there is something that nobody has asked for.
 */
uint64_t audit_policy_take_findings(struct sm_manager *mm);

/** Objects that there are images of: those that a safepoint has seen and that have edges. */
size_t audit_policy_image_count(const struct sm_manager *mm);

#endif
