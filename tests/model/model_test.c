/* The model test's program: every policy in every mode on one stream, or what the options say. */
#include "stream.h"

#include "policy_variants.h"
#include "thread_coverage.h"

#include <getopt.h>
#include <stdlib.h>

static const char usage[] =
    "usage: model_test [--policy=NAME[:options]] [--modes=N] [--seed=N] [--operations=N[k|m]] [--check-every=N]\n"
    "                  [--fail-after=N] [--collector-threads=auto|none|one] [--threshold=BYTES] [--deep]\n"
    "\n"
    "Runs the random operations of a seed on the VM and on a plain oracle, and compares. Without --policy every\n"
    "available policy runs, without --modes in every mode that it has, and in the other ways in which it reclaims and\n"
    "collects (policy_variants.h); each with N operations.\n"
    "  --modes        sum of 1 (FPM requests), 2 (a cycle at every safepoint, one after every operation), 4 (memory\n"
    "                 limit), 8 (sharing counts), 16 (prompt destructors)\n"
    "  --fail-after   the Nth request for memory from the system fails, once\n"
    "  --collector-threads, --threshold  who marks beside the program; bytes allocated between automatic cycles (0: a\n"
    "                 cycle each 256 KiB, with the program stopped)\n"
    "  --check-every  operations between comparisons; --deep looks up every address in the heap's walk too\n"
    "A failing stream is shortened and printed. Exits 0 when all agree, 1 when something differs, 2 on bad usage.\n";

struct options {
    const char *policy;
    bool has_modes;
    unsigned modes;
    uint64_t seed, operations, check_every, fail_after;
    struct policy_variant variant; /**< of the options; without a text: those of policy_variants_of */
    bool is_deep;
    struct model_figures sums; /**< of all runs */
};

static uint64_t parse_count(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (*end == 'k' || *end == 'm')
        number *= *end++ == 'k' ? 1000 : 1000000;
    if (end == text || *end != '\0') {
        fprintf(stderr, "model_test: '%s' is no count\n%s", text, usage);
        exit(2);
    }
    return number;
}

static const char *const thread_names[] = {
    [SM_COLLECTOR_THREADS_AUTO] = "auto", [SM_COLLECTOR_THREADS_NONE] = "none", [SM_COLLECTOR_THREADS_ONE] = "one"};

static enum sm_collector_threads parse_threads(const char *text)
{
    for (size_t i = 0; i < sizeof(thread_names) / sizeof(thread_names[0]); i++)
        if (strcmp(text, thread_names[i]) == 0)
            return (enum sm_collector_threads)i;
    fprintf(stderr, "model_test: '%s' is none of auto, none, one\n%s", text, usage);
    exit(2);
}

