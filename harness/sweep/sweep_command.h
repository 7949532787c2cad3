/** `harness sweep`: the cross product of policies, workloads, pacing rules and limits, each cell a fresh process. */
#ifndef HX_SWEEP_COMMAND_H
#define HX_SWEEP_COMMAND_H

/** Sweep with the arguments after the command's name. Returns the exit code. */
int hx_sweep_command(int argument_count, char *const arguments[]);

void hx_sweep_help(void);

#endif
