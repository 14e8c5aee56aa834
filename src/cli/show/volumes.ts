import type { NamedVolume } from "../../machine/volumes/index.ts";
import { type Column, formatTable } from "../format/table.ts";

/** Titles and widths are part of what scripts rely on. */
const columns: readonly Column<NamedVolume>[] = [
  { title: "VOLUME", width: 24, align: "left", text: ({ name }) => name },
  { title: "MACHINES", width: 30, align: "left", text: ({ machines }) => machines.join(", ") },
  { title: "PATH", width: 40, align: "left", text: ({ path }) => path },
];

/** The table of `volume ls`, with its final newline. */
export function formatVolumes(volumes: readonly NamedVolume[]): string {
  return volumes.length === 0 ? "No volumes found\n" : formatTable(columns, volumes);
}

/** The keys are a promise to programs. */
export function volumeJson({ name, path, createdAt, machines }: NamedVolume): Record<string, unknown> {
  return { name, path, created_at: Math.floor(createdAt / 1000), machines };
}
