/** `harness list [policies|workloads|options [NAME]] [--json]`: what there is to choose from. */
#ifndef HX_LIST_H
#define HX_LIST_H

#include "sapimem/option.h"

#include <stddef.h>
#include <stdint.h>

/** List with the arguments after the command's name. Returns the exit code. */
int hx_list_command(int argument_count, char *const arguments[]);

void hx_list_help(void);

/** One thing that can be chosen. Texts that do not apply are NULL. */
struct hx_list_item {
    const char *name;
    const char *summary;
    const char *unavailable; /**< why not; NULL: available */
    uint32_t capabilities;   /**< enum sm_capability */
    const struct sm_option *options;
    size_t option_count;
    const char *sapi; /**< of a workload */
    const char *kind; /**< of an option: "size", "count", ... */
    const char *unit;
    const char *default_text;
    const char *const *choices; /**< NULL-terminated */
};

enum { HX_LIST_MAX = 64 };

struct hx_list {
    const char *topic;
    size_t count;
    struct hx_list_item items[HX_LIST_MAX];
};

/** Name of an option's kind as lists show it ("size", "count", ...). */
const char *hx_option_kind_name(enum sm_option_kind kind);

#endif
