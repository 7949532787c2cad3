#include "list.h"

#include "json_list.h"
#include "run_command.h"
#include "run_options.h"
#include "sapimem/policy.h"
#include "spec_names.h"
#include "workloads/workload.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hx_list_item *add(struct hx_list *list, const char *name, const char *summary)
{
    assert(list->count < HX_LIST_MAX);
    struct hx_list_item *item = &list->items[list->count++];
    *item = (struct hx_list_item){.name = name, .summary = summary};
    return item;
}

static void collect_policies(struct hx_list *list)
{
    const struct sm_policy_ops *ops;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL; i++) {
        struct hx_list_item *item = add(list, ops->name, ops->summary);
        item->unavailable = ops->unavailable;
        item->capabilities = ops->capabilities;
        item->options = ops->options;
        item->option_count = ops->option_count;
    }
}

static void add_workload(struct hx_list *list, const char *name, const struct wl_ops *ops)
{
    struct hx_list_item *item = add(list, name, ops->summary);
    item->options = ops->options;
    item->option_count = ops->option_count;
    item->sapi = ops == &wl_trace ? "the trace's" : ops->sapi == SM_SAPI_FPM ? "fpm" : "cli";
}

static void collect_workloads(struct hx_list *list)
{
    for (size_t i = 0; wl_table(i) != NULL; i++)
        add_workload(list, wl_table(i)->name, wl_table(i));
    add_workload(list, "trace:FILE", &wl_trace);
}

static const char *run_option_kind(enum hx_option_kind kind)
{
    static const char *const names[] = {
        [HX_KIND_SIZE] = "size", [HX_KIND_COUNT] = "count",   [HX_KIND_REAL] = "real",
        [HX_KIND_FLAG] = "flag", [HX_KIND_CHOICE] = "choice", [HX_KIND_TEXT] = "text",
    };
    return names[kind];
}

static void collect_run_options(struct hx_list *list)
{
    for (int id = 0; id < HX_OPTION_COUNT; id++) {
        const struct hx_option *option = hx_option((enum hx_option_id)id);
        struct hx_list_item *item = add(list, option->name, option->help);
        item->kind = run_option_kind(option->kind);
        item->unit = option->unit;
        item->default_text = option->default_text != NULL ? option->default_text : option->default_note;
        item->choices = option->choices;
    }
}

/* Options of the policy or workload called `name`, as a list of their own. */
static bool collect_options_of(struct hx_list *list, const char *name)
{
    const struct sm_policy_ops *policy = sm_policy_find(name);
    const struct wl_ops *workload = strcmp(name, "trace") == 0 ? &wl_trace : wl_find(name);
    if (policy == NULL && workload == NULL)
        return false;
    const struct sm_option *options = policy != NULL ? policy->options : workload->options;
    size_t count = policy != NULL ? policy->option_count : workload->option_count;
    for (size_t i = 0; i < count; i++) {
        struct hx_list_item *item = add(list, options[i].key, options[i].help);
        item->kind = hx_option_kind_name(options[i].kind);
        item->unit = options[i].unit;
        item->default_text = options[i].default_text;
        item->choices = options[i].choices;
    }
    return true;
}

static const struct {
    const char *name;
    void (*collect)(struct hx_list *list);
} topics[] = {{"policies", collect_policies}, {"workloads", collect_workloads}, {"options", collect_run_options}};

enum { TOPIC_COUNT = sizeof(topics) / sizeof(topics[0]) };

const char *hx_option_kind_name(enum sm_option_kind kind)
{
    static const char *const names[] = {
        [SM_OPTION_SIZE] = "size", [SM_OPTION_COUNT] = "count",   [SM_OPTION_REAL] = "real",
        [SM_OPTION_BOOL] = "bool", [SM_OPTION_CHOICE] = "choice",
    };
    return names[kind];
}

/* Names of all that has options of its own: `list options NAME` takes them too. Returns how many. */
static size_t add_option_owners(const char **names, size_t room)
{
    size_t count = 0;
    for (size_t i = 0; sm_policy_table(i) != NULL && count < room; i++)
        names[count++] = sm_policy_table(i)->name;
    for (size_t i = 0; wl_table(i) != NULL && count < room; i++)
        names[count++] = wl_table(i)->name;
    if (count < room)
        names[count++] = "trace";
    return count;
}

