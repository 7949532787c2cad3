/* What a burst reports: latency from when requests were due, checksums in their order, figures of processes added up. */
#include "burst.h"
#include "check.h"
#include "worker_totals.h"
#include "workloads/checksum.h"

#include <stdlib.h>

static uint64_t milliseconds(uint64_t count)
{
    return count * 1000000;
}

/* A burst's report and records; on the heap, for they are large. */
struct world {
    struct hx_plan plan;
    struct hx_report report;
    struct hx_burst_share share;
    struct hx_worker_totals totals;
    struct hx_worker worker; /* stands for one process after another */
};

static struct world *world_make(unsigned worker_count, uint64_t request_count)
{
    struct world *world = (struct world *)calloc(1, sizeof(*world));
    assert_non_null(world);
    world->plan.burst =
        (struct hx_burst){.is_on = true, .has_arrivals = true, .worker_count = worker_count, .cold_every = 4};
    world->report.plan = &world->plan;
    world->report.burst = (struct hx_burst_report *)calloc(1, sizeof(*world->report.burst));
    assert_non_null(world->report.burst);
    world->report.burst->worker_count = worker_count;
    world->report.burst->has_arrivals = true;
    world->share.request_count = request_count;
    world->share.requests = (struct hx_request_record *)calloc(request_count, sizeof(*world->share.requests));
    assert_non_null(world->share.requests);
    return world;
}

static void world_free(struct world *world)
{
    hx_report_release(&world->report);
    free(world->share.requests);
    free(world);
}

static void serve(struct world *world, uint64_t index, uint64_t due_ms, uint64_t start_ms, uint64_t end_ms)
{
    world->share.requests[index] = (struct hx_request_record){
        .due_ns = milliseconds(due_ms),
        .start_ns = milliseconds(start_ms),
        .end_ns = milliseconds(end_ms),
        .checksum = index + 100,
        .state = HX_REQUEST_DONE,
    };
}

static uint64_t metric(const struct world *world, enum hx_metric_id id)
{
    assert_true(world->report.metrics.is_known[id]);
    return world->report.metrics.value[id];
}

/* A stop of a second: whoever asks only what a request took once begun sees one slow request among ten. */
static void test_latency_counts_from_when_a_request_was_due(void **state)
{
    (void)state;
    struct world *world = world_make(1, 10);
    serve(world, 0, 0, 0, 1000);
    for (uint64_t i = 1; i < 10; i++)
        serve(world, i, 10 * i, 1000 + i - 1, 1000 + i);
    hx_worker_totals_finish(&world->totals, &world->report, &world->share);
    const struct hx_histogram *response = &world->report.burst->response_ns;
    const struct hx_histogram *modelled = &world->report.burst->modelled_ns;
    assert_int_equal(response->count, 10);
    /* 1000 of the first; 1000 + i - 10 i of each of the others. */
    assert_true(response->total == milliseconds(10000 - 9 * 45));
    assert_true(response->maximum == milliseconds(1000));
    assert_true(hx_histogram_quantile(response, 0.1) >= milliseconds(1000 - 9 * 9));
    /* This worker lost no time between requests. */
    assert_true(modelled->total == response->total && modelled->maximum == response->maximum);
    assert_int_equal(metric(world, HX_METRIC_WALL_NS), milliseconds(1009));
    world_free(world);
}

static void test_time_lost_between_requests_is_not_the_queues(void **state)
{
    (void)state;
    struct world *world = world_make(1, 2);
    serve(world, 0, 0, 3, 5);
    serve(world, 1, 1, 9, 10);
    hx_worker_totals_finish(&world->totals, &world->report, &world->share);
    assert_true(world->report.burst->response_ns.total == milliseconds(5 + 9));
    assert_true(world->report.burst->modelled_ns.total == milliseconds(2 + 2));
    world_free(world);
}

static uint64_t checksum_of(const uint64_t *ends_ms, const uint32_t *workers)
{
    struct world *world = world_make(2, 3);
    for (uint64_t i = 0; i < 3; i++) {
        serve(world, i, 0, ends_ms[i] - 1, ends_ms[i]);
        world->share.requests[i].worker = workers[i];
    }
    hx_worker_totals_finish(&world->totals, &world->report, &world->share);
    uint64_t checksum = metric(world, HX_METRIC_CHECKSUM);
    world_free(world);
    return checksum;
}

static void test_the_checksum_is_in_the_order_of_requests(void **state)
{
    (void)state;
    uint64_t expected = WL_CHECKSUM_START;
    for (uint64_t i = 0; i < 3; i++)
        expected = wl_checksum_fold(expected, i + 100);
    expected = wl_checksum_fold(expected, 0);
    assert_int_equal(checksum_of((uint64_t[]){1, 2, 3}, (uint32_t[]){0, 0, 0}), expected);
    assert_int_equal(checksum_of((uint64_t[]){9, 2, 5}, (uint32_t[]){1, 0, 1}), expected);
}

