import type { StartEvent } from "../machine/index.ts";

/** What is told about init commands during a start: the words that scripts look for, at the beginning of a line. */
export function describeInit(event: StartEvent): string | undefined {
  if (event.type === "init_skipped") return `Init already completed, skipping ${event.count} command(s)`;
  return event.index === 0 ? `Running ${event.count} init command(s)...` : undefined;
}
