import type { GenericSchema } from "valibot";
import { isTable, nameOf, type TomlPath, typeName } from "../toml/index.ts";
import { quote } from "../values/index.ts";
import { belowOf, entriesOf, freeOf } from "../values/schema-tree.ts";
import type { Problem } from "./problem.ts";
import { suggest } from "./suggest.ts";
import { MAX_ENTRIES } from "./values.ts";

/** Who has made more mistakes does not read further. */
export const MOST_PROBLEMS = 100;

/** Nothing that is known stands deeper; keys with a hundred thousand dots do. */
const MAX_DEPTH = 4;

/** What valibot's record leaves out of its output without a word. */
const RESERVED = ["__proto__", "prototype", "constructor"];

type Table = Readonly<Record<string, unknown>>;

const wrong = (path: TomlPath, message: string, hint?: string): Problem => ({
  code: "smolfile.bad_value",
  path,
  message: `${nameOf(path)} ${message}`,
  hint,
});

/** Lists and tables that are too long to look at each of their entries, which may all be wrong. */
export function sizeProblems(value: unknown, path: TomlPath = []): Problem[] {
  if (typeof value !== "object" || value === null || path.length > MAX_DEPTH) return [];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  if (entries.length <= MAX_ENTRIES)
    return entries.flatMap(([key, below]) => sizeProblems(below, [...path, key]));
  const name = path.length === 0 ? "the file" : nameOf(path);
  const message = `${name} must not have more than ${MAX_ENTRIES} entries`;
  return [{ code: "smolfile.bad_value", path, message }];
}

/**
 * Whether tables are where they belong and have only keys that are known. The library that checks the values takes any
 * object for a table (an array, a date), and stops at the first unknown key.
 */
export function structureProblems(root: GenericSchema, values: Table): Problem[] {
  const problems: Problem[] = [];
  const walk = (schema: GenericSchema, table: Table, path: readonly string[]): void => {
    for (const [key, value] of Object.entries(table)) {
      if (problems.length >= MOST_PROBLEMS) return;
      const at = [...path, key];
      const problem = keyProblem(root, schema, at, value);
      const below = belowOf(schema, key);
      if (problem !== undefined) problems.push(problem);
      else if (below !== undefined && isTableSchema(below) && isTable(value)) walk(below, value, at);
    }
  };
  walk(root, values, []);
  return problems;
}

/** @param schema of the table in which the key stands */
function keyProblem(
  root: GenericSchema,
  schema: GenericSchema,
  path: readonly string[],
  value: unknown,
): Problem | undefined {
  const key = path.at(-1) ?? "";
  const known = belowOf(schema, key);
  if (known === undefined) return unknownKey(root, path, value);
  if (isTableSchema(known)) {
    if (!isTable(value)) return wrong(path, `must be a table, not ${typeName(value)}`);
  } else if (isTable(value) && freeOf(schema) !== undefined) {
    const example = `${nameOf(path.slice(0, -1))}.${quote(`${key}.${Object.keys(value)[0] ?? "x"}`)}`;
    return wrong(path, "must be a text, not a table", `quote a name that has dots: ${example}`);
  }
  if (freeOf(schema) === undefined) return undefined;
  if (RESERVED.includes(key)) return wrong(path, "has a name that cannot be used");
  return key.trim() === "" ? wrong(path, "has no name") : undefined;
}

function unknownKey(root: GenericSchema, path: readonly string[], value: unknown): Problem {
  const kind = path.length === 1 && isTable(value) ? `section [${nameOf(path)}]` : `key ${nameOf(path)}`;
  const hint = suggest(root, path.slice(0, -1), path.at(-1) ?? "");
  return { code: "smolfile.unknown_key", path, message: `unknown ${kind}`, hint };
}

function isTableSchema(schema: GenericSchema): boolean {
  return entriesOf(schema) !== undefined || freeOf(schema) !== undefined;
}
