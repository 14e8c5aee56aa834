import { isatty } from "node:tty";

/**
 * Whether standard error is a terminal that can draw a line again. TERM is `dumb` inside editors and some CI systems,
 * and not set where nobody knows.
 */
export function canRedraw({ TERM }: Readonly<Record<string, string | undefined>>): boolean {
  return TERM !== undefined && TERM !== "" && TERM !== "dumb" && isatty(2);
}
