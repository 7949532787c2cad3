/** `harness trace info|check FILE`: whether a trace is valid, and what it holds. */
#ifndef HX_TRACE_COMMAND_H
#define HX_TRACE_COMMAND_H

/** Run with the arguments after the command's name. Returns the exit code. */
int hx_trace_command(int argument_count, char *const arguments[]);

void hx_trace_help(void);

#endif
