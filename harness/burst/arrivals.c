#include "arrivals.h"

#include "run_options.h"
#include "sapimem/option.h"
#include "spec_names.h"
#include "workloads/random.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { OPTION_BURST, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_BURST] = {"burst", SM_OPTION_REAL, "requests", "1", 1, 1e6, NULL, "mean requests of a burst"},
};

static const double rate_minimum = 0.001, rate_maximum = 1e6;

static sm_status parse_rate(const char *text, size_t length, double *rate)
{
    char number[64];
    if (length >= sizeof(number))
        return SM_ERR_INVALID_ARGUMENT;
    memcpy(number, text, length);
    number[length] = '\0';
    if (sm_real_parse(number, rate) != SM_OK || *rate < rate_minimum || *rate > rate_maximum)
        return SM_ERR_INVALID_ARGUMENT;
    return SM_OK;
}

sm_status hx_arrivals_parse(const char *text, struct hx_arrivals *arrivals, struct sm_error *error)
{
    struct sm_option_values values;
    size_t length = strcspn(text, ",");
    if (parse_rate(text, length, &arrivals->rate_per_s) != SM_OK)
        return hx_refuse(error, "--arrivals=%.80s: expected RATE[,burst=B], RATE %g to %g requests a second", text,
                         rate_minimum, rate_maximum);
    const char *options = text[length] == ',' ? text + length + 1 : NULL;
    if (sm_options_parse("arrivals", option_table, OPTION_COUNT, options, &values, error) != SM_OK)
        return hx_refuse_spec("arrivals", text, error);
    arrivals->burst = values.value[OPTION_BURST].real;
    return SM_OK;
}

/* Uniform in (0, 1], so that its logarithm is finite. */
static double draw_fraction(struct wl_random *random)
{
    return (double)((wl_random_next(random) >> 11) + 1) * 0x1p-53;
}

static double draw_gap_ns(struct wl_random *random, double mean_ns)
{
    return -log(draw_fraction(random)) * mean_ns;
}

/* Geometric on 1, 2, ... by inversion. */
static double draw_burst(struct wl_random *random, double mean)
{
    return mean > 1 ? 1 + floor(log(draw_fraction(random)) / log1p(-1 / mean)) : 1;
}

void hx_arrivals_draw(const struct hx_arrivals *arrivals, uint64_t seed, uint64_t *due_ns, size_t count)
{
    struct wl_random random = wl_random_seeded(seed ^ UINT64_C(0x6172726976616c73));
    double mean_gap_ns = 1e9 * arrivals->burst / arrivals->rate_per_s;
    double now_ns = 0, left = 0;
    for (size_t i = 0; i < count; i++) {
        if (left < 1) {
            now_ns += draw_gap_ns(&random, mean_gap_ns);
            left = draw_burst(&random, arrivals->burst);
        }
        left--;
        due_ns[i] = (uint64_t)now_ns;
    }
}

void hx_arrivals_model_queue(const uint64_t *due_ns, const uint64_t *service_ns, size_t count, unsigned worker_count,
                             uint64_t *start_ns)
{
    uint64_t free_ns[HX_WORKERS_MAX] = {0};
    assert(worker_count >= 1 && worker_count <= HX_WORKERS_MAX);
    for (size_t i = 0; i < count; i++) {
        unsigned first = 0;
        for (unsigned worker = 1; worker < worker_count; worker++)
            if (free_ns[worker] < free_ns[first])
                first = worker;
        start_ns[i] = due_ns[i] > free_ns[first] ? due_ns[i] : free_ns[first];
        free_ns[first] = start_ns[i] + service_ns[i];
    }
}
