import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, value } from "../../program/types.ts";
import { usageError } from "../../usage.ts";
import { parseText } from "../../values/text.ts";

export const selfUpdate = command({
  path: ["self-update"],
  kind: "meta",
  duration: "slow",
  summary: "Put the newest version in the place of this one",
  options: {
    version: value({
      long: "version",
      placeholder: "VERSION",
      description: "This version, also an older one",
      defaultText: "the newest",
      parse: parseText,
    }),
    from: value({
      long: "from",
      placeholder: "ADDRESS",
      description: "Another release: an address, or a directory",
      defaultText: "as before",
      hint: { kind: "file" },
      parse: parseText,
    }),
    check: flag({ long: "check", description: "Only say whether there is a newer version" }),
    json: flag({ long: "json", description: "With --check: print a JSON object" }),
  },
  text: `Updates a smolvm that a release's install.sh has installed, as running install.sh again does: the
checksum is verified, and the signature by the key that the installation remembers, before anything
is unpacked; the new program has to run before it takes the old one's place, in one step. When
anything fails, the old one stays. An older version is installed only when --version names it.
Machines that run go on running.

--check --json prints an object with the keys installed, newest and is_newer.`,
  examples: [
    { command: "smolvm self-update --check" },
    { command: "smolvm self-update" },
    { command: "smolvm self-update --version 0.1.0" },
  ],
  run: async ({ values: { version, from, check, json } }) => {
    if (check && version !== undefined)
      throw usageError("cli.conflict", "--check looks for the newest version, and --version names one");
    if (json && !check)
      throw usageError(
        "cli.conflict",
        "--json says what --check found, and nothing is checked",
        "add --check",
      );
    const { findNewest, installVersion } = await import("../../update/index.ts");
    if (version !== undefined) {
      await installVersion({ version, from });
      return 0;
    }
    const { installed, newest, isNewer } = await findNewest({ from });
    if (json) await printJson({ installed, newest, is_newer: isNewer });
    else if (!isNewer) await print(`smolvm ${installed} is installed; the newest release is ${newest}\n`);
    else if (check) await print(`smolvm ${newest} can be installed; this is ${installed}\n`);
    else await installVersion({ version: newest, from });
    return 0;
  },
});
