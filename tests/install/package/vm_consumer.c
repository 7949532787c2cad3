/**
 * A consumer of the installed virtual machine: globals live through iterations, and go with their request.
 *
 * Exits 0 when all holds, 1 with a line on stderr when something does not.
 */
#include "sapivm/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITERATIONS = 50 };

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "vm_consumer: does not hold: %s\n", what);
    exit(1);
}

#define REQUIRE(condition) require((condition), #condition)

/** One iteration: replace a global by a new string; the old one is garbage. */
static void iterate(struct vm *vm, void *context)
{
    int *iteration = context;
    vm_global_set(vm, "greeting", vm_string_value(vm_string_format(vm, "iteration %d", (*iteration)++)));
    vm_safepoint(vm);
}

static void run(enum sm_sapi sapi)
{
    struct vm *vm = NULL;
    struct sm_error error = {0};
    if (vm_create(&(struct vm_config){.manager = {.sapi = sapi, .collect_every_safepoint = true}}, &vm, &error) !=
        SM_OK)
        require(false, error.detail);
    int iteration = 0;
    char expected[32];
    vm_request_begin(vm);
    while (iteration < ITERATIONS)
        REQUIRE(vm_iteration(vm, SM_HERE, iterate, &iteration) == SM_OK);
    struct sm_value greeting = vm_global_get(vm, "greeting");
    REQUIRE(vm_tag_of(greeting) == VM_STRING);
    const struct vm_string *string = vm_as_string(greeting);
    int length = snprintf(expected, sizeof(expected), "iteration %d", ITERATIONS - 1);
    REQUIRE(string->length == (uint64_t)length && memcmp(string->data, expected, string->length) == 0);
    printf("vm, policy %s: \"%.*s\"\n", sm_policy_name(vm_manager(vm)), length, string->data);
    vm_request_end(vm);
    vm_destroy(vm);
}

int main(void)
{
    run(SM_SAPI_CLI);
    run(SM_SAPI_FPM);
    return 0;
}
