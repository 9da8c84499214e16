#!/bin/bash
# Two network namespaces of this machine as two hosts, each with a process of an MPI run: needs root, ip and Open MPI.
#
#     tests/distributed/two_hosts.sh COMMAND...        # the file system is shared
#     UNSHARED="DIR ..." tests/distributed/two_hosts.sh COMMAND...
#
# UNSHARED: folders of which the second host has a copy of its own, made when this begins. Here COMMAND is what
# `mpirun` starts on both. The hosts are 10.77.0.1 and 10.77.0.2, over a pair of virtual Ethernet devices. The second has
# the name 'second', and so, as a second machine has, a cache of operators of its own: the first time it compiles for minutes.
set -eu
place=$(mktemp -d)
clean() {
    ip netns del jsra1 2>/dev/null || true
    ip netns del jsra2 2>/dev/null || true
    rm -rf "$place"
}
trap clean EXIT
clean; mkdir -p "$place"
for n in 1 2; do ip netns add jsra$n; ip -n jsra$n link set lo up; done
ip -n jsra1 link add veth1 type veth peer name veth2 netns jsra2
for n in 1 2; do ip -n jsra$n addr add 10.77.0.$n/24 dev veth$n; ip -n jsra$n link set veth$n up; done

# Open MPI calls it as `ssh HOST COMMAND`: only the second host is another than its own.
binds=
for folder in ${UNSHARED:-}; do
    copy=$place/second$folder; mkdir -p "$(dirname "$copy")"; cp -a "$folder" "$copy"
    binds="$binds mount --bind $copy $folder;"
done
cat > "$place/agent" <<END
#!/bin/bash
shift
exec ip netns exec jsra2 unshare --uts --mount bash -c "hostname second; $binds \$*"
END
chmod +x "$place/agent"
ip netns exec jsra1 mpirun --allow-run-as-root -H 10.77.0.1:1,10.77.0.2:1 -np 2 \
    --mca plm_rsh_agent "$place/agent" --mca mpi_yield_when_idle 1 \
    --mca oob_tcp_if_include 10.77.0.0/24 --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
    $(for name in PATH HOME JITTOR_HOME cache_name OMP_NUM_THREADS PYTHONPATH; do [ -z "${!name:-}" ] || echo "-x $name"; done) "$@"
