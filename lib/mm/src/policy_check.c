#include "policy_check.h"

#include "error.h"

#include <stdio.h>
#include <string.h>

enum { POLICY_NAME_BYTES = 64, POLICIES_MAX = 32 };

/** One operation: where its pointer is, and the capability it belongs to; 0: required of all. */
struct operation {
    const char *name;
    size_t offset;
    uint32_t capability;
};

#define OPERATION(field, capability) \
    { \
#field, offsetof(struct sm_policy_ops, field), capability \
    }

/* `refill` is missing: what it must be depends on the inline form. */
static const struct operation operations[] = {
    OPERATION(create, 0),
    OPERATION(destroy, 0),
    OPERATION(alloc_slow, 0),
    OPERATION(resize, SM_CAP_RESIZE),
    OPERATION(free, SM_CAP_FREE),
    OPERATION(store_slow, SM_CAP_BARRIER),
    OPERATION(value_dead, SM_CAP_COUNTS),
    OPERATION(value_candidate, SM_CAP_COUNTS),
    OPERATION(known_dead, SM_CAP_DEATHS),
    OPERATION(guard_register, SM_CAP_PIN),
    OPERATION(guard_unregister, SM_CAP_PIN),
    OPERATION(pin, SM_CAP_PIN),
    OPERATION(unpin, SM_CAP_PIN),
    OPERATION(repin, SM_CAP_PIN),
    OPERATION(offline, SM_CAP_PIN),
    OPERATION(online, SM_CAP_PIN),
    OPERATION(safepoint, 0),
    OPERATION(collect, SM_CAP_COLLECT),
    OPERATION(retire, SM_CAP_RETIRE),
    OPERATION(weak_make, SM_CAP_WEAK),
    OPERATION(weak_get, SM_CAP_WEAK),
    OPERATION(finalizer_register, 0),
    OPERATION(request_begin, 0),
    OPERATION(request_end, 0),
    OPERATION(quiesce, 0),
    OPERATION(walk, 0),
    OPERATION(stats, 0),
    OPERATION(is_valid, 0),
    OPERATION(epoch_of, SM_CAP_EPOCH_TAGS),
};

static bool is_present(const struct sm_policy_ops *ops, const struct operation *operation)
{
    /* All operations are function pointers of one size; which signature it is does not matter here. */
    void (*function)(void) = NULL;
    memcpy(&function, (const char *)ops + operation->offset, sizeof(function));
    return function != NULL;
}

static sm_status check_operation(const struct sm_policy_ops *ops, const struct operation *operation,
                                 struct sm_error *error)
{
    bool wanted = operation->capability == 0 || (ops->capabilities & operation->capability) != 0;
    if (is_present(ops, operation) == wanted)
        return SM_OK;
    if (operation->capability == 0)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "policy %s lacks the required operation %s", ops->name,
                            operation->name);
    return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "policy %s %s operation %s, but its capability %s is %s",
                        ops->name, wanted ? "lacks" : "has", operation->name, sm_capability_name(operation->capability),
                        wanted ? "set" : "clear");
}

/* Guarantees that mean nothing without an operation. */
static sm_status check_needs(const struct sm_policy_ops *ops, struct sm_error *error)
{
    static const struct {
        uint32_t capability, needs;
    } pairs[] = {{SM_CAP_OBSERVERS, SM_CAP_PIN}, {SM_CAP_CONCURRENT, SM_CAP_COLLECT}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        uint32_t both = pairs[i].capability | pairs[i].needs;
        if ((ops->capabilities & both) == pairs[i].capability)
            return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "policy %s: capability %s needs capability %s",
                                ops->name, sm_capability_name(pairs[i].capability), sm_capability_name(pairs[i].needs));
    }
    return SM_OK;
}

sm_status sm_policy_check(const struct sm_policy_ops *ops, struct sm_error *error)
{
    if (ops->unavailable != NULL)
        return sm_error_set(error, SM_ERR_UNSUPPORTED, "policy %s: %s", ops->name, ops->unavailable);
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        sm_status status = check_operation(ops, &operations[i], error);
        if (status != SM_OK)
            return status;
    }
    if (ops->form != SM_FORM_NONE && ops->refill == NULL)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "policy %s lacks operation refill for its inline form",
                            ops->name);
    return check_needs(ops, error);
}

/* Near names, or all of them when none is near. */
static void unknown_policy(const char *name, struct sm_error *error)
{
    const char *names[POLICIES_MAX];
    size_t count = 0;
    char list[SM_DETAIL_BYTES / 2] = "";
    for (const struct sm_policy_ops *ops = sm_policy_table(0); ops != NULL && count < POLICIES_MAX;
         ops = sm_policy_table(count))
        names[count++] = ops->name;
    sm_near_names(name, names, count, list, sizeof(list));
    if (list[0] != '\0') {
        sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "policy '%s' is unknown; did you mean %s?", name, list);
        return;
    }
    size_t length = 0;
    for (size_t i = 0; i < count && length < sizeof(list); i++)
        length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s", i == 0 ? "" : ", ", names[i]);
    sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "policy '%s' is unknown; expected one of %s", name, list);
}

/* The policy named before the colon; NULL with the line in `error`. */
static const struct sm_policy_ops *find_named(const char *text, struct sm_error *error)
{
    char name[POLICY_NAME_BYTES];
    size_t length = strcspn(text, ":");
    if (length >= sizeof(name))
        length = sizeof(name) - 1;
    memcpy(name, text, length);
    name[length] = '\0';
    const struct sm_policy_ops *ops = sm_policy_find(name);
    if (ops == NULL)
        unknown_policy(name, error);
    return ops;
}

/* What stands after the colon; NULL for nothing. */
static const char *options_of(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon == NULL ? NULL : colon + 1;
}

static sm_status check_and_parse(const struct sm_policy_ops *ops, const char *options, struct sm_option_values *values,
                                 struct sm_error *error)
{
    sm_status status = sm_policy_check(ops, error);
    if (status != SM_OK)
        return status;
    char owner[POLICY_NAME_BYTES];
    snprintf(owner, sizeof(owner), "policy %s", ops->name);
    return sm_options_parse(owner, ops->options, ops->option_count, options, values, error);
}

sm_status sm_policy_select(const struct sm_config *config, const struct sm_policy_ops **ops,
                           struct sm_option_values *values, struct sm_error *error)
{
    const struct sm_policy_ops *found = config->custom_policy;
    const char *options = config->policy;
    if (found == NULL) {
        const char *by_sapi = config->sapi == SM_SAPI_FPM ? "arena" : "epoch";
        const char *text = config->policy != NULL ? config->policy : by_sapi;
        found = find_named(text, error);
        options = options_of(text);
    }
    if (found == NULL)
        return SM_ERR_INVALID_ARGUMENT;
    *ops = found;
    return check_and_parse(found, options, values, error);
}
