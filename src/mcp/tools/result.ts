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

/**
 * A list, a line of JSON for each entry, as far as a result may be long.
 *
 * @param limit bytes
 */
export function listOf(
  name: string,
  entries: readonly Readonly<Record<string, unknown>>[],
  limit: number,
): Outcome {
  const lines: string[] = [];
  let length = 0;
  for (const entry of entries) {
    const line = JSON.stringify(entry);
    length += Buffer.byteLength(line) + 1;
    if (length > limit) break;
    lines.push(line);
  }
  const left = entries.length - lines.length;
  const text = [...lines, ...(left > 0 ? [`[${left} more left out]`] : [])].join("\n");
  const structured = defined({ [name]: entries.slice(0, lines.length), truncated: left > 0 || undefined });
  return { text: text === "" ? `no ${name}` : text, structured };
}

export const defined = (given: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
