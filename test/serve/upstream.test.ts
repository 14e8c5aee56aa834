import { expect, setDefaultTimeout, test } from "bun:test";
import { useMachines } from "../support/machines.ts";
import { slowness } from "../support/program.ts";

/** What shell scripts that were written for upstream's API send, and the words that they look for in its answers. */
setDefaultTimeout(90_000 * slowness);

const home = useMachines();

/** Ends at the first command that fails; what it says about it is in stderr. */
const SCRIPT = `
set -eu -o pipefail
sock=$XDG_RUNTIME_DIR/smolvm.sock
api() { curl -s --unix-socket "$sock" -H 'Content-Type: application/json' "$@"; }
status() { api -o /dev/null -w '%{http_code}' "$@"; }
server=
# Also after a failure, or whoever reads what this says would wait for the server.
trap '[ -z "$server" ] || kill -KILL "$server"' EXIT
begin() {
  exec 3< <(exec "$SMOLVM" serve start)
  server=$!
  read -r line <&3
  case $line in *listening*) ;; *) echo "the server said: $line" >&2; exit 1 ;; esac
}
stop() { kill "$server"; wait "$server"; server=; [ ! -e "$sock" ]; }
has() { case $2 in *"$1"*) ;; *) echo "no $1 in $2" >&2; exit 1 ;; esac; }
is() { [ "$1" = "$2" ] || { echo "$2, not $1" >&2; exit 1; }; }
m=http://localhost/api/v1/machines

begin
api http://localhost/metrics | grep -q smolvm_api_requests_total
has '"status":"ok"' "$(api http://localhost/health)"
one=$(curl -sI --unix-socket "$sock" http://localhost/health | tr -d '\\r' | sed -n 's/^x-trace-id: //ip')
two=$(curl -sI --unix-socket "$sock" http://localhost/health | tr -d '\\r' | sed -n 's/^x-trace-id: //ip')
echo "$one" | grep -Eqx '[0-9a-f]{16}'
[ "$one" != "$two" ]

has '"memoryMb":512' "$(api $m -d '{"name":"old","cpus":1,"mem":512}')"
api $m -d '{}' | grep -Eq '"name":"vm-[0-9a-f]{8}"'
is 400 "$(status $m -d '{"name":""}')"
has 'cannot be empty' "$(api $m -d '{"name":""}')"
is 409 "$(status $m -d '{"name":"old"}')"
has 'mutually exclusive' "$(api $m -d '{"name":"x","from":"/a.smolmachine","image":"alpine"}')"
is 404 "$(status $m/none)"
has 'not found' "$(api $m/none)"
is 400 "$(status $m -d '{"name":"x","secrets":{"A":{"env":"HOME"}}}')"
is 200 "$(status -X POST $m/old/stop)"
is 400 "$(status $m/old/resize -d '{}')"

has '"state":"running"' "$(api -X POST $m/old/start -d '{"registryAuth":{"username":"u","password":"p"}}')"
is 200 "$(status -X POST $m/old/start)"
is 409 "$(status $m/old/resize -d '{"storageGb":30}')"
has '"exitCode":3' "$(api $m/old/exec -d '{"command":["sh","-c","exit 3"],"env":[],"secrets":{}}')"
has '"exitCode":124' "$(api $m/old/exec -d '{"command":["sleep","60"],"timeoutSecs":1}')"
has '"stdout":"pid=' "$(api $m/old/exec -d '{"command":["sleep","60"],"background":true}')"
api -N $m/old/exec/stream -d '{"command":["echo","hello"]}' | grep -q '^event: exit'
has '"size":5' "$(printf hello | curl -s --unix-socket "$sock" -T - $m/old/files/a/b)"
is hello "$(api $m/old/files/a/b)"
stop

begin
has '"name":"old"' "$(api $m)"
has '"state":"running"' "$(api $m/old)"
is '{"deleted":"old"}' "$(api -X DELETE "$m/old?force=true&cascade=true")"
is 404 "$(status $m/old)"
for name in $(api $m | grep -Eo 'vm-[0-9a-f]{8}'); do api -X DELETE "$m/$name" > /dev/null; done
stop
`;

test("scripts that were written for upstream's API go on working", async () => {
  const { exitCode, stderr } = await home.shell(SCRIPT, { seconds: 80 });
  expect([exitCode, stderr]).toEqual([0, ""]);
});
