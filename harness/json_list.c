#include "json_list.h"

#include "json_values.h"
#include "sapimem/policy.h"

static json_t *choices_json(const char *const *choices)
{
    if (choices == NULL)
        return json_null();
    json_t *array = json_array();
    for (size_t i = 0; choices[i] != NULL; i++)
        json_array_append_new(array, json_string(choices[i]));
    return array;
}

static json_t *options_json(const struct sm_option *options, size_t option_count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < option_count; i++)
        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", options[i].key, "summary",
                                               options[i].help, "kind", hx_option_kind_name(options[i].kind), "unit",
                                               options[i].unit, "default", options[i].default_text, "choices",
                                               choices_json(options[i].choices)));
    return array;
}

static json_t *capabilities_json(uint32_t capabilities)
{
    json_t *array = json_array();
    for (uint32_t bit = 1; bit != 0; bit <<= 1)
        if ((capabilities & bit) != 0 && sm_capability_name(bit) != NULL)
            json_array_append_new(array, json_string(sm_capability_name(bit)));
    return array;
}

static json_t *item_json(const struct hx_list_item *item)
{
    json_t *object =
        json_pack("{s:s, s:s, s:b, s:s?, s:o, s:o}", "name", item->name, "summary", item->summary, "available",
                  (int)(item->unavailable == NULL), "reason", item->unavailable, "capabilities",
                  capabilities_json(item->capabilities), "options", options_json(item->options, item->option_count));
    if (item->sapi != NULL)
        json_object_set_new(object, "sapi", json_string(item->sapi));
    if (item->kind != NULL) {
        json_object_set_new(object, "kind", json_string(item->kind));
        json_object_set_new(object, "unit", hx_json_text(item->unit));
        json_object_set_new(object, "default", hx_json_text(item->default_text));
        json_object_set_new(object, "choices", choices_json(item->choices));
    }
    return object;
}

static json_t *list_json(const struct hx_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, item_json(&list->items[i]));
    return array;
}

bool hx_json_list_write(const struct hx_list *lists, size_t list_count, FILE *stream)
{
    if (list_count == 1)
        return hx_json_dump(list_json(lists), stream);
    json_t *object = json_object();
    for (size_t i = 0; i < list_count; i++)
        json_object_set_new(object, lists[i].topic, list_json(&lists[i]));
    return hx_json_dump(object, stream);
}
