/** What the program was built from, as `context.build` of a run has it. */
#ifndef HX_JSON_BUILD_H
#define HX_JSON_BUILD_H

#include <jansson.h>

json_t *hx_json_build(void);

/** The texts as an array. */
json_t *hx_json_texts(size_t count, char *const texts[]);

#endif
