import type { MachineSpec, Started } from "../../machine/index.ts";
import { oneLine } from "../output.ts";

/** What `machine start` prints: words that scripts look for, and what was started. */
export function describeStart(
  name: string,
  { record, started, skipped, pid }: Pick<Started, "record" | "started" | "skipped" | "pid">,
): string {
  if (skipped) return `Machine '${name}' was stopped by its user, and its restart policy leaves it so\n`;
  if (!started) return `Machine '${name}' already running (PID: ${pid})\n`;
  const { image, entrypoint, cmd } = record;
  const words = oneLine([...(entrypoint ?? []), ...cmd].join(" "));
  return textOf([
    `Started machine: ${name}`,
    // An image's own command is not in the record.
    ...(image === null ? [] : [`  container: ${oneLine(image)}${words === "" ? "" : ` -- ${words}`}`]),
    `Machine '${name}' running (PID: ${pid})`,
  ]);
}

/** What `machine run -d` prints: words that scripts look for, and what can be done now. */
export function describeDetached(
  { name, image }: Pick<MachineSpec, "name" | "image">,
  { named, pid }: { readonly named: boolean; readonly pid: number },
): string {
  const machine = named ? `Machine '${name}'` : "Machine";
  return textOf([
    image === null ? `${machine} running (PID: ${pid})` : `${machine} running in background`,
    `Run commands:  smolvm machine exec --name ${name} -- <command>`,
    `Stop it:       smolvm machine stop --name ${name}`,
  ]);
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");
