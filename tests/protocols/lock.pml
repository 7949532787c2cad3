/*
 * One mutex and its condition variables, each of which one thread waits on. Included by the models.
 *
 * A signal that finds nobody waiting is lost, and a wait may end without one, as POSIX allows: SPURIOUS_WAKEUPS times in
 * a run, so that runs end. Only the mutex is between a thread's look at a condition and its wait.
 */
#ifndef SPURIOUS_WAKEUPS
#define SPURIOUS_WAKEUPS 1
#endif

bool is_locked;
byte spurious_wakeup_count;

inline lock()
{
    atomic { !is_locked -> is_locked = true }
}

inline unlock()
{
    is_locked = false
}

/* `is_waiting` is the condition variable. */
inline signal(is_waiting)
{
    is_waiting = false
}

inline wait(is_waiting)
{
    atomic { is_locked = false; is_waiting = true };
    do
    :: atomic { !is_waiting && !is_locked -> is_locked = true; break }
    :: atomic { is_waiting && spurious_wakeup_count < SPURIOUS_WAKEUPS -> spurious_wakeup_count++; is_waiting = false }
    od
}
