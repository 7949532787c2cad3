/*
 * Workload "cli-solver": a dependency solver with a large live graph and no cyclic garbage (story S5 of the study; calibrated
 * to cli-composer-update-solve).
 *
 * A step is one update: the metadata of all versions of all packages is decoded and made objects of, constraints are parsed,
 * versions that are no different leave the pool, rules are made of what is left, and a search by unit propagation decides.
 * What was decoded is dropped when all packages are made, rules and decisions when the search is done; pool and lock stay until the next update.
 */
#include "block_bytes.h"
#include "solver.h"

#include <assert.h>

enum solver_option { OPTION_PACKAGES, OPTION_VERSIONS, OPTION_CONFLICTS, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_PACKAGES] = {"packages", SM_OPTION_COUNT, "packages", "60", 2, 1e5, NULL,
                         "names in the registry: 60 are a quarter of what Composer loaded"},
    [OPTION_VERSIONS] = {"versions", SM_OPTION_COUNT, "versions", "70", 10, 1e5, NULL, "of each package"},
    [OPTION_CONFLICTS] = {"conflicts", SM_OPTION_REAL, "", "0.03", 0, 1, NULL,
                          "share of the newest versions' requirements that ask for a major version that nobody else "
                          "wants: the search goes back"},
};

extern const struct wl_ops wl_cli_solver;

static struct solver *solver_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_solver);
    return (struct solver *)session;
}

void solver_make_list(struct solver *solver, uint32_t property, enum vm_array_kind kind)
{
    struct vm *vm = solver_vm(solver);
    vm_object_set(vm, solver->state, property, vm_array_value(vm_array_new(vm, kind, 0)));
}

/* ---- An update ---- */

void solver_begin(struct solver *solver)
{
    struct vm *vm = solver_vm(solver);
    vm_global_set(vm, "update", vm_undef());
    solver->state = vm_object_new(vm, solver->classes[SOLVER_UPDATE]);
    vm_global_set(vm, "update", vm_object_value(solver->state));
    solver->update = solver->session.instance.steps_done + 1;
    solver->metadata_seed = wl_checksum_fold(solver->session.seed, solver->update);
    solver->propagated = 0;
    solver->conflict_count = 0;
    for (uint32_t property = 0; property < UPDATE_PROPERTIES; property++) {
        bool is_table = property == UPDATE_LOCK || property == UPDATE_CONSTRAINTS || property == UPDATE_BY_NAME;
        solver_make_list(solver, property, is_table ? VM_ARRAY_HASH : VM_ARRAY_PACKED);
    }
}

/* $lock[$name] = ['version' => ..., 'reference' => ...] of each package that was chosen. */
static void write_lock(struct solver *solver)
{
    struct vm *vm = solver_vm(solver);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(solver_list(solver, UPDATE_POOL), &position, &entry);) {
        const struct vm_object *package = vm_as_object(entry.value);
        if (solver_chosen(solver, entry.index) == 0)
            continue;
        struct vm_array *locked = vm_array_new(vm, VM_ARRAY_HASH, 0);
        struct vm_string *name = vm_as_string(vm_object_get(package, PACKAGE_NAME));
        vm_array_set_key(vm, solver_write(solver, UPDATE_LOCK), name, vm_array_value(locked));
        vm_array_set_key(vm, locked, solver->keys[KEY_VERSION],
                         vm_value_copy(vm, vm_object_get(package, PACKAGE_VERSION)));
        vm_array_set_key(vm, locked, solver->keys[KEY_REFERENCE],
                         vm_value_copy(vm, vm_object_get(package, PACKAGE_SOURCE_REFERENCE)));
        vm_safepoint(vm);
    }
}

/* ---- Faults ---- */

static void flip_edge(struct solver *solver)
{
    const struct vm_array *pool = solver_list(solver, UPDATE_POOL);
    struct vm_object *first = vm_as_object(vm_array_get_index(pool, 0));
    struct sm_value last = vm_array_get_index(pool, (int64_t)vm_array_count(pool) - 1);
    struct vm *vm = solver_vm(solver);
    vm_object_set(vm, first, PACKAGE_NAME, vm_value_copy(vm, vm_object_get(vm_as_object(last), PACKAGE_NAME)));
}

