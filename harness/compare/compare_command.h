/** `harness compare A B [--json] [--all]`: two sets of results beside each other. */
#ifndef HX_COMPARE_COMMAND_H
#define HX_COMPARE_COMMAND_H

/** Compare with the arguments after the command's name. Returns the exit code. */
int hx_compare_command(int argument_count, char *const arguments[]);

void hx_compare_help(void);

#endif
