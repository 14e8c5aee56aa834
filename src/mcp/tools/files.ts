import { boolean, maxLength, minLength, picklist, pipe, regex, strictObject, string } from "valibot";
import { SmolError } from "../../errors.ts";
import type { Machine } from "../../machine/index.ts";
import { runToEnd } from "../../serve/live/command.ts";
import { Kept, piecesOf } from "../../serve/live/output.ts";
import { count } from "../../serve/schema/fields.ts";
import { quote } from "../../values/index.ts";
import { contentOf, readGuest, writeGuest } from "./guest-files.ts";
import { defined } from "./result.ts";
import { type Call, field, inMachine, machineField, path, tool } from "./tool.ts";

/** Characters of a file that one message writes, and bytes of one that is edited. */
const MAX_FILE = 1024 * 1024;

/** What a listing may cost in the machine. */
const LIST_LIMIT_MS = 30_000;

export const readFileTool = tool({
  name: "read_file",
  description: "Read a file of a machine. What is not UTF-8 comes as base64. next_offset: there is more.",
  schema: strictObject({
    path,
    machine: machineField,
    offset: field(count(0, Number.MAX_SAFE_INTEGER), "Bytes to skip."),
    limit: field(count(1, MAX_FILE), "Bytes to read."),
  }),
  annotations: { title: "Read a file", readOnlyHint: true },
  run: ({ path, machine, offset = 0, limit }, call) =>
    inMachine(call, machine, async ({ machine: reached }) => {
      const { maxOutputBytes } = call.machines.ceilings;
      const most = Math.min(limit ?? maxOutputBytes, maxOutputBytes);
      const read = await readGuest(reached, path, { offset, limit: most, signal: call.signal });
      const { bytes, text } = whole(read.bytes, read.isMore);
      const content = text ?? bytes.toString("base64");
      const next = read.isMore ? offset + bytes.length : undefined;
      const structured = defined({
        path,
        encoding: text === undefined ? "base64" : "utf8",
        content,
        next_offset: next,
      });
      return { text: next === undefined ? content : `${content}\n[more: offset ${next}]`, structured };
    }),
});

/** Text, if it is some; a character that the end of the part has split is left to the next part. */
function whole(bytes: Buffer, isMore: boolean): { bytes: Buffer; text: string | undefined } {
  for (let cut = 0; cut <= (isMore ? 3 : 0) && cut < Math.max(bytes.length, 1); cut++) {
    const part = bytes.subarray(0, bytes.length - cut);
    try {
      return { bytes: part, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part) };
    } catch {
      // One byte less, or no text at all.
    }
  }
  return { bytes, text: undefined };
}

