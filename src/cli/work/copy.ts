import type { Context } from "../../context.ts";
import type { Machine } from "../../machine/index.ts";
import { type Machines, openMachines } from "../machines.ts";
import { warn } from "../output.ts";
import { reportTransfer } from "../progress/transfer-report.ts";
import { readStdin } from "../terminal/input.ts";
import { OutputClosed, writeFully } from "../terminal/output.ts";
import type { Place } from "../values/place.ts";
import { interruptible } from "./interruptible.ts";

interface Sides {
  readonly source: Place;
  readonly target: Place;
  /** As the user wrote them. */
  readonly first: string;
  readonly second: string;
}

interface Wishes {
  readonly archive: boolean;
  readonly follow: boolean;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly quiet: boolean;
}

/** Carries out `cp`, and shows on stderr how far it is. Resolves to the exit code. */
export async function copyShown(sides: Sides, wishes: Wishes): Promise<number> {
  const { machines, context } = await openMachines();
  const machine = await reach(machines, context, sides);
  const isUpload = sides.target.kind === "machine";
  const report = reportTransfer(sides, {
    quiet: wishes.quiet,
    words: isUpload ? ["Uploading", "Uploaded"] : ["Downloading", "Downloaded"],
  });
  try {
    await interruptible((signal) => copy(machines, machine, sides, wishes, { signal, report }));
    await report.end(true);
    return 0;
  } catch (error) {
    await report.end(false);
    // `smolvm cp box:/dir - | head`: nobody wants the rest.
    if (error instanceof OutputClosed) return 141;
    throw error;
  } finally {
    machine.close();
  }
}

async function reach(machines: Machines, context: Context, { source, target }: Sides): Promise<Machine> {
  const place = source.kind === "machine" ? source : target;
  if (place.kind !== "machine") throw new Error("one side is a machine's");
  return await machines.connectMachine(context, place.machine);
}

async function copy(
  machines: Machines,
  machine: Machine,
  { source, target }: Sides,
  wishes: Wishes,
  { signal, report }: { signal: AbortSignal; report: ReturnType<typeof reportTransfer> },
): Promise<void> {
  const { archive, follow, mode, uid, gid } = wishes;
  const notes: string[] = [];
  const common = {
    archive,
    follow,
    signal,
    progress: report.progress,
    onNote: (text: string) => notes.push(text),
  };
  try {
    if (target.kind === "machine") {
      await machines.copyToMachine(machine, {
        ...common,
        source: source.kind === "host" ? source.path : readStdin(),
        path: target.path,
        overrides: { mode, uid, gid },
      });
    } else if (source.kind === "machine") {
      await machines.copyFromMachine(machine, {
        ...common,
        path: source.path,
        target: target.kind === "host" ? target.path : (bytes) => writeFully(1, bytes),
      });
    }
  } finally {
    await report.clear();
    for (const note of notes) warn(note);
  }
}
