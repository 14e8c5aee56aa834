import { print } from "../../output.ts";
import { command } from "../../program/command.ts";
import { usageError } from "../../usage.ts";

/** The shells that `completion` knows. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

export const completion = command({
  path: ["completion"],
  kind: "meta",
  summary: "Print a shell's completion script",
  options: {},
  arguments: {
    kind: "words",
    placeholder: "SHELL",
    min: 1,
    max: 1,
    hint: { kind: "choice", values: SHELLS },
  },
  text: "Prints a script that teaches the shell to complete smolvm's commands, options and their values.",
  examples: [
    { command: "source <(smolvm completion bash)", comment: "in ~/.bashrc" },
    { command: 'smolvm completion zsh > "$fpath[1]/_smolvm"', comment: "before compinit runs" },
    { command: "smolvm completion fish > ~/.config/fish/completions/smolvm.fish" },
  ],
  run: async ({ words }) => {
    const shell = SHELLS.find((name) => name === words[0]);
    if (shell === undefined) {
      throw usageError(
        "cli.unknown_shell",
        `there is no completion for ${JSON.stringify(words[0])}`,
        `the shells are ${SHELLS.join(", ")}`,
      );
    }
    const { completionScripts } = await import("../../completion/scripts.ts");
    await print(completionScripts[shell]);
    return 0;
  },
});
