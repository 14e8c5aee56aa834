import { isatty } from "node:tty";
import { createExample } from "../../../config/index.ts";
import { SmolError } from "../../../errors.ts";
import { quote } from "../../../values/index.ts";
import { print } from "../../output.ts";
import { ownSettingsPath, readSettings } from "./settings.ts";

/** What a shell says of a program that does not exist. */
const NOT_FOUND = 127;

/** `config registries edit`. Resolves to 0 when the file is right afterwards. */
export async function run(): Promise<number> {
  const path = ownSettingsPath();
  const editor = chooseEditor(path);
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
}

/** A shell command. vi is only for somebody who sits there: a script would wait for it for ever. */
function chooseEditor(path: string): string {
  const named = process.env.VISUAL || process.env.EDITOR;
  if (named) return named;
  if (isatty(0)) return "vi";
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
