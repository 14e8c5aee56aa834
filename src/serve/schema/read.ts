/** Requests held against schemas; each failure names the field. */
import { type GenericSchema, getDotPath, type InferOutput, safeParse } from "valibot";
import { nearest, quote } from "../../values/index.ts";
import { belowOf, keysOf, unwrapped } from "../../values/schema-tree.ts";
import { Refused } from "../errors.ts";

/** A table whose keys are all known. */
export type TableSchema = GenericSchema & { readonly entries: Readonly<Record<string, GenericSchema>> };

/** Former spellings of keys, and what they are called today. */
export type Former = Readonly<Record<string, string>>;

/**
 * @param what `body` or `query`
 * @throws Refused `BAD_REQUEST`
 */
export function read<S extends GenericSchema>(
  schema: S,
  given: unknown,
  what: string,
  former: Former = {},
): InferOutput<S> {
  // For a schema of fields a list is a table without any.
  if (Array.isArray(given)) throw bad(`the ${what}: must be an object (got a list)`);
  const parsed = safeParse(schema, inWordsOfToday(given, former));
  if (parsed.success) return parsed.output;
  // A field that is missing has often been given by another name, which says more.
  const unknown = parsed.issues.find(isUnknownField);
  if (unknown !== undefined) throw bad(unknownField(schema, getDotPath(unknown) ?? "", what));
  const [issue] = parsed.issues;
  const path = getDotPath(issue) ?? "";
  const where = path === "" ? `the ${what}` : path;
  throw bad(`${where}: ${isMissingField(issue) ? "is missing" : explain(issue)}`);
}

const isUnknownField = ({ type, expected }: Issue): boolean =>
  type === "strict_object" && expected === "never";

/** Of a table that lacks one valibot tells as of the field, with its name for what was expected. */
const isMissingField = ({ type, received }: Issue): boolean =>
  type === "strict_object" && received === "undefined";

const bad = (message: string) => new Refused("BAD_REQUEST", message);

/** A document that says one thing twice is refused, rather than guessed about. */
function inWordsOfToday(given: unknown, former: Former): unknown {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return given;
  const entries = Object.entries(given).map(([key, value]): [string, unknown] => {
    const today = Object.hasOwn(former, key) ? former[key] : undefined;
    if (today === undefined) return [key, value];
    if (Object.hasOwn(given, today)) throw bad(`${key} and ${today} are the same: give one of them`);
    return [today, value];
  });
  return Object.fromEntries(entries);
}

function unknownField(root: GenericSchema, path: string, what: string): string {
  const parts = path.split(".");
  const key = parts.at(-1) ?? "";
  const known = keysAt(root, parts.slice(0, -1));
  const close = nearest(key, known);
  const hint = close === undefined ? "" : `; did you mean ${close}?`;
  return `unknown field ${quote(path)} in the ${what}${hint}`;
}

/** The names of the fields of a table within a schema; items of a list are all alike. */
function keysAt(root: GenericSchema, path: readonly string[]): readonly string[] {
  let schema: GenericSchema | undefined = root;
  for (const part of path) {
    const inner: GenericSchema | undefined = schema && unwrapped(schema);
    schema = inner && ("item" in inner ? (inner.item as GenericSchema) : belowOf(inner, part));
  }
  return keysOf(schema);
}

interface Issue {
  readonly type: string;
  readonly message: string;
  readonly expected: unknown;
  readonly received: unknown;
  readonly requirement?: unknown;
}

function explain({ type, message, expected, received, requirement }: Issue): string {
  if (type === "min_value") return `must be at least ${requirement} (got ${received})`;
  if (type === "max_value") return `must be at most ${requirement} (got ${received})`;
  if (type === "integer") return `must be a whole number (got ${received})`;
  // What a schema says itself is better.
  if (!message.startsWith("Invalid ")) return message;
  if (type === "min_length") return `must not be shorter than ${requirement}`;
  if (type === "max_length") return `must not be longer than ${requirement}`;
  return `must be ${expected} (got ${received})`;
}

/** The texts of a query as the values that their schemas have: numbers, true or false, lists of repeated parameters. */
export function queryValues(schema: TableSchema, given: URLSearchParams): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const key of new Set(given.keys())) {
    const texts = given.getAll(key);
    const parameter = belowOf(schema, key);
    const kind = parameter && unwrapped(parameter).type;
    if (kind === "array") values[key] = texts;
    else if (texts.length > 1) throw bad(`${key} is given ${texts.length} times in the query`);
    else values[key] = parameterOf(kind, texts[0] as string);
  }
  return values;
}

function parameterOf(kind: string | undefined, text: string): unknown {
  if (kind === "number" && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (kind === "boolean" && (text === "true" || text === "1")) return true;
  if (kind === "boolean" && (text === "false" || text === "0")) return false;
  return text;
}