static int refuse_name(const char *name, const struct hx_list *list)
{
    struct sm_error error;
    const char *names[2 * HX_LIST_MAX];
    char near[160];
    size_t count = 0;
    for (; count < list->count; count++)
        names[count] = list->items[count].name;
    if (strcmp(list->topic, "options") == 0)
        count += add_option_owners(names + count, HX_LIST_MAX);
    sm_near_names(name, names, count, near, sizeof(near));
    hx_refuse(&error, "list %s %.60s: unknown name; expected one %s%s", list->topic, name,
              near[0] != '\0' ? "such as " : "that harness list shows", near);
    return hx_exit_refused(error.detail);
}

/* Keeps only the item called `name`; false when there is none. */
static bool narrow(struct hx_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) != 0)
            continue;
        list->items[0] = list->items[i];
        list->count = 1;
        return true;
    }
    return false;
}

static void print_option_line(const struct sm_option *option)
{
    printf("      %s=%s%s%s", option->key, option->default_text, *option->unit != '\0' ? " " : "", option->unit);
    for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++)
        printf("%s%s", i == 0 ? " (" : "|", option->choices[i]);
    printf("%s  %s\n", option->choices != NULL ? ")" : "", option->help);
}

static void print_capabilities(uint32_t capabilities)
{
    const char *separator = "      can: ";
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        if ((capabilities & bit) == 0 || sm_capability_name(bit) == NULL)
            continue;
        printf("%s%s", separator, sm_capability_name(bit));
        separator = ", ";
    }
    if (*separator == ',')
        putchar('\n');
}

static void print_list(const struct hx_list *list)
{
    printf("%s:\n", list->topic);
    for (size_t i = 0; i < list->count; i++) {
        const struct hx_list_item *item = &list->items[i];
        printf("  %-24s %s", item->name, item->summary);
        if (item->sapi != NULL)
            printf(" [%s]", item->sapi);
        if (item->default_text != NULL)
            printf(" [%s]", item->default_text);
        if (item->unavailable != NULL)
            printf(" (not available: %s)", item->unavailable);
        putchar('\n');
        print_capabilities(item->capabilities);
        for (size_t j = 0; j < item->option_count; j++)
            print_option_line(&item->options[j]);
    }
}

static int show(const struct hx_list *lists, size_t list_count, bool as_json)
{
    if (as_json)
        return hx_json_list_write(lists, list_count, stdout) ? HX_EXIT_OK
               : ferror(stdout)                              ? HX_EXIT_FAILED
                                                             : hx_exit_refused("out of memory");
    for (size_t i = 0; i < list_count; i++)
        print_list(&lists[i]);
    return HX_EXIT_OK;
}

static int list_topic(size_t topic, const char *name, bool as_json, struct hx_list *list)
{
    list->topic = topics[topic].name;
    bool is_options_of = topics[topic].collect == collect_run_options && name != NULL && collect_options_of(list, name);
    if (!is_options_of) {
        topics[topic].collect(list);
        if (name != NULL && !narrow(list, name))
            return refuse_name(name, list);
    }
    return show(list, 1, as_json);
}

static int list_everything(bool as_json, struct hx_list *lists)
{
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        lists[i].topic = topics[i].name;
        topics[i].collect(&lists[i]);
    }
    return show(lists, TOPIC_COUNT, as_json);
}

static int list_named(const char *topic, const char *name, bool as_json, struct hx_list *lists)
{
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        if (strcmp(topics[i].name, topic) == 0)
            return list_topic(i, name, as_json, lists);
    struct sm_error error;
    hx_refuse(&error, "list %.60s: expected policies, workloads or options", topic);
    return hx_exit_refused(error.detail);
}

static int refuse_argument(const char *argument)
{
    struct sm_error error;
    hx_refuse(&error, "list %.60s: expected [policies|workloads|options [NAME]] [--json]", argument);
    return hx_exit_refused(error.detail);
}

int hx_list_command(int argument_count, char *const arguments[])
{
    const char *words[2] = {NULL, NULL};
    size_t word_count = 0;
    bool as_json = false;
    for (int i = 0; i < argument_count; i++) {
        if (strcmp(arguments[i], "--json") == 0)
            as_json = true;
        else if (arguments[i][0] == '-' || word_count == 2)
            return refuse_argument(arguments[i]);
        else
            words[word_count++] = arguments[i];
    }
    struct hx_list *lists = (struct hx_list *)calloc(TOPIC_COUNT, sizeof(*lists));
    if (lists == NULL)
        return hx_exit_refused("out of memory");
    int code = words[0] == NULL ? list_everything(as_json, lists) : list_named(words[0], words[1], as_json, lists);
    free(lists);
    return code;
}

void hx_list_help(void)
{
    puts("usage: harness list [policies|workloads|options [NAME]] [--json]\n\n"
         "What there is to choose from. `options NAME` lists the options of a policy or workload.");
}
