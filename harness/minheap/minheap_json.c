#include "minheap_json.h"

#include "json_build.h"
#include "json_values.h"

#include <string.h>

enum { SCHEMA_VERSION = 1 };

bool hx_minheap_read_status(int document_fd, char status[HX_STATUS_BYTES])
{
    json_t *document = json_loadfd(document_fd, 0, NULL);
    const char *text = json_string_value(json_object_get(document, "status"));
    if (text != NULL)
        snprintf(status, HX_STATUS_BYTES, "%s", text);
    json_decref(document);
    return text != NULL;
}

static json_t *probes_json(const struct hx_minheap *minheap)
{
    json_t *array = json_array();
    for (size_t i = 0; i < minheap->probe_count; i++) {
        const struct hx_minheap_probe *probe = &minheap->probes[i];
        json_array_append_new(array, json_pack("{s:o, s:s, s:o}", "limit_bytes", hx_json_count(probe->limit_bytes),
                                               "status", probe->status, "wall_ns", hx_json_count(probe->wall_ns)));
    }
    return array;
}

bool hx_minheap_write(const struct hx_minheap *minheap, size_t argument_count, char *const arguments[], FILE *stream)
{
    json_t *document =
        json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "schema_version", SCHEMA_VERSION, "build", hx_json_build(),
                  "arguments", hx_json_texts(argument_count, arguments), "minheap_bytes", hx_json_count(minheap->bytes),
                  "precision_bytes", hx_json_count(minheap->precision_bytes), "probes", probes_json(minheap));
    return hx_json_dump(document, stream);
}

bool hx_minheap_read(const char *path, size_t argument_count, char *const arguments[], uint64_t *bytes)
{
    json_t *document = json_load_file(path, 0, NULL);
    json_t *build = hx_json_build(), *texts = hx_json_texts(argument_count, arguments);
    json_int_t number = json_integer_value(json_object_get(document, "minheap_bytes"));
    bool is_same = json_equal(json_object_get(document, "build"), build) != 0 &&
                   json_equal(json_object_get(document, "arguments"), texts) != 0 && number > 0;
    if (is_same)
        *bytes = (uint64_t)number;
    json_decref(texts);
    json_decref(build);
    json_decref(document);
    return is_same;
}
