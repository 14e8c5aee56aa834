import type { EgressEntry } from "../../machine/logs/index.ts";
import { oneLine } from "../output.ts";

/** Widths are part of what scripts rely on. */
const WIDTHS = { timestamp: 30, operation: 9, decision: 8 } as const;

export function egressTitles(): string[] {
  const titles = row("TIMESTAMP", "OP", "DECISION", "DESTINATION");
  return [titles, "-".repeat(88)];
}

/** An event in one line. */
export function egressLine(event: EgressEntry): string {
  const { time, operation, decision, destination } = event;
  return row(new Date(time).toISOString(), operation, decision, oneLine(`${destination}${describe(event)}`));
}

function row(timestamp: string, operation: string, decision: string, rest: string): string {
  const { timestamp: first, operation: second, decision: third } = WIDTHS;
  return `${timestamp.padEnd(first)} ${operation.padEnd(second)} ${decision.padEnd(third)} ${rest}`;
}

function describe({
  operation,
  name,
  rule,
  addresses,
  sent,
  received,
  durationMs,
  end,
  error,
}: EgressEntry): string {
  const known = name === undefined ? "" : ` (${name})`;
  if (operation === "close")
    return `${known}: ${end ?? "closed"}${error === undefined ? "" : ` (${error})`}, ${sent ?? 0} bytes sent, ${received ?? 0} received, ${(durationMs ?? 0) / 1000} s`;
  const found = addresses === undefined ? "" : ` = ${addresses.join(", ")}`;
  return `${known}${found} by ${rule}`;
}

/** The keys that scripts know. */
export function egressJson(event: EgressEntry): Record<string, unknown> {
  const { time, destination, durationMs, ...rest } = event;
  return { timestamp: new Date(time).toISOString(), dest: destination, ...rest, duration_ms: durationMs };
}
