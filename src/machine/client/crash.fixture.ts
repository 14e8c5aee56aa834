/**
 * For crash.test.ts: changes machines as fast as it can, until somebody kills it.
 *
 *     bun crash.fixture.ts DATA-DIRECTORY
 */
import { resolvePaths } from "../../config/paths.ts";
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { defaultSpec } from "../model/index.ts";
import { silent } from "../model/layers.fixture.ts";
import { cloneMachine } from "./clone.ts";
import { createMachine } from "./create.ts";
import { listMachines } from "./info.ts";
import { deleteMachine } from "./stop.ts";
import { resizeMachine, updateMachine } from "./update.ts";

/** The one machine that has disks; it is copied and never changed. */
export const ORIGINAL = "original";

/** Those that come and go: `disk-` are copies. */
const names = ["bare-1", "bare-2", "disk-1", "disk-2"];
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

export function contextIn(directory: string): Context {
  return {
    paths: resolvePaths({ SMOLVM_DATA_DIR: directory }),
    environment: { HOME: `${directory}/home` },
    note: () => {},
  };
}

async function change(context: Context, name: string): Promise<void> {
  const kind = Math.random();
  if (kind < 0.4) {
    if (name.startsWith("disk")) await cloneMachine(context, ORIGINAL, name);
    else createMachine(context, { ...defaultSpec(name), env: ["FILLER=".padEnd(9000, "x")] });
  } else if (kind < 0.6) {
    await updateMachine(context, name, { ...silent, cpus: 1 + Math.floor(Math.random() * 4) });
  } else if (kind < 0.7) {
    const { record } = listMachines(context).find((machine) => machine.name === name) ?? {};
    await resizeMachine(context, name, { overlayGib: (record?.overlayGib ?? 0) + 1 });
  } else {
    await deleteMachine(context, name);
  }
}

async function changeForEver(directory: string): Promise<never> {
  const context = contextIn(directory);
  process.stdout.write("on\n");
  for (;;) {
    try {
      await change(context, pick(names));
    } catch (error) {
      if (!(error instanceof SmolError) || !/^machine\.(exists|not_found|disk_shrink)$/.test(error.code)) {
        process.stdout.write(`${error instanceof Error ? error.stack : error}\n`);
        process.exit(3);
      }
    }
  }
}

if (import.meta.main) void changeForEver(process.argv[2] as string);
