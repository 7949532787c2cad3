# Sourced by tests: a Slurm of one node on the loopback, its state in a folder of the test's own.

# Start munged, slurmctld and slurmd in folder $1 with $2 CPUs; sets SLURM_CONF. Needs root. Returns 1 when it does not come up.
slurm_start() {
    local folder=$1 cpus=$2 host
    host=$(hostname -s)
    mkdir -p "$folder/state" "$folder/spool" "$folder/log"
    # munged wants every folder above its socket and key to be safe from others.
    chmod 755 "$folder"
    chmod 700 "$folder/log"
    head -c 1024 /dev/urandom >"$folder/munge.key"
    chmod 400 "$folder/munge.key"
    slurm_configuration "$folder" "$cpus" "$host" >"$folder/slurm.conf"
    export SLURM_CONF=$folder/slurm.conf
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/log/munged" --seed-file="$folder/seed" &&
        slurmctld && slurmd && slurm_wait_idle
}

slurm_configuration() {
    local folder=$1 cpus=$2 host=$3 port=$((20000 + RANDOM % 20000))
    cat <<EOF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
SlurmctldPort=$port
SlurmdPort=$((port + 1))
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
}

# Up to 30 seconds until the node takes jobs.
slurm_wait_idle() {
    local attempt
    for attempt in {1..60}; do
        [[ $(sinfo --noheader --format=%t 2>/dev/null) == idle ]] && return 0
        sleep 0.5
    done
    return 1
}

slurm_stop() {
    local folder=$1 name pid
    scancel --user=root 2>/dev/null
    for name in slurmd slurmctld munged; do
        pid=$(cat "$folder/$name.pid" 2>/dev/null) && kill "$pid" 2>/dev/null && slurm_wait_end "$pid"
    done
    return 0
}

slurm_wait_end() {
    local attempt
    for attempt in {1..20}; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.25
    done
    kill -KILL "$1" 2>/dev/null
}
