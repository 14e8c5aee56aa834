/** What a user sees of a pull, on standard error. Loaded when there is something to see. */
import type { ProgressMode } from "../options/pull-options.ts";
import type { Display, DisplayOptions } from "./display.ts";
import { JsonDisplay } from "./json.ts";
import { Output } from "./output.ts";
import { PlainDisplay } from "./plain.ts";
import { canRedraw } from "./redraw.ts";
import { TerminalDisplay } from "./terminal.ts";

export type { Display };

/** @param mode `auto` redraws on a terminal that can do that, and prints a few lines otherwise. */
export function openDisplay(
  mode: Exclude<ProgressMode, "none">,
  options: DisplayOptions & { readonly env?: Readonly<Record<string, string | undefined>> },
): Display {
  const output = new Output();
  if (mode === "json") return new JsonDisplay(output, options);
  if (mode === "plain" || (mode === "auto" && !canRedraw(options.env ?? process.env))) {
    return new PlainDisplay(output, options);
  }
  return new TerminalDisplay(output, { ...options, size: terminalSize });
}

/** Asked before each picture, so that a change needs no listener. */
function terminalSize(): { columns: number; rows: number } {
  const [columns, rows] = process.stderr.isTTY ? process.stderr.getWindowSize() : [0, 0];
  return { columns: columns || 80, rows: rows || 24 };
}
