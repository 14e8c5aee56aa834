/** What a guest has changed in a workspace, for people and programs. */
import { decodeByteString } from "../../surrogate-escape.ts";
import {
  type Change,
  type Conflict,
  type FilePatch,
  gitMode,
  gitPath,
  hunkHeader,
  type Kept,
} from "../../workspace/index.ts";
import { isLinkOut } from "./apply-notes.ts";

export const conflictWords: Readonly<Record<Conflict, string>> = {
  created: "the host has made something of this name meanwhile",
  changed: "the host has changed it meanwhile",
  removed: "the host has removed it meanwhile",
  unreachable: "its directory is not there on the host any more",
  "not-empty": "the host has something in it that the guest has not seen",
};

/** Why a change was not applied. */
export function keptWords(because: Kept): string {
  switch (because.why) {
    case "conflict":
      return conflictWords[because.conflict];
    case "special":
      return "FIFOs and sockets are not brought to the host";
    case "newer":
      return "the guest has changed it once more meanwhile";
    case "failed":
      return because.errno === 28
        ? "no space is left"
        : because.errno === 13
          ? "it may not be written to"
          : `errno ${because.errno}`;
  }
}

const isDirectory = ({ node, base }: Change): boolean => (node ?? base)?.kind === "directory";

/** A path in the folder, as git writes it; a directory's ends with a slash. */
export function pathOf(change: Change): string {
  const path = gitPath(undefined, change.names);
  if (!isDirectory(change)) return path;
  return path.endsWith('"') ? `${path.slice(0, -1)}/"` : `${path}/`;
}

const LETTERS = { added: "A", modified: "M", deleted: "D", "type-changed": "T" } as const;

/** `M path`, `R old → new`: one line. */
export function changeLine(change: Change): string {
  const moved = change.movedFrom;
  if (moved !== undefined) return `R ${gitPath(undefined, moved)} -> ${pathOf(change)}`;
  return `${LETTERS[change.status]} ${pathOf(change)}${linkNote(change)}`;
}

/** Where a link leads, if that is not in the folder: whoever follows it on the host should know. */
function linkNote(change: Change): string {
  if (!isLinkOut(change)) return "";
  const target = Buffer.from(change.node?.target ?? []).toString("latin1");
  return `  (a link to ${gitPath(undefined, [target])}, outside)`;
}

/** What moved away is told with where it went. */
export const isListed = (change: Change): boolean => !change.hasMoved;

export interface Look {
  /** For a terminal, with colours. */
  readonly color: boolean;
  /** For a terminal: no character that it would obey. */
  readonly safe: boolean;
}

const COLOR = { header: "1", hunk: "36", added: "32", removed: "31" } as const;

/** A patch as git prints it: bytes, one character each, unless it is for a terminal. */
export function formatPatch(patch: FilePatch, look: Look): string {
  const paint = (text: string, color: keyof typeof COLOR | undefined) => {
    const line = look.safe ? visible(text) : text;
    return look.color && color !== undefined ? `\x1b[${COLOR[color]}m${line}\x1b[m\n` : `${line}\n`;
  };
  const lines = patch.header.map((line) => paint(line, "header"));
  for (const hunk of patch.hunks) {
    lines.push(paint(hunkHeader(hunk), "hunk"));
    for (const line of hunk.lines)
      lines.push(paint(line, line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : undefined));
  }
  return lines.join("");
}

/** Text of the guest's, of which a terminal obeys nothing. */
function visible(bytes: string): string {
  return decodeByteString(Buffer.from(bytes, "latin1")).replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\udc80-\udcff]/g,
    (character) => {
      const code = character.charCodeAt(0);
      if (code >= 0xdc80) return `<${(code - 0xdc00).toString(16)}>`;
      return code < 0x20 ? `^${String.fromCharCode(code + 64)}` : `<${code.toString(16)}>`;
    },
  );
}

/** `git diff --stat`. */
export function formatStat(
  files: readonly { readonly path: string; readonly patch: FilePatch | undefined }[],
): string {
  const width = Math.min(60, Math.max(0, ...files.map(({ path }) => path.length)));
  const most = Math.max(1, ...files.map(({ patch }) => (patch?.added ?? 0) + (patch?.removed ?? 0)));
  const scale = Math.min(1, 30 / most);
  const bar = (count: number, sign: string) =>
    sign.repeat(count === 0 ? 0 : Math.max(1, Math.round(count * scale)));
  const lines = files.map(({ path, patch }) => {
    const name = ` ${path.padEnd(width)} |`;
    if (patch === undefined) return name.slice(0, -2).trimEnd();
    if (patch.isBinary) return `${name} Bin`;
    return `${name} ${patch.added + patch.removed} ${bar(patch.added, "+")}${bar(patch.removed, "-")}`.trimEnd();
  });
  const sum = (side: "added" | "removed") => files.reduce((all, { patch }) => all + (patch?.[side] ?? 0), 0);
  const total = ` ${count(files.length, "file")} changed, ${sum("added")} insertions(+), ${sum("removed")} deletions(-)`;
  return `${[...lines, total].join("\n")}\n`;
}

export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** The keys are a promise to programs (docs/json.md). */
export function changeJson(target: string, change: Change): Record<string, unknown> {
  const { base, node, movedFrom, conflict } = change;
  const text = (names: readonly string[]) => decodeByteString(Buffer.from(names.join("/"), "latin1"));
  return {
    workspace: target,
    path: text(change.names),
    status: movedFrom === undefined ? change.status : "renamed",
    renamed_from: movedFrom === undefined ? null : text(movedFrom),
    kind: (node ?? base)?.kind ?? null,
    old_mode: base === undefined || base.kind === "directory" ? null : gitMode(base.kind, base.mode),
    new_mode: node === undefined || node.kind === "directory" ? null : gitMode(node.kind, node.mode),
    size: node === undefined ? null : change.size,
    conflict: conflict ?? null,
  };
}
