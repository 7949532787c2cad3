/* Metadata, decoded and made packages of: constraints parsed, links made; versions that differ from a newer one in nothing leave. */
#include "solver.h"

#include "message.h"

#include <assert.h>

/* One version in so many has the requirements of the one after it, and leaves the pool. */
enum { VERSIONS_PER_ALIKE = 8, REQUIRES = 4, DEV_REQUIRES = 3 };

/* ---- Metadata ---- */

struct version {
    struct text_buffer *text;
    const struct solver *solver;
    uint64_t package, number;
    uint64_t major, minor;
};

static void put(const struct version *version, const char *text)
{
    text_buffer_put_text(version->text, text);
}

static void put_member(const struct version *version, const char *key, struct wl_random *random, unsigned word_count)
{
    put(version, "\"");
    put(version, key);
    put(version, "\":\"");
    text_buffer_put_words(version->text, random, word_count);
    put(version, "\",");
}

static void put_package_name(const struct version *version, uint64_t package)
{
    put(version, text_word(package * 7));
    put(version, "/");
    put(version, text_word(package * 3 + package / 64));
    text_buffer_put_number(version->text, package);
}

static void put_reference(const struct version *version, struct wl_random *random)
{
    put(version, "\"reference\":\"");
    for (int i = 0; i < 2; i++)
        text_buffer_put_number(version->text, UINT64_C(1000000000000000000) | wl_random_next(random) >> 4);
    put(version, "\"");
}

static void put_address(const struct version *version, const char *key, const char *suffix)
{
    put(version, "\"");
    put(version, key);
    put(version, "\":\"https://example.org/");
    put_package_name(version, version->package);
    put(version, suffix);
    put(version, "\"");
}

/* A higher package, so that requirements form no circle, in the major version that this one has itself. A newest release may come too early. */
static void put_requirement(const struct version *version, struct wl_random *random)
{
    const struct solver *solver = version->solver;
    uint64_t rest = solver->package_count - version->package - 1;
    uint64_t target = version->package + 1 + wl_random_below(random, rest < 12 ? rest : 12);
    bool is_newest = version->package > 0 && version->number + 1 == solver->version_count;
    bool is_early = is_newest && (double)wl_random_below(random, 1000) < solver->conflicts * 1000;
    uint64_t major = version->major + is_early;
    put(version, "\"");
    put_package_name(version, target);
    put(version, "\":\"^");
    text_buffer_put_number(version->text, major);
    put(version, ".");
    text_buffer_put_number(version->text, wl_random_below(random, 3));
    if (major > 1 && wl_random_chance(random, 1, 2)) {
        put(version, " || ^");
        text_buffer_put_number(version->text, major - 1);
        put(version, ".0");
    }
    put(version, "\"");
}

static void put_requirements(const struct version *version, const char *key, struct wl_random *random, int count)
{
    bool last = version->package + 1 >= version->solver->package_count;
    put(version, "\"");
    put(version, key);
    put(version, "\":{");
    for (int i = 0; i < count && !last; i++) {
        if (i > 0)
            put(version, ",");
        put_requirement(version, random);
    }
    put(version, "},");
}

static void put_head(const struct version *version, struct wl_random *random)
{
    put(version, "{\"name\":\"");
    put_package_name(version, version->package);
    put(version, "\",\"version\":\"");
    text_buffer_put_number(version->text, version->major);
    put(version, ".");
    text_buffer_put_number(version->text, version->minor);
    put(version, ".0\",");
    put_member(version, "description", random, 7);
    put(version, "\"keywords\":[\"");
    text_buffer_put_words(version->text, random, 1);
    put(version, "\",\"");
    text_buffer_put_words(version->text, random, 1);
    put(version, "\"],\"license\":[\"MIT\"],\"authors\":[{");
    put_member(version, "email", random, 1);
    put(version, "\"name\":\"");
    text_buffer_put_words(version->text, random, 2);
    put(version, "\"}],");
}

static void put_origin(const struct version *version, struct wl_random *random)
{
    put(version, "\"source\":{\"type\":\"git\",");
    put_address(version, "url", ".git");
    put(version, ",");
    put_reference(version, random);
    put(version, "},\"dist\":{\"type\":\"zip\",\"shasum\":null,");
    put_address(version, "url", "/archive.zip");
    put(version, ",");
    put_reference(version, random);
    put(version, "},\"type\":\"library\",");
    put_member(version, "time", random, 3);
}

