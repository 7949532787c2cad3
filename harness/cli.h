/** The command line: which command, and what each needs. */
#ifndef HX_CLI_H
#define HX_CLI_H

/** Dispatch the whole command line, the program's name included. Returns the exit code. */
int hx_cli(int argument_count, char *const arguments[]);

#endif
