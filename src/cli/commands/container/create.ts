import { containerVolumes } from "../../options/container-options.ts";
import { surroundingOptions } from "../../options/process-options.ts";
import { pullOptions, pullPolicy } from "../../options/pull-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, type Invocation } from "../../program/types.ts";

const { env, envFile, workdir } = surroundingOptions;

const options = {
  ...{ env, envFile, workdir },
  volumes: containerVolumes,
  pull: pullPolicy,
  ...pullOptions,
  json: flag({ long: "json", description: "Print the container as a JSON object" }),
};

type CreateInvocation = Invocation<typeof options>;

export const containerCreate = command({
  path: ["container", "create"],
  duration: "slow",
  summary: "Make a container in a running machine, from an image of its own",
  options,
  arguments: {
    kind: "words",
    placeholder: "VM IMAGE",
    min: 2,
    max: 2,
    hint: { kind: "machine" },
    command: true,
  },
  text: `Makes a container in the machine VM, which has to run, and prints its id; container start starts it.
IMAGE is what machine run --image takes. It is downloaded to this host when it is not here, and
copied from here to the machine's storage disk when it is not there: once for all containers that
are made of it.

COMMAND, behind --, replaces the image's CMD; ENTRYPOINT, ENV, WORKDIR and USER apply as in docker.
Without COMMAND the container runs sleep infinity, without ENTRYPOINT, and waits for container exec.

A container has files, processes and a host name of its own; it shares the network, the memory and
the processors of its machine. The wall is around the machine: root of the machine can do anything
to its containers. -v shows it a directory of the machine, which is made where it is missing.

Containers last until container rm, or as long as their machine. They do not start by themselves.`,
  examples: [
    { command: "smolvm container create web redis:7" },
    { command: "smolvm container create web alpine -v /storage/data:/data -- tail -f /data/log" },
  ],
  run: createInMachine,
});

async function createInMachine({ values, words, workload }: CreateInvocation): Promise<number> {
  const [
    { connectMachine, createContainer },
    { environmentOf },
    { Interrupted, Interrupts, readStdin, settled },
    { pullSettings },
    { reportPull },
    { reportCopy },
    { makeContext },
  ] = await Promise.all([
    import("../../../machine/index.ts"),
    import("../../options/environment.ts"),
    import("../../terminal/index.ts"),
    import("../../options/pull-settings.ts"),
    import("../../progress/pull-report.ts"),
    import("../../progress/copy-report.ts"),
    import("../../context.ts"),
  ]);
  const [vm = "", image = ""] = words;
  const variables = await environmentOf(values);
  const context = makeContext();
  const report = reportPull({ ...values, upToDate: false });
  const copy = reportCopy({ quiet: values.quiet, progress: values.progress });
  const interrupts = new Interrupts();
  const creating = create();
  try {
    return await Promise.race([creating, interrupts.expired]);
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    throw error;
  } finally {
    await settled(creating);
    await report.end();
    await copy.end();
  }

  async function create(): Promise<number> {
    const machine = await connectMachine(context, vm);
    try {
      const container = await createContainer(context, machine, image, {
        ...pullSettings(values),
        pull: values.pull,
        cmd: workload,
        env: variables,
        workdir: values.workdir || undefined,
        volumes: values.volumes,
        stdin: image === "-" ? readStdin() : undefined,
        signal: interrupts.signal,
        onPull: report.onPull,
        onCopy: copy.onCopy,
      });
      await report.settle();
      await copy.end();
      if (values.json) {
        const { containerJson } = await import("../../show/containers.ts");
        await printJson(containerJson(container));
      } else await print(`${container.id}\n`);
      return 0;
    } finally {
      machine.close();
    }
  }
}
