import type { ContainerRecord } from "../../machine/index.ts";
import { type Column, formatTable } from "../format/table.ts";
import { oneLine } from "../output.ts";

/** Titles and widths are part of what scripts rely on. */
const columns: readonly Column<ContainerRecord>[] = [
  { title: "CONTAINER ID", width: 16, align: "left", text: ({ id }) => id },
  { title: "IMAGE", width: 20, align: "left", text: ({ reference }) => oneLine(reference) },
  { title: "STATE", width: 12, align: "left", text: stateOf },
  { title: "COMMAND", width: 30, align: "left", text: ({ argv }) => oneLine(argv.join(" ")) },
];

/** The table of `container ls`, with its final newline. */
export function formatContainers(containers: readonly ContainerRecord[]): string {
  return containers.length === 0 ? "No containers found\n" : formatTable(columns, containers);
}

/** As docker: what a signal ended has that number above 128. */
function stateOf({ state, end }: ContainerRecord): string {
  if (state !== "exited" || end === null) return state;
  if (end.exitCode !== null) return `exited (${end.exitCode})`;
  return end.signal === null ? state : `exited (${128 + end.signal})`;
}

/** The keys are a promise to programs. */
export function containerJson(container: ContainerRecord): Record<string, unknown> {
  const { id, reference, image, state, argv, createdAt, startedAt, end } = container;
  const seconds = (milliseconds: number | null) =>
    milliseconds === null ? null : Math.floor(milliseconds / 1000);
  return {
    id,
    image: reference,
    image_id: image.id,
    state,
    command: argv,
    created_at: seconds(createdAt),
    started_at: seconds(startedAt),
    exit_code: end?.exitCode ?? null,
    signal: end?.signal ?? null,
    out_of_memory: end?.outOfMemory ?? false,
  };
}