static void test_failed_and_unserved_requests_leave_no_checksum(void **state)
{
    (void)state;
    struct world *world = world_make(2, 9);
    for (uint64_t i = 0; i < 8; i++)
        serve(world, i, i, i, i + 1);
    world->share.requests[2].worker = 1;
    world->share.requests[2].state = HX_REQUEST_FAILED;
    hx_worker_totals_finish(&world->totals, &world->report, &world->share);
    assert_int_equal(metric(world, HX_METRIC_STEPS), 7);
    assert_int_equal(metric(world, HX_METRIC_FAILED_REQUESTS), 1);
    assert_int_equal(metric(world, HX_METRIC_COLD_REQUESTS), 2);
    assert_int_equal(world->report.burst->workers[0].requests, 7);
    assert_int_equal(world->report.burst->workers[1].failed_requests, 1);
    assert_int_equal(world->report.burst->response_ns.count, 7);
    assert_false(world->report.metrics.is_known[HX_METRIC_CHECKSUM]);
    world_free(world);
}

/* A process of place `place` that held so much, and ends. */
static void end_process(struct world *world, unsigned place, uint64_t committed_bytes, uint64_t clock_bytes)
{
    struct hx_worker *worker = &world->worker;
    worker->place = place;
    worker->report = (struct hx_report){.destructor_sum = 5};
    worker->report.sampler.start_ns = world->report.sampler.start_ns;
    worker->report.sampler.count = 1;
    worker->report.sampler.points[0] = (struct hx_sample){
        .t_ns = 10, .clock_bytes = clock_bytes, .committed_bytes = committed_bytes, .garbage_bytes = HX_UNKNOWN};
    worker->report.sampler.last = worker->report.sampler.points[0];
    hx_metrics_set(&worker->report.metrics, HX_METRIC_CPU_NS, 7);
    hx_metrics_set(&worker->report.metrics, HX_METRIC_STEP_ALLOC_BYTES, clock_bytes);
    hx_metrics_set(&worker->report.metrics, HX_METRIC_PEAK_COMMITTED_BYTES, committed_bytes);
    hx_metrics_set(&worker->report.metrics, HX_METRIC_MEAN_FOOTPRINT_BYTES, committed_bytes);
    hx_metrics_set(&worker->report.metrics, HX_METRIC_MAX_RECLAIM_DELAY_NS, committed_bytes);
    hx_worker_totals_add(&world->totals, &world->report, worker);
}

/* Two processes one after another in one place, a third beside them. */
static void test_sizes_are_the_largest_in_time_and_added_side_by_side(void **state)
{
    (void)state;
    struct world *world = world_make(2, 1);
    serve(world, 0, 0, 0, 1);
    end_process(world, 0, 100, 1000);
    end_process(world, 0, 400, 2000);
    end_process(world, 1, 50, 1000);
    hx_worker_totals_finish(&world->totals, &world->report, &world->share);
    assert_int_equal(metric(world, HX_METRIC_CPU_NS), 21);
    assert_int_equal(metric(world, HX_METRIC_PEAK_COMMITTED_BYTES), 450);
    assert_int_equal(metric(world, HX_METRIC_WORKER_PEAK_COMMITTED_BYTES), 400);
    assert_int_equal(metric(world, HX_METRIC_MEAN_FOOTPRINT_BYTES), 300 + 50);
    assert_int_equal(metric(world, HX_METRIC_MAX_RECLAIM_DELAY_NS), 400);
    assert_int_equal(metric(world, HX_METRIC_WORKER_PROCESSES), 3);
    assert_int_equal(world->report.burst->workers[0].process_count, 2);
    assert_int_equal(world->report.destructor_sum, 15);
    world_free(world);
}

static void test_the_series_adds_up_what_is_held_at_the_same_time(void **state)
{
    (void)state;
    struct world *world = world_make(2, 1);
    serve(world, 0, 0, 0, 1);
    end_process(world, 0, 100, 1000);
    end_process(world, 1, 50, 3000);
    hx_worker_totals_finish(&world->totals, &world->report, &world->share);
    const struct hx_sampler *sampler = &world->report.sampler;
    assert_int_equal(sampler->count, 4);
    assert_int_equal(sampler->points[1].committed_bytes, 150);
    assert_int_equal(sampler->points[1].clock_bytes, 4000);
    /* Both have gone. */
    assert_int_equal(sampler->points[3].committed_bytes, 0);
    assert_int_equal(sampler->points[3].clock_bytes, 4000);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latency_counts_from_when_a_request_was_due),
        cmocka_unit_test(test_time_lost_between_requests_is_not_the_queues),
        cmocka_unit_test(test_the_checksum_is_in_the_order_of_requests),
        cmocka_unit_test(test_failed_and_unserved_requests_leave_no_checksum),
        cmocka_unit_test(test_sizes_are_the_largest_in_time_and_added_side_by_side),
        cmocka_unit_test(test_the_series_adds_up_what_is_held_at_the_same_time),
    };
    return cmocka_run_group_tests_name("worker_totals", tests, NULL, NULL);
}
