#!/usr/bin/env bash
# A minimal rollout: one canary, then the other hosts, one at a time.
#
#   examples/rollout.sh HOSTS_FILE [install arguments ...]
#   examples/rollout.sh hosts.txt gemma-3n-e4b:q4_k_m --from ./gemma-3n-e4b-it-q4_k_m.gguf --accept-license
#
# HOSTS_FILE  one Ollama host per line, in the forms that OLLAMA_HOST accepts; empty lines and # comments are ignored.
#             The first host is the canary: if it fails, no other host is touched.
# Prints one JSON line per host on stdout: {"host", "ok", "exitCode", "attempts", "name", "changed", "bytesMoved", "error"}.
# Exit 10 (network) and 15 (busy) are tried again, up to RETRIES times with RETRY_DELAY seconds between; any
# other failure stops the rollout with that exit code. The number of hosts that were not touched is reported on stderr.
set -uo pipefail

GEMMA_PROVISION=${GEMMA_PROVISION:-gemma-provision}
RETRIES=${RETRIES:-3}
RETRY_DELAY=${RETRY_DELAY:-10}

if [ $# -lt 1 ] || [ ! -r "${1:-}" ]; then
  echo "usage: $0 HOSTS_FILE [install arguments ...]" >&2
  exit 2
fi
hosts_file=$1
shift

mapfile -t hosts < <(sed -e 's/#.*//' -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' "$hosts_file" | grep -v '^$')
if [ "${#hosts[@]}" -eq 0 ]; then
  echo "$0: $hosts_file does not contain any host" >&2
  exit 2
fi

# One line for one host, from the envelope that `install --json` printed.
report() { # report HOST EXIT_CODE ATTEMPTS ENVELOPE
  HOST=$1 CODE=$2 ATTEMPTS=$3 node -e '
    const text = require("node:fs").readFileSync(0, "utf8");
    let envelope;
    try { envelope = JSON.parse(text); } catch { envelope = { error: { message: text.trim() || "no answer" } }; }
    const { data, error } = envelope;
    const line = {
      host: process.env.HOST,
      ok: process.env.CODE === "0",
      exitCode: Number(process.env.CODE),
      attempts: Number(process.env.ATTEMPTS),
      ...(data && { name: data.name, changed: data.changed, bytesMoved: data.bytesMoved }),
      ...(error && { error: error.message }),
    };
    console.log(JSON.stringify(line));
  ' <<<"$4"
}

install_on() { # install_on HOST ARGUMENTS... ; returns the exit code of the last attempt
  local host=$1 attempt=1 code envelope
  shift
  while :; do
    envelope=$("$GEMMA_PROVISION" install "$@" --host "$host" --runtime ollama --json)
    code=$?
    case $code in
      10 | 15) [ "$attempt" -gt "$RETRIES" ] || { attempt=$((attempt + 1)) && sleep "$RETRY_DELAY" && continue; } ;;
    esac
    report "$host" "$code" "$attempt" "$envelope"
    return "$code"
  done
}

for index in "${!hosts[@]}"; do
  install_on "${hosts[$index]}" "$@" || {
    code=$?
    role=$([ "$index" -eq 0 ] && echo 'the canary' || echo 'this host')
    left=$((${#hosts[@]} - index - 1))
    echo "rollout stopped: ${hosts[$index]} ($role) failed with exit $code; $left host(s) not touched" >&2
    exit "$code"
  }
done
