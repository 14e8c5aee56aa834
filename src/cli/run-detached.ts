import type { ImageOptions, MachineSpec } from "../machine/index.ts";
import { openMachines } from "./machines.ts";
import { engineFromEnvironment } from "./options/engine.ts";
import type { ProgressMode } from "./options/pull-options.ts";
import { print, warn } from "./output.ts";
import { startShown } from "./start-shown.ts";

interface DetachValues {
  readonly name: string | undefined;
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly quiet: boolean;
  readonly progress: ProgressMode;
}

/** `machine run -d`: a machine that stays, started. One that cannot be started is not kept. Resolves to the exit code. */
export async function runDetached(
  spec: MachineSpec,
  image: ImageOptions,
  values: DetachValues,
): Promise<number> {
  const { machines, context } = await openMachines();
  if (values.interactive || values.tty) warn("-i and -t have no effect with -d: nobody sits in front of it");
  const { name } = spec;
  machines.createMachine(context, spec);
  try {
    const { quiet, progress } = values;
    const { pid, report } = await startShown(context, name, {
      ...image,
      engine: engineFromEnvironment(),
      quiet,
      progress,
    });
    for (const note of report?.notes ?? []) warn(note);
    await print(describe(spec, values.name !== undefined, pid));
    return 0;
  } catch (error) {
    await machines.deleteMachine(context, name);
    throw error;
  }
}

/** Texts that scripts look for. */
function describe({ name, image }: MachineSpec, isNamed: boolean, pid: number): string {
  const machine = isNamed ? `Machine '${name}'` : "Machine";
  const running = image === null ? `${machine} running (PID: ${pid})` : `${machine} running in background`;
  return [
    running,
    `Run commands:  smolvm machine exec --name ${name} -- <command>`,
    `Stop it:       smolvm machine stop --name ${name}`,
    "",
  ].join("\n");
}
