import { SmolError } from "../../../errors.ts";
import { quote } from "../../../values/index.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";

/** What a shell says of a program that does not exist. */
const NOT_FOUND = 127;

export const registriesEdit = command({
  path: ["config", "registries", "edit"],
  duration: "slow",
  interactive: true,
  summary: "Open the settings file in an editor, then check it",
  options: {},
  text: `Opens the settings file in $VISUAL, $EDITOR or, at a terminal, vi; a file with examples is created
first where there is none. When the editor has ended, the file is checked: the number of registries
is printed, or an error with its line and column, and the exit code is then 1.`,
  examples: [
    { command: "smolvm config registries edit" },
    { command: 'EDITOR="code --wait" smolvm config registries edit' },
  ],
  /** Resolves to 0 when the file is right afterwards. */
  run: async () => {
    const [{ createExample }, { ownSettingsPath, readSettings }] = await Promise.all([
      import("../../../config/index.ts"),
      import("../../settings.ts"),
    ]);
    const path = ownSettingsPath();
    const { isatty } = await import("node:tty");
    const editor = chooseEditor(path, isatty(0));
    if (createExample(path)) await print(`Created example configuration at ${path}\n`);
    await edit(editor, path);
    const { images, machines } = await readSettings();
    const counts = [images.registries.size, machines.registries.size] as const;
    const total = counts[0] + counts[1];
    await print(
      `Configuration valid: ${total} ${total === 1 ? "registry" : "registries"} configured ` +
        `(images ${counts[0]}, machines ${counts[1]})\n`,
    );
    return 0;
  },
});

/** A shell command. vi is only for somebody who sits there: a script would wait for it for ever. */
function chooseEditor(path: string, somebodySits: boolean): string {
  const named = process.env.VISUAL || process.env.EDITOR;
  if (named) return named;
  if (somebodySits) return "vi";
  throw new SmolError("config.no_editor", "there is no terminal to edit at, and no other editor is named", {
    hint: `set VISUAL or EDITOR, or change ${path} yourself and check it with \`smolvm config show\``,
  });
}

/** Runs the user's editor on a file, with the terminal, as git does: the variable is a shell command. */
async function edit(editor: string, path: string): Promise<void> {
  // Ctrl-C in the editor is the editor's: it ends neither this process nor the shell between them.
  const ignore = () => undefined;
  process.on("SIGINT", ignore);
  process.on("SIGQUIT", ignore);
  try {
    const child = Bun.spawn(["/bin/sh", "-c", `trap : INT QUIT; ${editor} "$@"`, editor, path], {
      stdio: ["inherit", "inherit", "inherit"],
    });
    await child.exited;
    if (child.exitCode !== 0) throw failure(editor, path, child);
  } finally {
    process.off("SIGINT", ignore);
    process.off("SIGQUIT", ignore);
  }
}

function failure(editor: string, path: string, { exitCode, signalCode }: Bun.Subprocess): SmolError {
  const how = exitCode === null ? `was ended by ${signalCode}` : `ended with exit code ${exitCode}`;
  const what = exitCode === NOT_FOUND ? "was not found" : how;
  return new SmolError(
    "config.editor_failed",
    `the editor ${quote(editor)} ${what}; ${path} was not checked`,
    {
      hint: "set VISUAL or EDITOR to an editor, or open the file yourself and check it with `smolvm config show`",
    },
  );
}
