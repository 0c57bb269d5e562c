#!/bin/sh
# Builds the chart library that the HTML report embeds from package-lock.json:
#   sh build.sh          writes charts.min.js and NOTICES.txt here
#   sh build.sh --check  builds elsewhere and fails unless both are the committed ones
# Only whoever changes charts.js or a version needs this, and node with npm.
set -eu
cd "$(dirname "$0")"
out=.
if [ "${1-}" = --check ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cp package.json package-lock.json charts.js build.mjs "$work"
	here=$PWD
	cd "$work"
	mkdir built
	out=built
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || exit 75 # the packages are not to be had
node build.mjs "$out"
if [ "${1-}" = --check ]; then
	for f in charts.min.js NOTICES.txt; do
		cmp "built/$f" "$here/$f" || { echo "output/web/$f is not what build.sh makes; run it and commit" >&2; exit 1; }
	done
	echo "charts.min.js and NOTICES.txt are what build.sh makes"
fi
