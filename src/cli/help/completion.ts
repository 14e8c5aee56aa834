import type { Details } from "../table/types.ts";

export const details: Details = {
  text: "Prints a script that teaches the shell to complete smolvm's commands, options and their values.",
  examples: [
    { command: "source <(smolvm completion bash)", comment: "in ~/.bashrc" },
    { command: 'smolvm completion zsh > "$fpath[1]/_smolvm"', comment: "before compinit runs" },
    { command: "smolvm completion fish > ~/.config/fish/completions/smolvm.fish" },
  ],
};
