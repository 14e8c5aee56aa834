import { command } from "../../program/command.ts";
import { type CommandSpec, flag, value } from "../../program/types.ts";
import { usageError } from "../../usage.ts";
import { parseMode } from "../../values/mode.ts";
import { wholeNumberUpTo } from "../../values/size.ts";

/** 0xffffffff stands for "leave it" in chown(2). */
const id = wholeNumberUpTo(0xffff_fffe);

const options = {
  archive: flag({ long: "archive", short: "a", description: "Keep owners, and set-uid and set-gid bits" }),
  follow: flag({
    long: "follow-link",
    short: "L",
    description: "If SRC is a symbolic link, copy what it leads to",
  }),
  mode: value({
    long: "mode",
    placeholder: "OCTAL",
    description: "Permissions of files in the machine (default: as here)",
    parse: parseMode,
  }),
  uid: value({
    long: "uid",
    placeholder: "N",
    description: "Owner of what arrives in the machine (default: 0)",
    parse: id,
  }),
  gid: value({
    long: "gid",
    placeholder: "N",
    description: "Group of what arrives in the machine (default: 0)",
    parse: id,
  }),
  quiet: flag({ long: "quiet", short: "q", description: "Show no progress" }),
};

export const machineCopy = command({
  path: ["machine", "cp"],
  duration: "med",
  summary: "Copy files and directories into and out of a running machine",
  options,
  arguments: { kind: "words", placeholder: "SRC DST", min: 2, max: 2, hint: { kind: "place" } },
  text: `Copies SRC to DST; one of them is NAME:PATH, in the machine as its workload sees it. The other is a
path of this host, or -: then a tar archive is read from stdin, or written to stdout.

As with docker cp: a file goes to the name DST, or into DST if that is a directory. A directory
becomes DST if there is nothing of that name, else it goes into DST; of DIR/. only what is in it is
copied. A DST with a slash at its end has to be a directory. An archive goes into a directory.

Modes, times, links, hard links and holes are kept; devices, sockets and FIFOs are not copied. In
the machine, files belong to root, or to --uid and --gid; here, to you. -a keeps owners, on this
host as far as you may give files away. Directories that are there keep their owners and modes.

A file, and a directory that was not there, appear under their names when they are complete: an
interrupted copy leaves what was there before. Progress goes to stderr.`,
  examples: [
    { command: "smolvm cp ./app box:/srv/" },
    { command: "smolvm cp box:/var/log/app.log ." },
    { command: "tar -c src | smolvm cp - box:/work", comment: "an archive" },
    { command: "smolvm cp box:/etc - | tar -t" },
  ],
  run: async ({ values, words }) => {
    const [first, second] = words as [string, string];
    const { parsePlaces } = await import("../../values/place.ts");
    const { source, target } = parsePlaces(first, second);
    const upload = target.kind === "machine";
    const onlyUp = (["mode", "uid", "gid"] as const).find((name) => !upload && values[name] !== undefined);
    if (onlyUp !== undefined) {
      throw usageError(
        "cli.conflict",
        `--${onlyUp} is for copies into a machine`,
        "what is copied to this host belongs to you",
      );
    }
    const { copyShown } = await import("../../work/copy.ts");
    return await copyShown({ source, target, first, second }, values);
  },
});

/** docker and kubectl users type `cp`. */
export const cp: CommandSpec<typeof options> = {
  ...machineCopy,
  path: ["cp"],
  summary: "The same as machine cp",
};
