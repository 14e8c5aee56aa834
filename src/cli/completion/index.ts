import type { SHELLS } from "../commands/system/completion.ts";
import type { Program } from "../program/types.ts";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { zshScript } from "./zsh.ts";

/** The script that makes a shell complete smolvm's command line. */
export function completionScript(_: Program, shell: (typeof SHELLS)[number]): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell]();
}
