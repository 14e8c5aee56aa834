import type { Started } from "../../machine/index.ts";
import { oneLine } from "../output.ts";

/** What `machine start` prints: words that scripts look for, and what was started. */
export function describeStart(name: string, { record, started, skipped, pid }: Started): string {
  if (skipped) return `Machine '${name}' was stopped by its user, and its restart policy leaves it so\n`;
  if (!started) return `Machine '${name}' already running (PID: ${pid})\n`;
  const words = [...(record.entrypoint ?? []), ...record.cmd];
  const lines = [`Started machine: ${name}`];
  // An image's own command is not in the record.
  if (record.image !== null)
    lines.push(
      `  container: ${oneLine(record.image)}${words.length === 0 ? "" : ` -- ${oneLine(words.join(" "))}`}`,
    );
  lines.push(`Machine '${name}' running (PID: ${pid})`, "");
  return lines.join("\n");
}
