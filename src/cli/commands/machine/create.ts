import type { PackSource } from "../../../pack/index.ts";
import { openMachines } from "../../machines.ts";
import { givenName, machineName, machineWord } from "../../options/machine-name.ts";
import { machineOptions } from "../../options/machine-options.ts";
import { noteMisplaced } from "../../options/misplaced-notes.ts";
import { backendNote } from "../../options/network-options.ts";
import { fromOptions } from "../../options/pack-options.ts";
import { smolfile } from "../../options/run-options.ts";
import { print, printJson, warn } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, type Values } from "../../program/types.ts";

const options = {
  name: { ...machineName, description: "Name of the machine (default: $SMOLVM_MACHINE_NAME, else vm-...)" },
  smolfile,
  ...fromOptions,
  ifNotExists: flag({
    long: "if-not-exists",
    description: "Be content with a machine that was made with the same settings",
  }),
  json: flag({ long: "json", description: "Print the machine as a JSON object" }),
  ...machineOptions,
};

export const create = command({
  path: ["machine", "create"],
  duration: "med",
  summary: "Make a machine that stays until it is deleted",
  options,
  arguments: { ...machineWord, command: true },
  text: `Makes a machine and keeps it: its settings, its disks and what is written to them last until machine
delete. An image that is a file, a directory or - is taken into the cache now, one of a registry is
downloaded by machine start; nothing is booted before that. COMMAND, behind --, is what runs in it
while it runs: it replaces the image's CMD. Without one, the image's own runs; a machine that has
nothing to run waits for machine exec.

Without NAME the machine is called vm- and 8 digits. --if-not-exists is content with a machine of
that name that was made with the same settings; another one is an error that names the differences.

--from makes it of a pack: what the machine is, is in the pack, and options win. Its files go into
the image cache, so the pack is not needed after that; what other images have is not copied.
--image with the name of a pack in a registry does the same, as does the image of a Smolfile, whose
settings win over the pack's: create asks the registry for a few seconds what a name is that the
cache has no image of, and where none answers takes it for an image's.

--init runs a shell command in the machine at each start, before COMMAND; a failure ends the start.
--init-once does so at the first start only. What -e sets is kept, readable by you, with the
machine's settings.

With --restart the machine starts COMMAND again by itself when it has ended; --health-cmd says
whether it is well. --ttl and --idle-timeout end the machine by itself.`,
  examples: [
    { command: "smolvm machine create web --image nginx -l tier=front --restart on-failure:5" },
    { command: 'smolvm machine create --name dev --mem 4G -e EDITOR=vi --init-once "apk add git"' },
    { command: "smolvm machine create db -s ./Smolfile --if-not-exists -- postgres -c fsync=on" },
  ],
  run: async (invocation) => {
    const { values, words, workload } = invocation;
    const { machines, context } = await openMachines();
    const [{ describeMachine }, { createInterruptible }, { reportPull }] = await Promise.all([
      import("../../options/describe.ts"),
      import("../../work/create.ts"),
      import("../../progress/pull-report.ts"),
    ]);
    const name = givenName({ values, words }) ?? machines.makeMachineName();
    const from = await packOfFile(values);
    const describe = (pack: PackSource | undefined) =>
      describeMachine(values, {
        name,
        ephemeral: false,
        smolfile: values.smolfile,
        pack,
        words: workload,
        wordsAre: "arguments",
      });
    const plain = await describe(from);
    const pack = from ?? (await packOfName(plain.image, values));
    // A pack says what the machine is: that cannot wait for its start.
    const spec = pack === from ? plain : await describe(pack);
    await noteMisplaced(invocation);
    const backend = backendNote(values.netBackend);
    if (backend !== undefined) warn(backend);
    const report = reportPull({ quiet: values.json, progress: "auto", upToDate: false });
    const image = { platform: values.platform, pack, onPull: pack && report.onPull };
    const { record, created } = await createInterruptible(machines, context, spec, image, values).finally(
      async () => {
        await pack?.close();
        await report.end();
      },
    );
    if (values.json) {
      await printJson(machines.machineJson(machines.inspectMachine(context, name)));
      return 0;
    }
    const mounts = machines.mountCount(record);
    const commands = record.init.length + record.initOnce.length;
    await print(
      [
        created ? `Created machine: ${name}` : `Machine '${name}' exists, and is what was asked for`,
        `  CPUs: ${record.cpus}, Memory: ${record.memoryMib} MiB`,
        ...(mounts === 0 ? [] : [`  Mounts: ${mounts}`]),
        ...(record.ports.length === 0 ? [] : [`  Ports: ${record.ports.length}`]),
        ...(commands === 0 ? [] : [`  Init commands: ${commands}`]),
        `Use 'smolvm machine start --name ${name}' to start the machine`,
        `Then use 'smolvm machine exec --name ${name} -- <command>' to run commands`,
        "",
      ].join("\n"),
    );
    return 0;
  },
});

async function packOfFile(values: Values<typeof options>): Promise<PackSource | undefined> {
  if (values.from === undefined && values.verifyKeys.length === 0) return undefined;
  return await (await import("../../work/open-pack.ts")).packOf(values);
}

/** @param image of an option or the Smolfile; null for the built-in one */
async function packOfName(
  image: string | null,
  { platform }: Values<typeof options>,
): Promise<PackSource | undefined> {
  if (image === null) return undefined;
  return await (await import("../../work/remote-pack.ts")).packBehind(image, platform);
}
