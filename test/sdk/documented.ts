/** What the declarations of the package say about its names: the compiler has no interface for programs to ask. */
import { dirname, join } from "node:path";
import type { CompiledFile } from "../../build/sdk/compile.ts";

export interface Documented {
  /** `Machine`, `Machine.create`. */
  readonly name: string;
  /** Without its tags. */
  readonly words: string;
  readonly examples: readonly string[];
  /** Whether it has to have an example: names of the package, and what can be called. */
  readonly isShown: boolean;
}

const TOP = /^export (?:declare )?(?:abstract )?(class|interface|type|function|const) (\w+)/;
const MEMBER = /^ {4}(get )?(?:(?:static|readonly|async|abstract) )*(\[Symbol\.\w+\]|\w+)[?]?([(<:]?)/;

/**
 * The names that a file of declarations has, and the members of its classes.
 *
 * @param text as the compiler writes it: one declaration a line or more, with what is said about it in a comment before it
 */
export function documentedIn(text: string): Documented[] {
  const found: Documented[] = [];
  let comment = "";
  let inside: string | undefined;
  const add = (name: string, isShown: boolean) => {
    // Of overloads the first one speaks.
    if (!found.some((one) => one.name === name)) found.push({ name, isShown, ...partsOf(comment) });
  };
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    if (/^\s*\/\*\*/.test(line)) {
      const begin = at;
      while (!(lines[at] as string).includes("*/")) at++;
      comment = lines.slice(begin, at + 1).join("\n");
      continue;
    }
    const [, kind, top] = TOP.exec(line) ?? [];
    if (top !== undefined) add(top, true);
    if (kind === "class" && !line.endsWith("}")) inside = top;
    else if (line === "}") inside = undefined;
    const [, getter, member, after] = (inside !== undefined && MEMBER.exec(line)) || [];
    // Of an error, the name is the class's.
    const isOwn =
      member !== undefined && !/^(private|protected)$/.test(member) && !isNameOfError(inside, member);
    if (isOwn)
      add(
        `${inside}.${member}`,
        member !== "constructor" && getter === undefined && /[(<]/.test(after ?? ""),
      );
    comment = "";
  }
  return found;
}

const isNameOfError = (inside: string | undefined, member: string) =>
  member === "name" && /Error$/.test(inside ?? "");

/** The names that the package's face leads to. @param face the file that has them */
export function exportedNames(files: readonly CompiledFile[], face = "index.d.ts"): Set<string> {
  const text = files.find(({ path }) => path === face)?.text;
  if (text === undefined) throw new Error(`there is no ${face}`);
  const listed = [...text.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(
    ([, list = ""]) => list.match(/\w+(?=\s*(,|$))/g) ?? [],
  );
  const whole = [...text.matchAll(/export (?:type )?\* from "(.*)\.js"/g)].flatMap(([, to = ""]) => [
    ...exportedNames(files, join(dirname(face), `${to}.d.ts`)),
  ]);
  const own = documentedIn(text).map(({ name }) => name.split(".")[0] as string);
  return new Set([...listed, ...whole, ...own]);
}

function partsOf(comment: string): Pick<Documented, "words" | "examples"> {
  const text = comment
    .split("\n")
    .map((line) => line.replace(/^\s*\/?\*+\/? ?/, "").replace(/\s*\*\/$/, ""))
    .join("\n");
  const [words = "", ...tags] = text.split(/(?:^|\n|(?<=\S) )@(?=(?:example|param|returns|throws)\b)/);
  const examples = tags
    .filter((tag) => tag.startsWith("example\n"))
    .map((tag) => tag.slice("example\n".length).trim());
  return { words: words.trim(), examples };
}
