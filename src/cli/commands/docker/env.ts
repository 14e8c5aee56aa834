import { openMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { machineWord, requiredName, requiredNameOf } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";

export const dockerEnv = command({
  path: ["docker", "env"],
  kind: "status",
  summary: "Print what makes this host's docker use a machine's engine",
  options: { name: requiredName, json: jsonObject },
  arguments: machineWord,
  text: `Prints a line for the shell that sets DOCKER_HOST to the socket at which the Docker engine of the
machine answers on this host, while both run. The machine has to expose /var/run/docker.sock
(--expose-socket). Only this user can connect. Nothing is started.

--json prints {"name","docker_host"}.`,
  examples: [
    {
      command: "smolvm machine create engine --net --expose-socket /var/run/docker.sock --image docker:dind",
    },
    { command: 'eval "$(smolvm docker env engine)"' },
  ],
  run: async (invocation) => {
    const { machines, context } = await openMachines();
    const name = requiredNameOf(invocation);
    const host = `unix://${await machines.dockerSocket(context, name)}`;
    if (invocation.values.json) await printJson({ name, docker_host: host });
    else await print(`export DOCKER_HOST=${quoteWord(host)}\n`);
    return 0;
  },
});

/** As one word of a POSIX shell, whatever is in it. */
function quoteWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
