/*
 * What plugins add at boot and what lives to the request's end, most of it for other pages than this: filters, block
 * types, translations.
 */
#include "page.h"

enum {
    HOOKS_PER_PLUGIN = 9,
    CALLBACKS_PER_HOOK = 3,
    BLOCK_TYPES_PER_PLUGIN = 4,
    ATTRIBUTES_PER_BLOCK_TYPE = 5,
    TRANSLATIONS_PER_PLUGIN = 30
};

static void add_filters(struct page *page, uint64_t plugin)
{
    struct vm *vm = page_vm(page);
    for (int i = 0; i < HOOKS_PER_PLUGIN; i++) {
        struct vm_string *hook =
            vm_string_format(vm, "plugin_%llu_%s", (unsigned long long)plugin, text_word((uint64_t)i));
        for (int j = 0; j < CALLBACKS_PER_HOOK; j++)
            page_add_filter(page, hook, i + j);
        vm_value_drop(vm, vm_string_value(hook));
        vm_safepoint(vm);
    }
}

/* ---- Block types: what a block of that type may be given ---- */

static void add_attribute(struct page *page, struct vm_array *attributes, enum page_key name)
{
    struct vm *vm = page_vm(page);
    struct vm_array *attribute = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, attributes, page->keys[name], vm_array_value(attribute));
    vm_array_set_key(vm, attribute, page->keys[PAGE_KEY_KIND], vm_int(name));
    vm_array_set_key(vm, attribute, page->keys[PAGE_KEY_TEXT],
                     vm_string_value(text_words(vm, &page->request.random, 2)));
    page_work(page, 3);
}

static void register_block_type(struct page *page, uint64_t number)
{
    struct vm *vm = page_vm(page);
    struct vm_string *name = vm_string_format(vm, "plugin/block-%llu", (unsigned long long)number);
    struct vm_object *type = vm_object_new(vm, page->classes[CLASS_BLOCK_TYPE]);
    vm_array_set_key(vm, page_global(page, "block_types"), name, vm_object_value(type));
    vm_object_set(vm, type, BLOCK_TYPE_NAME, vm_string_value(name));
    vm_object_set(vm, type, BLOCK_TYPE_TITLE, vm_string_value(text_words(vm, &page->request.random, 3)));
    struct vm_array *attributes = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_object_set(vm, type, BLOCK_TYPE_ATTRIBUTES, vm_array_value(attributes));
    for (int i = 0; i < ATTRIBUTES_PER_BLOCK_TYPE; i++)
        add_attribute(page, attributes, (enum page_key)i);
    page_work(page, 4);
    vm_safepoint(vm);
}

/* ---- Translations: what the code says => what is shown ---- */

static void load_translations(struct page *page, uint64_t plugin)
{
    struct vm *vm = page_vm(page);
    for (uint64_t i = 0; i < TRANSLATIONS_PER_PLUGIN; i++) {
        struct vm_string *original =
            vm_string_format(vm, "%s %s %llu", text_word(plugin), text_word(i), (unsigned long long)i);
        vm_array_set_key(vm, page_global(page, "translations"), original,
                         vm_string_value(text_words(vm, &page->request.random, 1 + (unsigned)i % 5)));
        vm_value_drop(vm, vm_string_value(original));
        page_work(page, 2);
    }
    vm_safepoint(vm);
}

void page_load_plugins(struct page *page)
{
    struct vm *vm = page_vm(page);
    (void)request_global_new(vm, "block_types", VM_ARRAY_HASH);
    (void)request_global_new(vm, "translations", VM_ARRAY_HASH);
    for (uint64_t plugin = 0; plugin < page->options.plugin_count; plugin++) {
        add_filters(page, plugin);
        for (uint64_t i = 0; i < BLOCK_TYPES_PER_PLUGIN; i++)
            register_block_type(page, plugin * BLOCK_TYPES_PER_PLUGIN + i);
        load_translations(page, plugin);
    }
}
