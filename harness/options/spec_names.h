/** `NAME:key=value,...`: taking it apart, and refusing names that nobody has. */
#ifndef HX_SPEC_NAMES_H
#define HX_SPEC_NAMES_H

#include "sapimem/option.h"

/** Copy the name before the colon (cut to the room). Returns the options after it, or NULL when there are none. */
const char *hx_spec_split(const char *spec, char *name, size_t name_bytes);

/** Index of `key` in an option table, or -1. */
int hx_option_index(const struct sm_option *table, size_t option_count, const char *key);

/** Refuse an unknown policy or workload, listing near names or else all of them. Return SM_ERR_INVALID_ARGUMENT. */
sm_status hx_refuse_policy(const char *name, struct sm_error *error);
sm_status hx_refuse_workload(const char *name, struct sm_error *error);

/** Put "--OPTION=SPEC: " before the line that `error` holds. Returns SM_ERR_INVALID_ARGUMENT. */
sm_status hx_refuse_spec(const char *option, const char *spec, struct sm_error *error);

#endif
