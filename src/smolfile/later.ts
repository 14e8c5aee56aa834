import { isTable, nameOf, type TomlPath } from "../toml/index.ts";
import type { Problem } from "./problem.ts";
import type { SmolfileContent } from "./schema.ts";

const CUDA = "no machine has a driver for CUDA in this release; gpu = true gives it a GPU for OpenGL";
const FORK = "a machine cannot be forked in this release";

/**
 * Keys that are read and checked, and that nothing can be made of yet. Whoever builds one of these takes its row away,
 * and gives it to the machine in settings.ts.
 */
const LATER: readonly (readonly [path: readonly string[], reason: string])[] = [
  [["cuda"], CUDA],
  [["auto_graph"], CUDA],
  [["rosetta"], "programs of another architecture are not translated in this release"],
  [["docker_socket"], "no socket of the machine answers on the host in this release"],
  [["fork", "enabled"], FORK],
  [["fork", "pool_size"], FORK],
];

/** What a Smolfile asks for and this release cannot do: `false` and empty lists ask for nothing. */
export function unavailableProblems(content: SmolfileContent): Problem[] {
  return LATER.flatMap(([path, reason]) => {
    const value = path.reduce<unknown>((table, key) => (isTable(table) ? table[key] : undefined), content);
    if (!asksForSomething(value)) return [];
    return [{ code: "smolfile.unavailable", path, message: `${asWritten(path, value)}: ${reason}` }];
  });
}

function asksForSomething(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isTable(value) ? Object.keys(value).length > 0 : value !== undefined && value !== false;
}

function asWritten(path: TomlPath, value: unknown): string {
  const name = nameOf(path);
  return Array.isArray(value) || isTable(value) ? name : `${name} = ${value}`;
}
