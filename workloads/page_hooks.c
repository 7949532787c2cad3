/* Filters: a hook's callbacks are called one by one with an argument list that lives for the call. */
#include "page.h"

/* Locals of a filter's frame. */
enum { VALUE, CALLBACKS, ARGUMENTS, REFERENCE, RUNNING, FILTER_LOCALS };

/* What callbacks do; the registry numbers them. */
enum {
    CALLBACK_QUOTES,
    CALLBACK_TRIM,
    CALLBACK_PIECES,
    CALLBACK_ESCAPE,
    CALLBACK_EMPHASISE,
    CALLBACK_NOTHING,
    CALLBACK_KINDS
};

static struct vm_string *value_text(struct vm *vm)
{
    return vm_as_string(vm_local_get(vm, VALUE));
}

static struct sm_value replace_twice(struct vm *vm, const char *search, const char *replacement,
                                     const char *search_next, const char *replacement_next)
{
    struct sm_value first = text_replace(vm, value_text(vm), search, replacement);
    struct sm_value second = text_replace(vm, vm_as_string(first), search_next, replacement_next);
    vm_value_drop(vm, first);
    return second;
}

static struct sm_value trim(struct vm *vm)
{
    struct vm_string *text = value_text(vm);
    size_t start = 0, end = (size_t)text->length;
    while (start < end && text->data[start] == ' ')
        start++;
    while (end > start && text->data[end - 1] == ' ')
        end--;
    if (end - start == text->length)
        return vm_value_copy(vm, vm_string_value(text));
    return vm_string_value(text_slice(vm, text, start, end - start));
}

/* Split at markup, put together again, as texturizing does. */
static struct sm_value split_and_join(struct vm *vm)
{
    struct vm_array *pieces = text_split(vm, value_text(vm), '<');
    struct vm_string *joined = text_join(vm, pieces, "<");
    vm_value_drop(vm, vm_array_value(pieces));
    return vm_string_value(joined);
}

static struct sm_value call(struct vm *vm, int64_t kind)
{
    switch (kind % CALLBACK_KINDS) {
    case CALLBACK_QUOTES:
        return replace_twice(vm, "\"", "&#8221;", "'", "&#8217;");
    case CALLBACK_TRIM:
        return trim(vm);
    case CALLBACK_PIECES:
        return split_and_join(vm);
    case CALLBACK_ESCAPE:
        return vm_string_value(text_escape(vm, value_text(vm)));
    case CALLBACK_EMPHASISE:
        return replace_twice(vm, "market", "<em>market</em>", "&amp;#", "&#");
    default:
        return vm_value_copy(vm, vm_local_get(vm, VALUE));
    }
}

/*
 * The value travels by reference where the callback accepts three arguments. The list stays until the next one is
 * made: it is a variable of the loop over callbacks.
 */
static void make_arguments(struct page *page, struct sm_value subject, bool by_reference)
{
    struct vm *vm = page_vm(page);
    struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, ARGUMENTS, vm_array_value(arguments));
    struct sm_value value = vm_value_copy(vm, vm_local_get(vm, VALUE));
    if (by_reference) {
        value = vm_heap_value(vm_reference_new(vm, value), VM_REFERENCE);
        vm_local_set(vm, REFERENCE, vm_value_copy(vm, value));
    }
    vm_array_append(vm, arguments, value);
    if (vm_tag_of(subject) != VM_UNDEF)
        vm_array_append(vm, arguments, vm_value_copy(vm, subject));
}

static void run_callback(struct page *page, const struct vm_array *callback, struct sm_value subject)
{
    struct vm *vm = page_vm(page);
    int64_t accepted = vm_as_int(vm_array_get_key(callback, page->keys[PAGE_KEY_ACCEPTED]));
    int64_t kind = vm_as_int(vm_array_get_key(callback, page->keys[PAGE_KEY_KIND]));
    bool by_reference = accepted == 3;
    make_arguments(page, subject, by_reference);
    struct sm_value result = call(vm, kind);
    if (by_reference) {
        vm_reference_set(vm, vm_as_reference(vm_local_get(vm, REFERENCE)), vm_value_copy(vm, result));
        vm_local_set(vm, REFERENCE, vm_undef());
    }
    vm_local_set(vm, VALUE, result);
    page_work(page, 3);
    vm_safepoint(vm);
}

/* What the registry notes of a running hook, for nested calls and current_filter(). */
static void note_running(struct page *page, enum page_hook hook)
{
    struct vm *vm = page_vm(page);
    struct vm_array *running = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, RUNNING, vm_array_value(running));
    vm_array_set_key(vm, running, page->keys[PAGE_KEY_NAME],
                     vm_value_copy(vm, vm_string_value(page->hook_names[hook])));
    vm_array_set_key(vm, running, page->keys[PAGE_KEY_PRIORITY], vm_int(10));
    vm_array_set_key(vm, running, page->keys[PAGE_KEY_DEPTH], vm_int((int64_t)vm_frame_depth(vm)));
    page_work(page, 2);
}

/* has_filter() of the hook for this kind of subject alone: a name that is put together, looked up and thrown away. */
static void look_for_special_hook(struct page *page, enum page_hook hook, struct sm_value subject)
{
    struct vm *vm = page_vm(page);
    const char *kind = vm_tag_of(subject) == VM_OBJECT ? vm_as_object(subject)->class_entry->name->data : "Site";
    struct vm_string *name = vm_string_format(vm, "%s_%s", page->hook_names[hook]->data, kind);
    vm_session_fold(&page->request.session, vm_tag_of(vm_array_get_key(page_global(page, "hooks"), name)));
    vm_value_drop(vm, vm_string_value(name));
    page_work(page, 1);
}

struct sm_value page_filter(struct page *page, enum page_hook hook, struct sm_value text, struct sm_value subject)
{
    struct vm *vm = page_vm(page);
    vm_frame_enter(vm, FILTER_LOCALS);
    vm_local_set(vm, VALUE, text);
    look_for_special_hook(page, hook, subject);
    note_running(page, hook);
    struct sm_value callbacks = vm_array_get_key(page_global(page, "hooks"), page->hook_names[hook]);
    vm_local_set(vm, CALLBACKS, vm_value_copy(vm, callbacks));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(vm_local_get(vm, CALLBACKS)), &position, &entry);)
        run_callback(page, vm_as_array(entry.value), subject);
    struct sm_value result = vm_local_take(vm, VALUE);
    vm_frame_leave(vm);
    return result;
}

struct vm_array *page_arguments(struct page *page, enum page_key key, struct sm_value value)
{
    static const enum page_key defaults[] = {PAGE_KEY_BEFORE, PAGE_KEY_AFTER,  PAGE_KEY_CLASS, PAGE_KEY_ECHO,
                                             PAGE_KEY_DEPTH,  PAGE_KEY_FORMAT, PAGE_KEY_KIND,  PAGE_KEY_SLUG};
    struct vm *vm = page_vm(page);
    vm_temporary_push(vm, value);
    struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_HASH, 0);
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        vm_array_set_key(vm, arguments, page->keys[defaults[i]], vm_int((int64_t)i));
    vm_array_set_key(vm, arguments, page->keys[key], vm_temporary_pop(vm));
    page_work(page, 2);
    return arguments;
}
