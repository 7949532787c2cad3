/**
 * What creation asks of a policy before it trusts it.
 */
#ifndef SM_POLICY_CHECK_H
#define SM_POLICY_CHECK_H

#include "sapimem/policy.h"

/**
 * Every required operation is there, and an optional one exactly when its capability bit is set.
 *
 * Errors:      SM_ERR_INVALID_ARGUMENT naming the operation; SM_ERR_UNSUPPORTED when this build cannot run the policy.
 */
sm_status sm_policy_check(const struct sm_policy_ops *ops, struct sm_error *error);

/**
 * Choose the policy that `config` asks for, and parse its options into `values`.
 *
 * Errors:      SM_ERR_INVALID_ARGUMENT with the near names for an unknown one; as sm_policy_check and sm_options_parse.
 */
sm_status sm_policy_select(const struct sm_config *config, const struct sm_policy_ops **ops,
                           struct sm_option_values *values, struct sm_error *error);

#endif
