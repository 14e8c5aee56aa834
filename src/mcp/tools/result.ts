/** How the end of a command, or its output so far, is told. */
import { type Bounded, shares } from "../output.ts";
import type { Outcome } from "./tool.ts";

/** @param more what is told beside the output; what is undefined is left out */
export function shown(
  { stdout, stderr }: { readonly stdout: Bounded; readonly stderr: Bounded },
  limit: number,
  more: Readonly<Record<string, unknown>>,
): Outcome {
  const share = shares(stdout.total, stderr.total, limit);
  const out = stdout.text(share.stdout);
  const err = stderr.text(share.stderr);
  const structured = { ...defined(more), stdout: out, stderr: err };
  const facts = Object.entries(defined(more)).map(([key, value]) => `${key}: ${value}`);
  const text = [out, err === "" ? "" : `[stderr]\n${err}`, `[${facts.join(", ")}]`];
  return { text: text.filter((part) => part !== "").join("\n"), structured };
}

export const defined = (given: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