static void put_version(const struct version *version)
{
    const struct solver *solver = version->solver;
    struct wl_random random = wl_random_seeded(solver->metadata_seed + version->package * 100000 + version->number);
    uint64_t like = version->number % VERSIONS_PER_ALIKE == 0 ? version->number + 1 : version->number;
    struct wl_random alike = wl_random_seeded(solver->metadata_seed ^ (version->package * 100000 + like));
    put_head(version, &random);
    put_origin(version, &random);
    put_requirements(version, "require", &alike, REQUIRES);
    put_requirements(version, "require-dev", &alike, DEV_REQUIRES);
    put(version, "\"autoload\":{\"psr-4\":{");
    put_member(version, "Library/Component", &random, 1);
    put(version, "\"Library/Tests\":\"tests/\"}},\"extra\":{\"branch-alias\":{\"dev-main\":\"");
    text_buffer_put_number(version->text, version->major);
    put(version, ".x-dev\"}},\"support\":{");
    put_address(version, "issues", "/issues");
    put(version, ",");
    put_address(version, "source", "/source");
    put(version, "}}");
}

void solver_metadata_write(struct text_buffer *text, const struct solver *solver, uint64_t package)
{
    uint64_t minors = (solver->version_count + SOLVER_MAJORS - 1) / SOLVER_MAJORS;
    text->length = 0;
    text_buffer_put_text(text, "[");
    for (uint64_t i = 0; i < solver->version_count; i++) {
        struct version version = {text, solver, package, i, 1 + i / minors, i % minors};
        if (i > 0)
            text_buffer_put_text(text, ",");
        put_version(&version);
    }
    text_buffer_put_text(text, "]");
}

/* ---- Constraints ---- */

/* Locals of a constraint's frame. */
enum { PARTS, PART, MATCHES, NORMALISED, BOUNDS, CONSTRAINT_LOCALS };

static int64_t digits_at(const struct vm_string *text, size_t *position)
{
    int64_t number = 0;
    while (*position < text->length && text->data[*position] >= '0' && text->data[*position] <= '9')
        number = number * 10 + (text->data[(*position)++] - '0');
    return number;
}

/* Of one digit it is interned, as PHP's is. */
static struct sm_value number_text(struct vm *vm, int64_t number)
{
    char digit = (char)('0' + number % 10);
    if (number >= 10)
        return vm_string_value(text_number(vm, number));
    return vm_value_copy(vm, vm_string_value(vm_intern(vm, &digit, 1)));
}

