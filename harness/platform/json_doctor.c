#include "json_doctor.h"

#include "json_values.h"

bool hx_json_doctor_write(const struct hx_findings *findings, const struct hx_histogram *hiccups_ns, FILE *stream)
{
    json_t *checks = json_array();
    json_int_t warning_count = 0;
    for (size_t i = 0; i < findings->count; i++) {
        const struct hx_finding *finding = &findings->list[i];
        warning_count += finding->verdict == HX_SOUNDNESS_WARNING;
        json_array_append_new(checks,
                              json_pack("{s:s, s:s, s:o, s:o}", "check", finding->check, "verdict",
                                        hx_soundness_name(finding->verdict), "detail", hx_json_text(finding->detail),
                                        "advice", hx_json_text(finding->advice)));
    }
    return hx_json_dump(json_pack("{s:o, s:I, s:o}", "checks", checks, "warnings", warning_count, "hiccups",
                                  hx_json_histogram(hiccups_ns)),
                        stream);
}
