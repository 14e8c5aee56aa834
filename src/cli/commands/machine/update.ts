import { openMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { changeOptions } from "../../options/machine-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { list } from "../../program/types.ts";
import { parseVolumeTargetText } from "../../values/mount.ts";
import { parseText } from "../../values/text.ts";

const options = {
  name: machineName,
  removeEnv: list({
    long: "remove-env",
    placeholder: "NAME",
    description: "Take a variable away",
    parse: parseText,
  }),
  removeLabels: list({
    long: "remove-label",
    placeholder: "NAME",
    description: "Take a label away",
    parse: parseText,
  }),
  removeSecrets: list({
    long: "remove-secret",
    placeholder: "NAME",
    description: "Take a secret away",
    parse: parseText,
  }),
  removeSockets: list({
    long: "remove-socket",
    placeholder: "GUEST",
    description: "Take a socket away, by its path in the machine",
    parse: parseText,
  }),
  removePorts: list({
    long: "remove-port",
    placeholder: "HOST:GUEST",
    description: "Publish a port no more",
    parse: parseText,
  }),
  removeHosts: list({
    long: "remove-allow-host",
    placeholder: "HOST",
    description: "Take a name from the list",
    parse: parseText,
  }),
  removeRanges: list({
    long: "remove-allow-cidr",
    placeholder: "CIDR",
    description: "Take a range from the list",
    parse: parseText,
  }),
  removePresets: list({
    long: "remove-allow-preset",
    placeholder: "PRESET",
    description: "Take a preset from the list",
    parse: parseText,
  }),
  removeVolumes: list({
    long: "remove-volume",
    placeholder: "[HOST:]GUEST",
    description: "Take a volume, or a --tmpfs, away",
    parse: parseVolumeTargetText,
  }),
  json: jsonObject,
  ...changeOptions,
};

export const update = command({
  path: ["machine", "update"],
  summary: "Change the settings of a machine",
  options,
  arguments: { ...machineWord, command: true },
  text: `Changes what is given and leaves the rest as it is; COMMAND, behind --, becomes the machine's. -e
and -l add or replace, -v and --tmpfs add, --remove-env, --remove-label and --remove-volume take
away, --ulimit replaces the limit of that name. Secrets and sockets are added and replaced alike,
and taken away by --remove-secret and --remove-socket. -p publishes one more port and --remove-port
one less; --allow-host and its like add to the list, --remove-allow-host and its like take away, and
a list from which all is taken lets nothing through; --no-net takes the network away with its lists.
Disks grow and never shrink. The machine must not run, and the changes take effect with its next
start; lists and ports of one that runs with a network change at once. The image stays: clone or
create another machine for another one.

Prints what has changed.`,
  examples: [
    { command: "smolvm machine update web --cpus 2 --mem 4G" },
    { command: "smolvm machine update web -e DEBUG=1 --remove-env OLD --ttl none" },
    { command: "smolvm machine update job -- ./job --again" },
  ],
  run: async (invocation) => {
    const { values, workload, given } = invocation;
    const { machines, context } = await openMachines();
    const [{ machineLayer }, { formatChanges }, network] = await Promise.all([
      import("../../options/machine-layer.ts"),
      import("../../show/changes.ts"),
      import("../../values/network.ts"),
    ]);
    const { name: _, removeEnv, removeLabels, removePorts, removeVolumes, json, ...more } = values;
    const { removeHosts, removeRanges, removePresets, removeSecrets, removeSockets, ...changes } = more;
    const nothing = { image: undefined, platform: undefined, init: [], initOnce: [] };
    const layer = await machineLayer({ ...nothing, ...changes });
    const cmd = workload.length === 0 ? undefined : workload;
    const name = machineNameOf(invocation);
    const changed = await machines.updateMachine(
      context,
      name,
      { ...layer, cmd },
      {
        ...{ env: removeEnv, labels: removeLabels, ports: removePorts.flatMap(network.parsePublished) },
        allowHosts: removeHosts.map(network.parseAllowedHost),
        allowRanges: removeRanges.map(network.parseAllowedRange),
        allowPresets: removePresets,
        secrets: removeSecrets,
        sockets: removeSockets,
        mounts: removeVolumes,
      },
    );
    if (json) await printJson(machines.machineJson(machines.inspectMachine(context, name)));
    else if (changed.length > 0) {
      const { status } = machines.inspectMachine(context, name);
      await print(formatChanges(name, changed, machines.hasProcess(status)));
    } else if (given.size > Number(given.has("name")) || workload.length > 0)
      await print(`No changes needed: machine '${name}' is like that already.\n`);
    else await print("No changes specified.\n");
    return 0;
  },
});
