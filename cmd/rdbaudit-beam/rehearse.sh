#!/bin/sh
# A rehearsal of the portable mode, as Flink and Spark have it: a job server
# (stand-alone Prism), workers that an external pool starts (Beam's own boot),
# and our program, which only hands in the job. All of it in a network namespace
# of its own, for the pool listens on every interface. The reports must be those
# of rdbaudit report, to the byte.
#
#   sh cmd/rdbaudit-beam/rehearse.sh [DUMP...]      needs root, ip (iproute2), Go
set -eu
cd "$(dirname "$0")"
if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null; then
	echo "skipped: this needs root and ip (iproute2), for a network namespace"
	exit 0
fi
[ $# -gt 0 ] || set -- ../../fixtures/truth/*.rdb.gz rehearse.sh # which is no dump
tmp=$(mktemp -d)
ns=rdbaudit-$$
pids=
end() {
	for pid in $pids; do kill "$pid" 2>/dev/null || true; done
	ip netns del "$ns" 2>/dev/null || true
	rm -rf "$tmp"
}
trap end EXIT INT TERM

beam=github.com/apache/beam/sdks/v2/go
go build -buildvcs=false -o "$tmp/rdbaudit-beam" .
go build -o "$tmp/prism" $beam/cmd/prism
go build -o "$tmp/boot" $beam/container
(cd ../.. && go build -buildvcs=false -o "$tmp/rdbaudit" ./cmd/rdbaudit)

if ! ip netns add "$ns"; then
	echo "skipped: no network namespace can be made here"
	exit 0
fi
ip -n "$ns" link set lo up
in_ns() { ip netns exec "$ns" "$@"; }
# up PORT LOG: waits until somebody listens.
up() {
	n=0
	until in_ns sh -c "ss -ltn 2>/dev/null || cat /proc/net/tcp /proc/net/tcp6" | grep -Eqi ":($1|$(printf %04X "$1")) "; do
		n=$((n + 1))
		if [ $n -gt 300 ]; then
			echo "nobody listens on port $1:"
			cat "$2"
			exit 1
		fi
		sleep 0.1
	done
}
in_ns "$tmp/prism" -job_port 8073 -serve_http=false >"$tmp/prism.log" 2>&1 &
pids="$pids $!"
in_ns "$tmp/boot" -worker_pool >"$tmp/pool.log" 2>&1 &
pids="$pids $!"
up 8073 "$tmp/prism.log"
up 50000 "$tmp/pool.log"

status=0
start=$(date +%s)
in_ns timeout 600 "$tmp/rdbaudit-beam" --runner universal --endpoint localhost:8073 \
	--environment_type EXTERNAL --environment_config localhost:50000 \
	--output "$tmp/out" "$@" >"$tmp/run.log" 2>&1 || status=$?
took=$(($(date +%s) - start))
if [ $status != 0 ] && [ $status != 3 ]; then
	echo "the run ended with status $status:"
	tail -n 40 "$tmp/run.log" "$tmp/prism.log" "$tmp/pool.log"
	exit 1
fi
tail -n 2 "$tmp/run.log"

# The plain program names dumps as it is given them: the whole path, as workers do.
for dump; do
	shift
	set -- "$@" "$(realpath "$dump")"
done
plain=0
"$tmp/rdbaudit" report -q -o "$tmp/report.json" -o "$tmp/report.html" -o "$tmp/report.csv" -o "$tmp/part.rdbaudit" "$@" 2>/dev/null || plain=$?
if [ $plain != $status ]; then
	echo "rdbaudit report ends with status $plain, this with $status"
	exit 1
fi
for file in report.json report.html report.csv part.rdbaudit; do
	cmp "$tmp/$file" "$tmp/out/fleet/$file"
done
echo "the same to the byte as rdbaudit report: $# dumps in $took s, by workers of an external pool"
