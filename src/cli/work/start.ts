import type { Context } from "../../context.ts";
import { type Started, type StartOptions, startMachine } from "../../machine/index.ts";
import { describeInit } from "../init-words.ts";
import type { ProgressMode } from "../options/pull-options.ts";
import { complain } from "../output.ts";
import { reportPull } from "../progress/pull-report.ts";
import { writeFully } from "../terminal/index.ts";
import { interruptible } from "./interruptible.ts";

/** How a start is made, and what is seen of it. */
export interface ShownStart
  extends Omit<StartOptions, "onPull" | "signal" | "onBoot" | "onEvent" | "onInitOutput"> {
  readonly quiet: boolean;
  readonly progress: ProgressMode;
}

/** For commands that write nothing of their own. */
export const SILENT: ShownStart = { quiet: true, progress: "none" };

/**
 * Starts a machine, and shows what happens: the download of its image and its init commands on stderr, what these print
 * where they print it. An interrupt ends the start, and with it the machine.
 *
 * @throws SmolError what kept it from running; Interrupted
 */
export async function startShown(context: Context, name: string, options: ShownStart): Promise<Started> {
  const { quiet, progress, ...start } = options;
  const report = reportPull({ quiet, progress, upToDate: false });
  const shown: Partial<StartOptions> = {
    onPull: report.onPull,
    onBoot: () => void report.end(),
    onEvent: (event) => {
      const line = describeInit(event);
      if (line !== undefined) complain(line);
    },
    onInitOutput: writeFully,
  };
  try {
    return await interruptible((signal) =>
      startMachine(context, name, quiet ? { ...start, signal } : { ...start, ...shown, signal }),
    );
  } finally {
    await report.end();
  }
}
