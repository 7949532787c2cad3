/** The harness program. */
#include "cli.h"

int main(int argument_count, char *arguments[])
{
    return hx_cli(argument_count, arguments);
}