/* What a pattern with named groups finds: an array of the numbers' texts. */
static void match_numbers(struct solver *solver, const struct vm_string *text, int64_t *major, int64_t *minor)
{
    struct vm *vm = solver_vm(solver);
    size_t position = 0;
    while (position < text->length && (text->data[position] < '0' || text->data[position] > '9'))
        position++;
    *major = digits_at(text, &position);
    position++;
    *minor = digits_at(text, &position);
    vm_local_set(vm, MATCHES, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    struct vm_array *matches = vm_as_array(vm_local_get(vm, MATCHES));
    vm_array_set_index(vm, matches, 0, vm_string_value(text_slice(vm, text, 0, text->length)));
    vm_array_set_key(vm, matches, solver->keys[KEY_MAJOR], number_text(vm, *major));
    vm_array_set_key(vm, matches, solver->keys[KEY_MINOR], number_text(vm, *minor));
    vm_array_set_key(vm, matches, solver->keys[KEY_PATCH], number_text(vm, 0));
    solver_charge(solver);
}

/* "1.2" as 1.2.0.0. Owned. */
static struct vm_string *normalise(struct solver *solver, const struct vm_string *text, int64_t *major, int64_t *minor)
{
    struct vm *vm = solver_vm(solver);
    match_numbers(solver, text, major, minor);
    struct vm_string *version = text_number(vm, *major);
    vm_local_set(vm, NORMALISED, vm_string_value(version));
    char minor_text[32] = ".";
    size_t length = 1 + text_format_number(minor_text + 1, *minor);
    vm_string_append(vm, vm_local_place(vm, NORMALISED), minor_text, length);
    text_append(vm, vm_local_place(vm, NORMALISED), ".0.0");
    vm_local_set(vm, MATCHES, vm_undef());
    solver_charge(solver);
    return vm_as_string(vm_local_take(vm, NORMALISED));
}

/* '>=' . $version: a text that is put together, and hashed to be found. */
static void fold_bound(struct solver *solver, const char *comparison, const struct vm_string *version)
{
    struct vm *vm = solver_vm(solver);
    struct vm_string *bound = text_prefix(vm, comparison, version);
    vm_session_fold(&solver->session, vm_string_hash(bound));
    vm_value_drop(vm, vm_string_value(bound));
}

static void parse_part(struct solver *solver, const struct vm_string *part)
{
    struct vm *vm = solver_vm(solver);
    int64_t major, minor;
    if (part->length == 0)
        return;
    size_t start = part->data[0] == ' ' ? 1 : 0;
    vm_local_set(vm, PART, vm_string_value(text_slice(vm, part, start, part->length - start)));
    struct vm_string *lower = normalise(solver, vm_as_string(vm_local_get(vm, PART)), &major, &minor);
    vm_local_set(vm, PART, vm_string_value(lower));
    fold_bound(solver, ">=", lower);
    /* Patterns that did not match were tried before, and the bounds are compared with those before them. */
    mutator_work_charge(&solver->session.work, 9);
    vm_array_append(vm, vm_as_array(vm_local_get(vm, BOUNDS)), vm_int(major));
    vm_array_append(vm, vm_as_array(vm_local_get(vm, BOUNDS)), vm_int(minor));
    vm_local_set(vm, PART, vm_undef());
    vm_safepoint(vm);
}

static struct vm_object *make_constraint(struct solver *solver, struct vm_string *text)
{
    struct vm *vm = solver_vm(solver);
    struct vm_object *constraint = vm_object_new(vm, solver->classes[SOLVER_CONSTRAINT]);
    vm_object_set(vm, constraint, CONSTRAINT_TEXT, vm_value_copy(vm, vm_string_value(text)));
    vm_object_set(vm, constraint, CONSTRAINT_BOUNDS, vm_local_take(vm, BOUNDS));
    return constraint;
}

/* Parsed each time, kept once: the constraint of this text, borrowed from the table. */
static struct sm_value parse_constraint(struct solver *solver, struct vm_string *text)
{
    struct vm *vm = solver_vm(solver);
    struct vm_array_entry entry;
    vm_frame_enter(vm, CONSTRAINT_LOCALS);
    vm_local_set(vm, PARTS, vm_array_value(text_split(vm, text, '|')));
    vm_local_set(vm, BOUNDS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (size_t position = 0; vm_array_next(vm_as_array(vm_local_get(vm, PARTS)), &position, &entry);)
        parse_part(solver, vm_as_string(entry.value));
    if (vm_tag_of(vm_array_get_key(solver_list(solver, UPDATE_CONSTRAINTS), text)) == VM_UNDEF) {
        struct vm_object *constraint = make_constraint(solver, text);
        vm_array_set_key(vm, solver_write(solver, UPDATE_CONSTRAINTS), text, vm_object_value(constraint));
    }
    vm_frame_leave(vm);
    return vm_array_get_key(solver_list(solver, UPDATE_CONSTRAINTS), text);
}

bool solver_satisfies(const struct vm_object *package, const struct vm_object *constraint)
{
    const struct vm_array *bounds = vm_as_array(vm_object_get(constraint, CONSTRAINT_BOUNDS));
    int64_t major = vm_as_int(vm_object_get(package, PACKAGE_MAJOR));
    int64_t minor = vm_as_int(vm_object_get(package, PACKAGE_MINOR));
    for (size_t i = 0; i + 1 < vm_array_count(bounds); i += 2)
        if (vm_as_int(vm_array_get_index(bounds, (int64_t)i)) == major &&
            minor >= vm_as_int(vm_array_get_index(bounds, (int64_t)i + 1)))
            return true;
    return false;
}

/* ---- Packages ---- */

/* Locals of a package's frame. */
enum { METADATA, PACKAGE, LINKS, PACKAGE_LOCALS };

static struct sm_value member(const struct solver *solver, const struct vm_array *array, enum solver_key key)
{
    return vm_array_get_key(array, solver->keys[key]);
}

static struct vm_object *local_package(const struct solver *solver)
{
    return vm_as_object(vm_local_get(solver_vm(solver), PACKAGE));
}

static void refer(struct solver *solver, struct vm_object *object, uint32_t property, struct sm_value value)
{
    solver_charge(solver);
    vm_object_set(solver_vm(solver), object, property, vm_value_copy(solver_vm(solver), value));
}

static void add_link(struct solver *solver, struct vm_string *target, struct vm_string *text)
{
    struct vm *vm = solver_vm(solver);
    struct sm_value constraint = parse_constraint(solver, text);
    struct vm_object *link = vm_object_new(vm, solver->classes[SOLVER_LINK]);
    refer(solver, link, LINK_SOURCE, vm_object_get(local_package(solver), PACKAGE_NAME));
    refer(solver, link, LINK_TARGET, vm_string_value(target));
    refer(solver, link, LINK_CONSTRAINT, constraint);
    refer(solver, link, LINK_PRETTY_CONSTRAINT, vm_string_value(text));
    vm_array_set_key(vm, vm_as_array(vm_local_get(vm, LINKS)), target, vm_object_value(link));
    solver_charge(solver);
}

static void add_links(struct solver *solver, uint32_t property, enum solver_key key)
{
    struct vm *vm = solver_vm(solver);
    struct vm_array_entry entry;
    struct sm_value required = member(solver, vm_as_array(vm_local_get(vm, METADATA)), key);
    vm_local_set(vm, LINKS, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    for (size_t position = 0; vm_array_next(vm_as_array(required), &position, &entry);)
        add_link(solver, entry.key, vm_as_string(entry.value));
    vm_object_set(vm, local_package(solver), property, vm_local_take(vm, LINKS));
}

static void copy_members(struct solver *solver, const struct vm_array *metadata)
{
    static const struct {
        uint32_t property;
        enum solver_key key;
    } copied[] = {
        {PACKAGE_NAME, KEY_NAME},         {PACKAGE_PRETTY_VERSION, KEY_VERSION}, {PACKAGE_DESCRIPTION, KEY_DESCRIPTION},
        {PACKAGE_KEYWORDS, KEY_KEYWORDS}, {PACKAGE_AUTHORS, KEY_AUTHORS},        {PACKAGE_AUTOLOAD, KEY_AUTOLOAD},
        {PACKAGE_SUPPORT, KEY_SUPPORT},   {PACKAGE_LICENSE, KEY_LICENSE},        {PACKAGE_EXTRA, KEY_EXTRA}};
    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        refer(solver, local_package(solver), copied[i].property, member(solver, metadata, copied[i].key));
    const struct vm_array *source = vm_as_array(member(solver, metadata, KEY_SOURCE));
    const struct vm_array *dist = vm_as_array(member(solver, metadata, KEY_DIST));
    refer(solver, local_package(solver), PACKAGE_SOURCE_REFERENCE, member(solver, source, KEY_REFERENCE));
    refer(solver, local_package(solver), PACKAGE_DIST_URL, member(solver, dist, KEY_URL));
}

static void set_version(struct solver *solver, struct vm_string *text)
{
    struct vm *vm = solver_vm(solver);
    int64_t major, minor;
    vm_frame_enter(vm, CONSTRAINT_LOCALS);
    vm_local_set(vm, PART, vm_value_copy(vm, vm_string_value(text)));
    struct vm_string *normalised = normalise(solver, text, &major, &minor);
    vm_frame_leave(vm);
    vm_object_set(vm, local_package(solver), PACKAGE_VERSION, vm_string_value(normalised));
    vm_object_set(vm, local_package(solver), PACKAGE_MAJOR, vm_int(major));
    vm_object_set(vm, local_package(solver), PACKAGE_MINOR, vm_int(minor));
}

static void load_version(struct solver *solver, struct sm_value metadata)
{
    struct vm *vm = solver_vm(solver);
    vm_frame_enter(vm, PACKAGE_LOCALS);
    vm_local_set(vm, METADATA, vm_value_copy(vm, metadata));
    vm_local_set(vm, PACKAGE, vm_object_value(vm_object_new(vm, solver->classes[SOLVER_PACKAGE])));
    copy_members(solver, vm_as_array(metadata));
    set_version(solver, vm_as_string(vm_object_get(local_package(solver), PACKAGE_PRETTY_VERSION)));
    add_links(solver, PACKAGE_REQUIRES, KEY_REQUIRE);
    add_links(solver, PACKAGE_DEV_REQUIRES, KEY_REQUIRE_DEV);
    vm_array_append(vm, solver_write(solver, UPDATE_LOADED), vm_local_take(vm, PACKAGE));
    vm_frame_leave(vm);
    vm_safepoint(vm);
}

/* The text of the metadata goes when it is decoded; what was decoded stays until all packages are made. */
static void decode_metadata(struct solver *solver, uint64_t package)
{
    struct vm *vm = solver_vm(solver);
    solver_metadata_write(&solver->text, solver, package);
    if (solver->text.failed)
        vm_bailout(vm, SM_ERR_OUT_OF_MEMORY);
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_string_new(vm, solver->text.bytes, solver->text.length)));
    struct sm_value decoded = message_decode(vm, &solver->session.work, vm_as_string(vm_local_get(vm, 0)));
    solver->failed_check |= vm_tag_of(decoded) != VM_ARRAY;
    vm_temporary_push(vm, decoded);
    if (vm_tag_of(decoded) == VM_ARRAY)
        vm_array_append(vm, solver_write(solver, UPDATE_REPOSITORY), vm_value_copy(vm, decoded));
    vm_frame_leave(vm);
}

/* All of it, as a registry answers many requests at once. */
void solver_decode(struct solver *solver)
{
    for (uint64_t package = 0; package < solver->package_count && !solver->failed_check; package++) {
        decode_metadata(solver, package);
        vm_safepoint(solver_vm(solver));
    }
}

void solver_make_packages(struct solver *solver)
{
    struct vm_array_entry versions, version;
    const struct vm_array *repository = solver_list(solver, UPDATE_REPOSITORY);
    for (size_t package = 0; vm_array_next(repository, &package, &versions);)
        for (size_t position = 0; vm_array_next(vm_as_array(versions.value), &position, &version);)
            load_version(solver, version.value);
}

/* ---- The pool ---- */

/* What a package requires, in one text. Owned. */
static struct vm_string *requirement_text(struct solver *solver, const struct vm_object *package)
{
    struct vm *vm = solver_vm(solver);
    struct vm_array_entry entry;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_string_with_capacity(vm, 16)));
    text_append_string(vm, vm_local_place(vm, 0), vm_as_string(vm_object_get(package, PACKAGE_NAME)));
    for (size_t position = 0;
         vm_array_next(vm_as_array(vm_object_get(package, PACKAGE_REQUIRES)), &position, &entry);) {
        text_append_string(vm, vm_local_place(vm, 0), entry.key);
        struct sm_value text = vm_object_get(vm_as_object(entry.value), LINK_PRETTY_CONSTRAINT);
        text_append_string(vm, vm_local_place(vm, 0), vm_as_string(text));
    }
    struct vm_string *text = vm_as_string(vm_local_take(vm, 0));
    vm_frame_leave(vm);
    solver_charge(solver);
    return text;
}

