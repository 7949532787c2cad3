#include "policy_variants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A few dozen objects. */
#define SMALL_THRESHOLD_BYTES (UINT64_C(8) << 10)

static const struct sm_option *find_option(const struct sm_policy_ops *ops, const char *key)
{
    for (size_t i = 0; i < ops->option_count; i++)
        if (strcmp(ops->options[i].key, key) == 0)
            return &ops->options[i];
    return NULL;
}

static struct policy_variant *add(struct policy_variants *variants, const char *name, const char *options)
{
    if (variants->count == POLICY_VARIANTS_MAX)
        abort();
    struct policy_variant *variant = &variants->variants[variants->count++];
    snprintf(variant->text, sizeof(variant->text), "%s%s", name, options);
    return variant;
}

static void add_choices(struct policy_variants *variants, const struct sm_policy_ops *ops, const char *key)
{
    const struct sm_option *option = find_option(ops, key);
    for (size_t i = 0; option != NULL && option->choices[i] != NULL; i++) {
        char options[POLICY_VARIANT_BYTES];
        snprintf(options, sizeof(options), ":%s=%s", key, option->choices[i]);
        if (strcmp(option->choices[i], option->default_text) != 0)
            add(variants, ops->name, options);
    }
}

static void add_collecting(struct policy_variants *variants, const struct sm_policy_ops *ops)
{
    static const struct {
        const char *options;
        enum sm_collector_threads collector_threads;
    } ways[] = {{":young=always,nursery=4K", SM_COLLECTOR_THREADS_NONE},
                {":young=always,nursery=4K", SM_COLLECTOR_THREADS_ONE},
                {":young=never", SM_COLLECTOR_THREADS_NONE},
                {":young=never", SM_COLLECTOR_THREADS_ONE},
                {":marking=stop", SM_COLLECTOR_THREADS_NONE}};
    if (find_option(ops, "young") == NULL || find_option(ops, "marking") == NULL)
        return;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct policy_variant *variant = add(variants, ops->name, ways[i].options);
        variant->collector_threads = ways[i].collector_threads;
        variant->threshold_bytes = SMALL_THRESHOLD_BYTES;
    }
}

struct policy_variants policy_variants_of(const struct sm_policy_ops *ops)
{
    struct policy_variants variants = {0};
    add(&variants, ops->name, "");
    add_choices(&variants, ops, "reclaim");
    add_choices(&variants, ops, "shape");
    if (find_option(ops, "reuse-after") != NULL)
        add(&variants, ops->name, ":reuse-after=0");
    if (find_option(ops, "limit") != NULL)
        add(&variants, ops->name, ":limit=16K");
    add_collecting(&variants, ops);
    return variants;
}

uint32_t policy_variant_capabilities(const struct policy_variant *variant)
{
    struct sm_config config = {.sapi = SM_SAPI_FPM};
    struct sm_manager *mm = NULL;
    struct sm_error error = {0};
    policy_variant_apply(variant, &config);
    if (sm_manager_create(&config, &mm, &error) != SM_OK) {
        fprintf(stderr, "%s\n", error.detail);
        abort();
    }
    uint32_t capabilities = sm_policy_capabilities(mm);
    sm_manager_destroy(mm);
    return capabilities;
}

void policy_variant_name(const struct policy_variant *variant, char *name, size_t name_bytes)
{
    static const char *const suffixes[] = {[SM_COLLECTOR_THREADS_AUTO] = "",
                                           [SM_COLLECTOR_THREADS_NONE] = ",slices",
                                           [SM_COLLECTOR_THREADS_ONE] = ",thread"};
    snprintf(name, name_bytes, "%s%s", variant->text, suffixes[variant->collector_threads]);
}

void policy_variant_apply(const struct policy_variant *variant, struct sm_config *config)
{
    config->policy = variant->text;
    config->collector_threads = variant->collector_threads;
    if (config->pacing == NULL && config->threshold_bytes == 0)
        config->threshold_bytes = variant->threshold_bytes;
}
