#!/usr/bin/env bash
# What Snakemake asks of a job: success, failed or running. Without it a job that was killed would be waited for for ever.
# Slurm forgets a job some minutes after its end, so a job that it does not know is one that failed without a trace.
set -uo pipefail
state=$(scontrol --oneliner show job "$1" 2>/dev/null | grep -o 'JobState=[A-Z_]*')
case $state in
JobState=COMPLETED) echo success ;;
JobState=PENDING | JobState=RUNNING | JobState=CONFIGURING | JobState=COMPLETING | JobState=SUSPENDED) echo running ;;
*) echo failed ;;
esac
