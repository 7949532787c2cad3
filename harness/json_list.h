/** Lists of what can be chosen, as JSON. */
#ifndef HX_JSON_LIST_H
#define HX_JSON_LIST_H

#include "list.h"

#include <stdbool.h>
#include <stdio.h>

/** One list becomes an array of objects; several become an object of arrays, by topic. False: it could not be written. */
bool hx_json_list_write(const struct hx_list *lists, size_t list_count, FILE *stream);

#endif
