import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "../../config/paths.ts";
import { errnoOf } from "../../errors.ts";

/** Directories of machines begin with a letter or a digit; what is being made or removed, with a dot. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** The names of the machines that there are, sorted. Reads one directory, and nothing in it. */
export function machineNames({ data }: Pick<Paths, "data">): string[] {
  try {
    return readdirSync(join(data, "machines"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
