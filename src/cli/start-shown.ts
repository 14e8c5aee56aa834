import type { Context } from "../context.ts";
import { type Started, type StartOptions, startMachine } from "../machine/index.ts";
import type { ProgressMode } from "./options/pull-options.ts";
import { complain } from "./output.ts";
import { reportPull } from "./progress/pull-report.ts";
import { Interrupted, Interrupts, writeFully } from "./terminal/index.ts";

export interface ShownStart
  extends Omit<StartOptions, "onPull" | "signal" | "onBoot" | "onEvent" | "onInitOutput"> {
  readonly quiet: boolean;
  readonly progress: ProgressMode;
}

/** As it is for a command that writes nothing of its own. */
export const silent: ShownStart = { quiet: true, progress: "none" };

/**
 * Starts a machine, and shows on stderr what happens: the download of its image, its init commands with what they print.
 * An interrupt ends the start, and with it the machine.
 *
 * @returns undefined when it was interrupted: the exit code is that of `Interrupted`
 * @throws SmolError what kept it from running
 */
export async function startShown(context: Context, name: string, options: ShownStart): Promise<Started> {
  const { quiet, progress, ...image } = options;
  const report = reportPull({ quiet, progress, upToDate: false });
  const interrupts = new Interrupts();
  const say = (line: string) => {
    if (!quiet) complain(line);
  };
  try {
    const starting = startMachine(context, name, {
      ...image,
      signal: interrupts.signal,
      onPull: report.onPull,
      onBoot: () => void report.end(),
      onEvent: (event) => {
        if (event.type === "init_skipped") say(`Init already completed, skipping ${countOf(event.count)}`);
        else if (event.index === 0) say(`Running ${event.count} init command${plural(event.count)}...`);
      },
      onInitOutput: (channel, chunk) => (quiet ? undefined : writeFully(channel, chunk)),
    });
    starting.catch(() => {});
    return await Promise.race([starting, interrupts.expired]);
  } finally {
    interrupts.release();
    await report.end();
  }
}

export { Interrupted };

const plural = (count: number): string => (count === 1 ? "" : "s");
const countOf = (count: number): string => `${count} command${plural(count)}`;
