/**
 * The write itself, for policies whose store_slow has done its own part.
 */
#ifndef SM_STORE_H
#define SM_STORE_H

#include "sapimem/object.h"

/** Write `value`, or the pointer it holds, into `slot`: whole and with release where observers exist. */
void sm_write_slot(struct sm_manager *mm, void *slot, bool is_pointer, struct sm_value value);

#endif