static void flip_byte(struct solver *solver)
{
    const struct vm_object *package = vm_as_object(vm_array_get_index(solver_list(solver, UPDATE_POOL), 0));
    vm_as_string(vm_object_get(package, PACKAGE_DESCRIPTION))->data[0] ^= 1;
}

static void inject_faults(struct solver *solver)
{
    if (vm_session_fault_strikes(&solver->session, WL_FAULT_FLIP_EDGE))
        flip_edge(solver);
    if (vm_session_fault_strikes(&solver->session, WL_FAULT_FLIP_BYTE))
        flip_byte(solver);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(solver_list(solver, UPDATE_RULES), &position, &entry);)
        if (vm_session_leak_strikes(&solver->session))
            vm_session_leak(&solver->session, entry.value);
}

/* ---- Reading back ---- */

static void fold_links(struct solver *solver, struct sm_value links)
{
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(links), &position, &entry);) {
        const struct vm_object *link = vm_as_object(entry.value);
        vm_session_fold_value(&solver->session, vm_object_get(link, LINK_PRETTY_CONSTRAINT), 1);
        const struct vm_object *constraint = vm_as_object(vm_object_get(link, LINK_CONSTRAINT));
        vm_session_fold_value(&solver->session, vm_object_get(constraint, CONSTRAINT_BOUNDS), 2);
    }
}

static void fold_pool(struct solver *solver)
{
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(solver_list(solver, UPDATE_POOL), &position, &entry);) {
        const struct vm_object *package = vm_as_object(entry.value);
        for (uint32_t property = PACKAGE_NAME; property <= PACKAGE_VERSION; property++)
            vm_session_fold_value(&solver->session, vm_object_get(package, property), 1);
        vm_session_fold_value(&solver->session, vm_object_get(package, PACKAGE_DESCRIPTION), 1);
        fold_links(solver, vm_object_get(package, PACKAGE_REQUIRES));
    }
}

static void fold_update(struct solver *solver)
{
    struct vm_session *session = &solver->session;
    vm_session_fold(session, solver->found);
    vm_session_fold(session, solver->propagated);
    vm_session_fold(session, solver->conflict_count);
    vm_session_fold(session, vm_array_count(solver_list(solver, UPDATE_RULES)));
    vm_session_fold_value(session, vm_object_get(solver->state, UPDATE_LOCK), 3);
    fold_pool(solver);
    vm_session_fold(session, session->work.accumulator);
}

static void run_update(struct vm_session *session)
{
    struct solver *solver = solver_of(session);
    solver_begin(solver);
    solver_decode(solver);
    if (solver->failed_check)
        return;
    solver_make_packages(solver);
    vm_object_set(session->vm, solver->state, UPDATE_REPOSITORY, vm_null());
    solver_make_pool(solver);
    solver_make_rules(solver);
    solver->found = solver_search(solver);
    write_lock(solver);
    inject_faults(solver);
    fold_update(solver);
    for (uint32_t property = UPDATE_DROPPED; property < UPDATE_PROPERTIES; property++)
        vm_object_set(session->vm, solver->state, property, vm_null());
}

/* ---- The workload ---- */

static const char *const property_names[] = {
    "p0",  "p1",  "p2",  "p3",  "p4",  "p5",  "p6",  "p7",  "p8",  "p9",  "p10", "p11", "p12", "p13",
    "p14", "p15", "p16", "p17", "p18", "p19", "p20", "p21", "p22", "p23", "p24", "p25", "p26", "p27",
    "p28", "p29", "p30", "p31", "p32", "p33", "p34", "p35", "p36", "p37", "p38", "p39", "p40", "p41",
    "p42", "p43", "p44", "p45", "p46", "p47", "p48", "p49", "p50", "p51", "p52",
};

static void define_names(struct solver *solver)
{
    static const char *const key_texts[KEY_COUNT] = {
        "name",     "description", "keywords", "version", "authors",     "source",  "dist",  "reference", "url",
        "autoload", "license",     "extra",    "require", "require-dev", "support", "major", "minor",     "patch"};
    static const struct {
        const char *name;
        uint32_t property_count;
    } classes[SOLVER_CLASSES] = {
        [SOLVER_UPDATE] = {"Update", UPDATE_PROPERTIES},  [SOLVER_PACKAGE] = {"CompletePackage", PACKAGE_PROPERTIES},
        [SOLVER_LINK] = {"Link", LINK_PROPERTIES},        [SOLVER_CONSTRAINT] = {"Constraint", CONSTRAINT_PROPERTIES},
        [SOLVER_RULE] = {"GenericRule", RULE_PROPERTIES},
    };
    struct vm *vm = solver_vm(solver);
    for (int i = 0; i < KEY_COUNT; i++)
        solver->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < SOLVER_CLASSES; i++)
        solver->classes[i] = vm_class_define(vm, classes[i].name, property_names, classes[i].property_count, NULL);
}

