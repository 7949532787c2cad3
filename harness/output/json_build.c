#include "json_build.h"

#include "build_info.h"
#include "json_values.h"

json_t *hx_json_build(void)
{
    const struct hx_build_info *build = &hx_build_info;
    return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s}", "version", build->version, "git_commit",
                     build->git_commit, "git_dirty", (int)build->git_dirty, "compiler", build->compiler, "c_flags",
                     build->c_flags, "build_type", build->build_type, "sanitizers", build->sanitizers, "assertions",
                     build->assertions);
}

json_t *hx_json_texts(size_t count, char *const texts[])
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, hx_json_text(texts[i]));
    return array;
}