export const writeFileTool = tool({
  name: "write_file",
  description: "Write a file of a machine, whole; directories above it are made.",
  schema: strictObject({
    path,
    content: pipe(string(), maxLength(MAX_FILE)),
    machine: machineField,
    encoding: field(picklist(["utf8", "base64"]), "Default: utf8."),
    mode: field(pipe(string(), regex(/^[0-7]{3,4}$/, "must be octal, such as 755")), "Octal. Default: 644."),
  }),
  annotations: { title: "Write a file", readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  run: ({ path, content, machine, encoding, mode = "644" }, call) =>
    inMachine(call, machine, async ({ machine: reached }) => {
      const bytes = encoding === "base64" ? fromBase64(content) : Buffer.from(content);
      const { signal } = call;
      await writeGuest(reached, path, contentOf(bytes), { mode: Number.parseInt(mode, 8), signal });
      return { text: `wrote ${bytes.length} bytes to ${path}`, structured: { path, bytes: bytes.length } };
    }),
});

function fromBase64(text: string): Buffer {
  if (/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) return Buffer.from(text, "base64");
  throw new SmolError("mcp.bad_arguments", "content: not base64");
}

export const editFileTool = tool({
  name: "edit_file",
  description: "Replace a text that occurs exactly once in a file of a machine.",
  schema: strictObject({
    path,
    old: pipe(string(), minLength(1), maxLength(MAX_FILE)),
    new: pipe(string(), maxLength(MAX_FILE)),
    machine: machineField,
  }),
  annotations: { title: "Edit a file", readOnlyHint: false, destructiveHint: true },
  run: ({ path, old, new: replacement, machine }, call) =>
    inMachine(call, machine, async ({ machine: reached }) => {
      const { signal } = call;
      const { bytes, isMore } = await readGuest(reached, path, { offset: 0, limit: MAX_FILE, signal });
      if (isMore)
        throw new SmolError("mcp.edit", `${path} is larger than ${MAX_FILE} bytes`, {
          hint: "edit it with exec",
        });
      const { text } = whole(bytes, false);
      if (text === undefined)
        throw new SmolError("mcp.edit", `${path} is not UTF-8`, { hint: "edit it with exec" });
      const [before = "", after, ...more] = text.split(old);
      if (after === undefined || more.length > 0) {
        const found = after === undefined ? "does not occur" : `occurs ${more.length + 1} times`;
        throw new SmolError("mcp.edit", `the text ${found} in ${path}`, {
          hint: "give a text that occurs once",
        });
      }
      const edited = Buffer.from(before + replacement + after);
      const mode = await modeOf(reached, path, signal);
      await writeGuest(reached, path, contentOf(edited), { mode, signal });
      return { text: `edited ${path}`, structured: { path, bytes: edited.length } };
    }),
});

export const listFilesTool = tool({
  name: "list_files",
  description: "List a directory of a machine: type, size and path of each entry.",
  schema: strictObject({
    path,
    machine: machineField,
    depth: field(count(1, 20), "Levels below path. Default: 1."),
    glob: field(pipe(string(), minLength(1), maxLength(300)), "Only names that match, such as *.py."),
    hidden: field(boolean(), "Also names that begin with a dot. Default: true."),
  }),
  annotations: { title: "List files", readOnlyHint: true },
  run: ({ path, machine, depth = 1, glob, hidden = true }, call) =>
    inMachine(call, machine, async ({ machine: reached }) => {
      const names = [...(glob === undefined ? [] : ["-name", glob]), ...(hidden ? [] : ["!", "-name", ".*"])];
      const levels = ["-mindepth", "1", "-maxdepth", String(depth)];
      const stat = ["-exec", "stat", "-c", "%f %s %n", "{}", "+"];
      const { text, truncated } = await toolOutput(
        reached,
        ["find", `${path}/`, ...levels, ...names, ...stat],
        call,
      );
      const entries = text
        .split("\n")
        .flatMap(entryOf)
        .sort((a, b) => (a.path < b.path ? -1 : 1));
      const lines = entries.map(({ type, size, path }) => `${type} ${size} ${path}`);
      return {
        text: [...lines, ...(truncated ? ["[there is more: use a glob or less depth]"] : [])].join("\n"),
        structured: defined({ entries, truncated: truncated || undefined }),
      };
    }),
});

/** The type is in the mode's upper bits (inode(7)). */
const TYPES: ReadonlyMap<number, string> = new Map([
  [0o10, "file"],
  [0o4, "dir"],
  [0o12, "link"],
]);

function entryOf(line: string): { type: string; size: number; path: string }[] {
  const [, mode, size, path] = /^([0-9a-f]+) (\d+) (\/.*)$/.exec(line) ?? [];
  if (mode === undefined || path === undefined) return [];
  const type = TYPES.get(Number.parseInt(mode, 16) >> 12) ?? "other";
  return [{ type, size: Number(size), path: path.replace(/\/{2,}/g, "/") }];
}

/** A file that is edited stays as executable as it was; an image without `stat` gives what files usually have. */
async function modeOf(machine: Machine, path: string, signal: AbortSignal): Promise<number> {
  try {
    const { text } = await outputOf(machine, ["stat", "-L", "-c", "%a", path], signal, 100);
    return Number.parseInt(text, 8) || 0o644;
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return 0o644;
  }
}

async function toolOutput(machine: Machine, argv: readonly string[], { machines, signal }: Call) {
  return await outputOf(machine, argv, signal, machines.ceilings.maxOutputBytes);
}

/** What a program of the image prints. @throws SmolError `mcp.guest_tool` when it fails without a word of output */
async function outputOf(machine: Machine, argv: readonly string[], signal: AbortSignal, limit: number) {
  const process = machine.exec({ argv, stdin: false });
  const kept = { stdout: new Kept(limit), stderr: new Kept(2000) };
  const reading = (async () => {
    for await (const { channel, bytes } of piecesOf(process)) kept[channel].add(bytes);
  })();
  reading.catch(() => {});
  const exitCode = await runToEnd(process, { stdin: undefined, timeoutMs: LIST_LIMIT_MS }, signal);
  await reading.catch(() => {});
  const { truncated } = kept.stdout;
  const all = kept.stdout.bytes().toString();
  // Part of a line would name what is not there.
  const text = truncated ? all.slice(0, all.lastIndexOf("\n") + 1) : all;
  const complaint = kept.stderr.bytes().toString().trim();
  if (exitCode !== 0 && text === "")
    throw new SmolError(
      "mcp.guest_tool",
      `${quote(argv[0] ?? "")} failed in the machine: ${complaint || exitCode}`,
    );
  return { text, truncated };
}