static struct options parse(int argument_count, char **arguments)
{
    static const struct option known[] = {{"policy", required_argument, NULL, 'p'},
                                          {"modes", required_argument, NULL, 'm'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"operations", required_argument, NULL, 'n'},
                                          {"check-every", required_argument, NULL, 'c'},
                                          {"fail-after", required_argument, NULL, 'f'},
                                          {"collector-threads", required_argument, NULL, 't'},
                                          {"threshold", required_argument, NULL, 'b'},
                                          {"deep", no_argument, NULL, 'd'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.seed = 1, .operations = test_scale(7000, 2500, 3500), .check_every = 100};
    int option;
    while ((option = getopt_long(argument_count, arguments, "", known, NULL)) != -1) {
        switch (option) {
        case 'p':
            options.policy = optarg;
            break;
        case 'm':
            options.modes = (unsigned)parse_count(optarg), options.has_modes = true;
            break;
        case 's':
            options.seed = parse_count(optarg);
            break;
        case 'n':
            options.operations = parse_count(optarg);
            break;
        case 'c':
            options.check_every = parse_count(optarg);
            break;
        case 'f':
            options.fail_after = parse_count(optarg);
            break;
        case 't':
            options.variant.collector_threads = parse_threads(optarg);
            break;
        case 'b':
            options.variant.threshold_bytes = parse_count(optarg);
            break;
        case 'd':
            options.is_deep = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind == argument_count && (options.modes & ~(unsigned)MODEL_MODE_MASK) == 0)
        return options;
    fputs(usage, stderr);
    exit(2);
}

static void add(struct model_figures *sums, const struct model_figures *figures)
{
    sums->operations += figures->operations;
    sums->bailouts += figures->bailouts;
    sums->young_cycles += figures->young_cycles;
    sums->concurrent_cycles += figures->concurrent_cycles;
    for (int i = 0; i < MODEL_CODE_COUNT; i++)
        sums->finished_code_counts[i] += figures->finished_code_counts[i];
}

/*
 * What never frees is given no more than it can hold; and small thresholds are for many cycles, each of which may meet
 * an operation at another moment. `ops` is NULL where the options say how many operations there are.
 */
static uint64_t operations_for(const struct options *options, const struct sm_policy_ops *ops,
                               const struct policy_variant *variant)
{
    enum { UNCOLLECTED_MAX = 200000, SMALL_THRESHOLD_FACTOR = 6 };
    if (ops == NULL)
        return options->operations;
    if (variant->threshold_bytes != 0)
        return options->operations * SMALL_THRESHOLD_FACTOR;
    bool collects = (ops->capabilities & SM_CAP_COLLECT) != 0;
    return collects || options->operations < UNCOLLECTED_MAX ? options->operations : UNCOLLECTED_MAX;
}

/* All but the seed and the length; what is not said is the default. */
static void print_variant(const struct policy_variant *variant, unsigned modes)
{
    printf("policy=%s modes=%u", variant->text, modes);
    if (variant->collector_threads != SM_COLLECTOR_THREADS_AUTO || variant->threshold_bytes != 0)
        printf(" collector-threads=%s threshold=%llu", thread_names[variant->collector_threads],
               (unsigned long long)variant->threshold_bytes);
}

static void print_replay(const struct policy_variant *variant, const struct model_config *config,
                         const struct model_stream *stream)
{
    printf("replay: model_test --policy=%s --modes=%u --seed=%llu --operations=%llu --check-every=%llu "
           "--collector-threads=%s --threshold=%llu%s\n",
           variant->text, config->modes, (unsigned long long)stream->seed, (unsigned long long)stream->operations,
           (unsigned long long)config->check_every, thread_names[variant->collector_threads],
           (unsigned long long)variant->threshold_bytes, config->is_deep ? " --deep" : "");
}

/* True: agrees. */
static bool run_one(struct options *options, const struct sm_policy_ops *ops, const struct policy_variant *variant,
                    unsigned modes)
{
    struct model_config config = {.policy = variant->text,
                                  .modes = modes,
                                  .collector_threads = variant->collector_threads,
                                  .threshold_bytes = variant->threshold_bytes,
                                  .check_every = options->check_every,
                                  .is_deep = options->is_deep,
                                  .fail_alloc_after = options->fail_after};
    struct model_stream stream = {.seed = options->seed, .operations = operations_for(options, ops, variant)};
    struct model_figures figures;
    enum model_outcome outcome = model_stream_try(&stream, &config, &figures, false);
    add(&options->sums, &figures);
    printf("%s: ", outcome == MODEL_AGREES ? "agrees" : "DIFFERS");
    print_variant(variant, modes);
    printf(" seed=%llu operations=%llu: %llu run, %llu checks, %llu destructors, %llu refused, "
           "%llu young and %llu concurrent cycles\n",
           (unsigned long long)stream.seed, (unsigned long long)stream.operations,
           (unsigned long long)figures.operations, (unsigned long long)figures.checks,
           (unsigned long long)figures.destructors, (unsigned long long)figures.bailouts,
           (unsigned long long)figures.young_cycles, (unsigned long long)figures.concurrent_cycles);
    if (outcome == MODEL_AGREES)
        return true;
    print_replay(variant, &config, &stream);
    if (outcome != MODEL_REFUSED)
        model_stream_shrink(&stream, &config);
    return false;
}

/* The modes that say something about a policy: how a scheme of sharing counts is moot where everything is counted. */
static bool is_worth(const struct sm_policy_ops *ops, unsigned modes)
{
    bool counts_all = (ops->capabilities & SM_CAP_COUNTS) != 0;
    bool collects = (ops->capabilities & SM_CAP_COLLECT) != 0;
    if ((modes & (MODEL_SHARING_COUNTS | MODEL_PROMPT)) != 0 && counts_all)
        return false;
    if ((modes & MODEL_COLLECT_ALWAYS) != 0 && !collects)
        return false;
    return strcmp(ops->name, "arena") != 0 || (modes & MODEL_FPM) != 0;
}

/* The other ways in which a policy reclaims and collects. */
static unsigned run_variants(struct options *options, const struct sm_policy_ops *ops, unsigned modes)
{
    struct policy_variants variants = policy_variants_of(ops);
    unsigned differing = 0;
    for (size_t i = 1; i < variants.count; i++)
        differing += !run_one(options, ops, &variants.variants[i], modes);
    return differing;
}

/*
 * Emergencies meet every way; so do prompt destructors, which run between any two steps of a cycle, and requests, which end
 * in the midst of one.
 */
static unsigned run_variants_in_modes(struct options *options, const struct sm_policy_ops *ops)
{
    static const unsigned modes[] = {MODEL_LIMIT, MODEL_SHARING_COUNTS | MODEL_PROMPT, MODEL_FPM};
    unsigned differing = 0;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (is_worth(ops, modes[i]))
            differing += run_variants(options, ops, modes[i]);
    return differing;
}

static unsigned run_plain(struct options *options, const struct sm_policy_ops *ops, unsigned modes)
{
    struct policy_variants variants = policy_variants_of(ops);
    return !run_one(options, ops, &variants.variants[0], modes);
}

static unsigned run_policy(struct options *options, const struct sm_policy_ops *ops)
{
    static const unsigned modes[] = {0,
                                     MODEL_FPM,
                                     MODEL_COLLECT_ALWAYS,
                                     MODEL_LIMIT,
                                     MODEL_FPM | MODEL_LIMIT,
                                     MODEL_SHARING_COUNTS,
                                     MODEL_SHARING_COUNTS | MODEL_PROMPT,
                                     MODEL_COLLECT_ALWAYS | MODEL_SHARING_COUNTS | MODEL_PROMPT};
    unsigned differing = 0;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (is_worth(ops, modes[i]))
            differing += run_plain(options, ops, modes[i]);
    return differing + run_variants_in_modes(options, ops);
}

static unsigned require(uint64_t count, const char *what)
{
    if (count == 0)
        printf("DIFFERS: no %s\n", what);
    return count == 0;
}

/* A test that never did something has not tested it. */
static unsigned require_all_done(const struct model_figures *sums)
{
    unsigned missing = 0;
    for (unsigned code = 0; code < MODEL_CODE_COUNT; code++) {
        if (sums->finished_code_counts[code] != 0)
            continue;
        printf("DIFFERS: no run did anything by %s\n", model_code_name(code));
        missing++;
    }
    return missing + require(sums->bailouts, "operation was refused memory") +
           require(sums->young_cycles, "young cycle ran") +
           require(sums->concurrent_cycles, "cycle ran beside a program");
}

int main(int argument_count, char **arguments)
{
    struct options options = parse(argument_count, arguments);
    const struct sm_policy_ops *ops;
    unsigned differing = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (options.policy != NULL) {
        snprintf(options.variant.text, sizeof(options.variant.text), "%s", options.policy);
        return run_one(&options, NULL, &options.variant, options.modes) ? 0 : 1;
    }
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL; i++) {
        if (ops->unavailable != NULL)
            printf("left out: policy=%s: %s\n", ops->name, ops->unavailable);
        else if (!is_run_in_this_build(ops->capabilities))
            printf("left out: policy=%s: without threads\n", ops->name);
        else if (options.has_modes)
            differing += run_plain(&options, ops, options.modes) + run_variants(&options, ops, options.modes);
        else
            differing += run_policy(&options, ops);
    }
    if (!options.has_modes)
        differing += require_all_done(&options.sums);
    printf("%llu operations in all\n", (unsigned long long)options.sums.operations);
    return differing == 0 ? 0 : 1;
}
