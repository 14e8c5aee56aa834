/** Changes in the format of `git diff`, which `git apply` and patch(1) read (git-diff(1), "Generating patch text"). */
import type { Names } from "../host-folder.ts";
import type { Kind } from "../stat.ts";
import type { OpenWorkspace } from "../workspace.ts";
import type { Change } from "./changes.ts";
import { guestSide, type Hunk, hostSide, hunksOf, isBinary, type Side } from "./texts.ts";

/** One file of a patch. Texts have a character for each byte. */
export interface FilePatch {
  readonly names: Names;
  /** Lines before the first `@@`. */
  readonly header: readonly string[];
  readonly hunks: readonly Hunk[];
  readonly added: number;
  readonly removed: number;
  readonly isBinary: boolean;
}

/** What one change is in a patch: none for a directory, and for what has moved away; two where a file takes the place of a link. */
export async function patchesOf(workspace: OpenWorkspace, change: Change): Promise<FilePatch[]> {
  const { base, node, names, movedFrom } = change;
  if (change.hasMoved) return [];
  const oldNames = movedFrom ?? names;
  const before = hasLines(base?.kind ?? (movedFrom === undefined ? undefined : "file"))
    ? hostSide(workspace, oldNames)
    : undefined;
  const after = hasLines(node?.kind) ? guestSide(workspace, change) : undefined;
  if (before === undefined && after === undefined) return [];
  if (change.status === "type-changed" && before !== undefined && after !== undefined) {
    const parts = [
      { ...change, node: undefined, status: "deleted" as const },
      { ...change, base: undefined, status: "added" as const },
    ];
    const [gone, come] = parts as [Change, Change];
    return [await patchOf(gone, oldNames, before, undefined), await patchOf(come, names, undefined, after)];
  }
  return [await patchOf(change, oldNames, before, after)];
}

const hasLines = (kind: Kind | undefined): boolean => kind === "file" || kind === "symlink";

async function patchOf(change: Change, oldNames: Names, before: Side, after: Side): Promise<FilePatch> {
  const { names } = change;
  const [from, to] = [gitPath("a", oldNames), gitPath("b", names)];
  const [old, fresh] = [before === undefined ? "/dev/null" : from, after === undefined ? "/dev/null" : to];
  const header = [`diff --git ${from} ${to}`, ...modeLines(change, before, after)];
  const nothing = { names, added: 0, removed: 0, hunks: [], isBinary: false };
  if (change.movedFrom !== undefined) {
    if (isSameSide(before, after)) header.push("similarity index 100%");
    header.push(`rename from ${gitPath(undefined, oldNames)}`, `rename to ${gitPath(undefined, names)}`);
  }
  if (before === "too-large" || after === "too-large")
    return {
      ...nothing,
      header: [...header, `Files ${old} and ${fresh} differ (too large to show)`],
      isBinary: true,
    };
  if (isSameSide(before, after)) return { ...nothing, header };
  const [one, other] = [before ?? new Uint8Array(), after ?? new Uint8Array()];
  if (isBinary(one) || isBinary(other))
    return { ...nothing, header: [...header, `Binary files ${old} and ${fresh} differ`], isBinary: true };
  const hunks = await hunksOf(one, other);
  if (hunks === undefined)
    return {
      ...nothing,
      header: [...header, `Files ${old} and ${fresh} differ (too much to compare)`],
      isBinary: true,
    };
  if (hunks.length === 0) return { ...nothing, header };
  const count = (sign: string) =>
    hunks.reduce((sum, { lines }) => sum + lines.filter((line) => line.startsWith(sign)).length, 0);
  header.push(`--- ${old}`, `+++ ${fresh}`);
  return { names, header, hunks, added: count("+"), removed: count("-"), isBinary: false };
}

/** git knows three kinds of files: those that can be executed, those that cannot, and links. */
export function gitMode(kind: Kind, mode: number): string {
  if (kind === "symlink") return "120000";
  return (mode & 0o100) === 0 ? "100644" : "100755";
}

function modeLines({ base, node, movedFrom }: Change, before: Side, after: Side): string[] {
  if (before === undefined)
    return node === undefined ? [] : [`new file mode ${gitMode(node.kind, node.mode)}`];
  if (after === undefined)
    return base === undefined ? [] : [`deleted file mode ${gitMode(base.kind, base.mode)}`];
  if (base === undefined || node === undefined || movedFrom !== undefined) return [];
  const [old, fresh] = [gitMode(base.kind, base.mode), gitMode(node.kind, node.mode)];
  if (old !== fresh) return [`old mode ${old}`, `new mode ${fresh}`];
  // The one place where git looks whether it is a link.
  return node.kind === "symlink" ? [`index 0000000..0000000 ${fresh}`] : [];
}

function isSameSide(a: Side, b: Side): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
}

/** `@@ -1,2 +3 @@`. */
export function hunkHeader({ oldStart, oldLines, newStart, newLines }: Hunk): string {
  // No lines are behind a line, not at one.
  const range = (start: number, lines: number) =>
    lines === 1 ? `${start}` : `${lines === 0 ? start - 1 : start},${lines}`;
  return `@@ -${range(oldStart, oldLines)} +${range(newStart, newLines)} @@`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

/** A path as git writes it: in quotes, with octal numbers, when it has other bytes than printable ASCII. */
export function gitPath(prefix: "a" | "b" | undefined, names: Names): string {
  const path = `${prefix === undefined ? "" : `${prefix}/`}${names.join("/")}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const special = /[\x00-\x1f"\\\x7f-\xff]/g;
  if (!special.test(path)) return path;
  const octal = (character: string) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  return `"${path.replace(special, (character) => ESCAPES[character] ?? octal(character))}"`;
}
