import type { ConfineMode } from "../../confine/index.ts";
import type { ImageOptions, MachineSpec } from "../../machine/index.ts";
import { openMachines } from "../machines.ts";
import { engineFromEnvironment } from "../options/engine.ts";
import type { ProgressMode } from "../options/pull-options.ts";
import { print, warn } from "../output.ts";
import { describeDetached } from "../show/start.ts";
import { createInterruptible } from "./create.ts";
import { startShown } from "./start.ts";

interface DetachValues {
  readonly name: string | undefined;
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly confine?: ConfineMode | undefined;
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
  const { quiet, progress, confine } = values;
  const start = { ...image, engine: engineFromEnvironment(), confine, quiet, progress };
  await createInterruptible(machines, context, spec, image);
  const { pid, report } = await startShown(context, name, start).catch(async (error) => {
    await machines.deleteMachine(context, name);
    throw error;
  });
  for (const note of report?.notes ?? []) warn(note);
  await print(describeDetached(spec, { named: values.name !== undefined, pid }));
  return 0;
}