static void read_options(struct solver *solver, const struct sm_option_values *values)
{
    solver->package_count = values->value[OPTION_PACKAGES].count;
    solver->version_count = values->value[OPTION_VERSIONS].count;
    solver->conflicts = values->value[OPTION_CONFLICTS].real;
}

static void boot(struct vm_session *session)
{
    struct solver *solver = solver_of(session);
    read_options(solver, session->options);
    define_names(solver);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct solver), &wl_cli_solver, config, boot, instance, error);
}

static void destroy(struct wl_instance *instance)
{
    if (instance != NULL)
        text_buffer_free(&solver_of(vm_session_of(instance))->text);
    vm_session_destroy(instance);
}

static enum wl_step step(struct wl_instance *instance)
{
    enum wl_step result = vm_session_iterate(instance, SM_HERE, run_update);
    if (!solver_of(vm_session_of(instance))->failed_check)
        return result;
    instance->error.status = SM_ERR_INVALID_ARGUMENT;
    strcpy(instance->error.detail, "cli-solver: metadata could not be decoded");
    return WL_STEP_INVALID;
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct solver *solver = solver_of(vm_session_of(instance));
    if (instance->steps_done > 0)
        fold_pool(solver);
    return vm_session_finish(instance);
}

/* ---- Analytic size ---- */

enum { NESTING_MAX = 16 };

static uint64_t array_block_bytes(uint64_t element_count, bool is_hash)
{
    if (element_count == 0)
        return sm_block_bytes(56);
    return is_hash ? block_bytes_hash(element_count) : block_bytes_packed(element_count);
}

/* Block bytes of what a JSON text without escapes is decoded to. */
static uint64_t decoded_block_bytes(const struct text_buffer *text)
{
    uint64_t total = 0, counts[NESTING_MAX] = {0};
    size_t depth = 0;
    for (size_t i = 0; i < text->length; i++) {
        const char *cursor = text->bytes + i;
        if (*cursor == '"') {
            size_t length = (size_t)((const char *)memchr(cursor + 1, '"', text->length - i - 1) - cursor - 1);
            total += block_bytes_string(length);
            i += length + 1;
        } else if (*cursor == '{' || *cursor == '[') {
            counts[++depth] = cursor[1] == '}' || cursor[1] == ']' ? 0 : 1;
        } else if (*cursor == ',') {
            counts[depth]++;
        } else if (*cursor == '}' || *cursor == ']') {
            total += array_block_bytes(counts[depth--], *cursor == '}');
        }
    }
    return total;
}

/* An object, its version's text, and its links: six of seven, for their targets are drawn from twelve, some of them twice. */
static uint64_t package_block_bytes(void)
{
    enum { LINKS = 6 };
    return block_bytes_object(PACKAGE_PROPERTIES) + block_bytes_string(sizeof("1.10.0.0") - 1) +
           2 * block_bytes_hash(LINKS) + LINKS * block_bytes_object(LINK_PROPERTIES);
}

/* When the last package is made: all of them, and all that was decoded. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    struct solver solver = {.metadata_seed = 1};
    uint64_t decoded_bytes = 0;
    read_options(&solver, values);
    uint64_t packages = solver.package_count, versions = packages * solver.version_count;
    uint64_t sample_count = packages < 32 ? packages : 32;
    assert(sample_count > 0);
    for (uint64_t i = 0; i < sample_count; i++) {
        solver_metadata_write(&solver.text, &solver, i * packages / sample_count);
        decoded_bytes += decoded_block_bytes(&solver.text);
    }
    text_buffer_free(&solver.text);
    return decoded_bytes * packages / sample_count + versions * package_block_bytes() + block_bytes_packed(versions) +
           mutator_work_block_bytes();
}

const struct wl_ops wl_cli_solver = {
    .name = "cli-solver",
    .summary =
        "dependency solver: metadata decoded, constraints parsed, rules propagated; a large live graph, no cycles",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 32,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
