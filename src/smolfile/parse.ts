import { safeParse } from "valibot";
import type { SmolError } from "../errors.ts";
import { nameOf, pathKey, TomlDocument, type TomlPath } from "../toml/index.ts";
import type { Problem } from "./problem.ts";
import { ruleProblems } from "./rules.ts";
import { type SmolfileContent, smolfileSchema } from "./schema.ts";
import { MOST_PROBLEMS, sizeProblems, structureProblems } from "./structure.ts";

const CODES = {
  badToml: "smolfile.bad_toml",
  unknownKey: "smolfile.unknown_key",
  badValue: "smolfile.bad_value",
} as const;

/** A Smolfile that is right in itself. */
export interface Smolfile {
  /** As it was named; messages begin with it. */
  readonly path: string;
  /** Absolute: where its relative paths begin. */
  readonly directory: string;
  readonly content: SmolfileContent;
  /** A problem as an error, at its place in the file. */
  readonly errorOf: (problem: Problem) => SmolError;
  /** Problems in the order of the file. */
  readonly inOrder: (problems: readonly Problem[]) => Problem[];
}

export type Parsed = { readonly file: Smolfile } | { readonly errors: readonly [SmolError, ...SmolError[]] };

/**
 * Reads the text of a Smolfile.
 *
 * @param path the name that messages begin with
 * @param directory absolute; where relative paths begin
 * @returns the file, or what is wrong with it in the order of the file, each with line and column
 * @throws SmolError `smolfile.bad_toml` when it is no TOML
 */
export function parseSmolfile(path: string, directory: string, text: string): Parsed {
  const document = new TomlDocument(path, text, CODES);
  const errorOf = ({ code, path, message, hint }: Problem) => document.failure(code, path, message, hint);
  const inOrder = (problems: readonly Problem[]) => sorted(document, problems);
  const checked = check(document.values);
  if ("content" in checked) return { file: { path, directory, content: checked.content, errorOf, inOrder } };
  const [first, ...others] = inOrder(checked.problems).slice(0, MOST_PROBLEMS).map(errorOf);
  if (first === undefined) throw new Error("a Smolfile was refused without a reason");
  return { errors: [first, ...others] };
}

function check(values: Readonly<Record<string, unknown>>) {
  const tooLong = sizeProblems(values);
  if (tooLong.length > 0) return { problems: tooLong };
  const structure = structureProblems(smolfileSchema, values);
  const parsed = safeParse(smolfileSchema, values, { abortPipeEarly: true });
  if (parsed.success && structure.length === 0) {
    const problems = ruleProblems(parsed.output);
    return problems.length === 0 ? { content: parsed.output } : { problems };
  }
  const issues = (parsed.issues ?? []).filter(({ type }) => type !== "strict_object" && type !== "record");
  return { problems: oncePerPlace([...structure, ...issues.map(problemOf)]) };
}

function problemOf(issue: {
  path?: readonly { readonly key: unknown }[] | undefined;
  message: string;
}): Problem {
  const path = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
  return { code: "smolfile.bad_value", path, message: `${nameOf(path)} ${issue.message}` };
}

function oncePerPlace(problems: readonly Problem[]): Problem[] {
  const seen = new Map<string, Problem>();
  for (const problem of problems) {
    const key = pathKey(problem.path);
    if (!seen.has(key)) seen.set(key, problem);
  }
  return [...seen.values()];
}

function sorted(document: TomlDocument, problems: readonly Problem[]): Problem[] {
  const at = (path: TomlPath) => document.offsetOf(path) ?? Number.MAX_SAFE_INTEGER;
  return problems.toSorted((a, b) => at(a.path) - at(b.path));
}
