/** The harness program. */
#include "cli.h"
#include "signals.h"

int main(int argument_count, char *arguments[])
{
    hx_signals_hold();
    return hx_cli(argument_count, arguments);
}
