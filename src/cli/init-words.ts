import type { StartEvent } from "../machine/index.ts";

/** What is said on stderr when init commands run; undefined: nothing. */
export function initWords(event: StartEvent): string | undefined {
  if (event.type === "init_skipped") return `Init already completed, skipping ${countOf(event.count)}`;
  return event.index === 0 ? `Running ${event.count} init command${plural(event.count)}...` : undefined;
}

const plural = (count: number): string => (count === 1 ? "" : "s");
const countOf = (count: number): string => `${count} command${plural(count)}`;
