# Sourced by tests: a process found by its parent.

# The child of process $1 whose command line has $2.
child() {
    local id
    for id in $(cat /proc/$1/task/$1/children 2>/dev/null); do
        if grep -qs -e "$2" /proc/$id/cmdline; then
            echo $id
            return
        fi
    done
    return 1
}
