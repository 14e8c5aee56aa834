import { lstatSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { maxLength, pipe, strictObject, string } from "valibot";
import { LimitedCopy } from "../../copy/index.ts";
import { SmolError } from "../../errors.ts";
import { copyFromMachine, copyToMachine } from "../../machine/index.ts";
import { Refused } from "../../serve/errors.ts";
import { allowedPath, openAllowed } from "../../serve/machine/host-paths.ts";
import { inMachine, tool } from "./tool.ts";

const place = pipe(string(), maxLength(4200));

/** `NAME:/path` is in a machine, `/path` of the host. */
const IN_MACHINE = /^([a-z0-9-]{1,40}):(\/.*)$/s;

export const copyTool = tool({
  name: "copy",
  description:
    "Copy a file or directory between the host and a machine. One side is NAME:/path (such as default:/src), the " +
    "other an absolute path of the host that the server allows.",
  schema: strictObject({ from: place, to: place }),
  annotations: { title: "Copy files", readOnlyHint: false, destructiveHint: true },
  run: async ({ from, to }, call) => {
    const { machines } = call;
    const [, fromName, fromPath] = IN_MACHINE.exec(from) ?? [];
    const [, toName, toPath] = IN_MACHINE.exec(to) ?? [];
    const name = fromName ?? toName;
    if (name === undefined || (fromName === undefined) === (toName === undefined))
      throw new SmolError("mcp.bad_arguments", "exactly one of from and to is NAME:/path");
    const { mountRoots } = machines.ceilings;
    // Before a machine is made for it.
    const opened = toPath === undefined ? undefined : openAllowed(from, mountRoots);
    try {
      const target = opened === undefined ? newPath(to, mountRoots) : "";
      const progress = new LimitedCopy(machines.ceilings.maxCopyBytes, call.signal);
      const notes: string[] = [];
      const common = {
        archive: false,
        signal: progress.signal,
        progress,
        onNote: (text: string) => notes.push(text),
      };
      await inMachine(call, name, async ({ machine }) => {
        if (opened !== undefined && toPath !== undefined) {
          // What was opened is what is read, whatever is put in its place.
          const source = opened.file;
          await copyToMachine(machine, { ...common, follow: true, source, path: toPath, parents: true });
        } else if (fromPath !== undefined)
          await copyFromMachine(machine, { ...common, follow: false, path: fromPath, target });
      });
      const { files, bytes } = progress;
      const text = [`copied ${files} files, ${bytes} bytes`, ...notes].join("\n");
      return { text, structured: { files, bytes, notes } };
    } finally {
      opened?.close();
    }
  },
});

/** A path whose directory is allowed, and that is no link that leads elsewhere. @throws Refused `FORBIDDEN` */
function newPath(path: string, roots: readonly string[]): string {
  const target = join(allowedPath(dirname(path), roots), basename(path));
  const found = lstatSync(target, { throwIfNoEntry: false });
  if (basename(path) === ".." || found?.isSymbolicLink())
    throw new Refused("FORBIDDEN", `the server allows no such path of its host: ${JSON.stringify(path)}`);
  return target;
}