static void add_to_pool(struct solver *solver, struct sm_value package)
{
    struct vm *vm = solver_vm(solver);
    struct vm_string *name = vm_as_string(vm_object_get(vm_as_object(package), PACKAGE_NAME));
    int64_t id = (int64_t)vm_array_count(solver_list(solver, UPDATE_POOL));
    vm_array_append(vm, solver_write(solver, UPDATE_POOL), vm_value_copy(vm, package));
    struct vm_array *by_name = solver_write(solver, UPDATE_BY_NAME);
    if (vm_tag_of(vm_array_get_key(by_name, name)) == VM_UNDEF)
        vm_array_set_key(vm, by_name, name, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_array_append(vm, vm_array_write(vm, vm_array_place_key(by_name, name)), vm_int(id));
}

/* From the newest of a package to the oldest, so that the newest of those alike stays. */
void solver_make_pool(struct solver *solver)
{
    struct vm *vm = solver_vm(solver);
    int64_t count = (int64_t)vm_array_count(solver_list(solver, UPDATE_LOADED));
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    for (int64_t i = count - 1; i >= 0; i--) {
        struct sm_value package = vm_array_get_index(solver_list(solver, UPDATE_LOADED), i);
        vm_local_set(vm, 1, vm_value_copy(vm, package));
        struct vm_string *text = requirement_text(solver, vm_as_object(package));
        vm_temporary_push(vm, vm_string_value(text));
        struct vm_array *seen = vm_as_array(vm_local_get(vm, 0));
        bool is_new = vm_tag_of(vm_array_get_key(seen, text)) == VM_UNDEF;
        if (is_new || vm_array_count(vm_as_array(vm_object_get(vm_as_object(package), PACKAGE_REQUIRES))) == 0) {
            vm_array_set_key(vm, seen, text, vm_bool(true));
            add_to_pool(solver, package);
        }
        vm_value_drop(vm, vm_temporary_pop(vm));
        vm_safepoint(vm);
    }
    vm_frame_leave(vm);
    vm_object_set(vm, solver->state, UPDATE_LOADED, vm_null());
}
