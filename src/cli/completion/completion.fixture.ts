import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SHELLS } from "../commands/system/completion.ts";
import { completionScripts } from "./scripts.ts";

/** Names of images, as the program would print them, and what a shell must not take for anything but text. */
export const IMAGE_NAMES = [
  "alpine:3.20",
  "alpine:edge",
  "localhost:5000/a/b:1",
  "$(touch hacked)",
  `sha256:${"05".repeat(32)}`,
];

export const MACHINE_NAMES = ["box", "web-1"];

/** The program's answers to scripts, but with these names. */
const PROGRAM = `#!${process.execPath}
import { program } from "${join(import.meta.dir, "../commands/index.ts")}";
import { completionAnswer } from "${join(import.meta.dir, "answer.ts")}";
import { namesHere } from "${join(import.meta.dir, "names.ts")}";
const [role, ...words] = process.argv.slice(2);
if (role !== "__complete") process.exit(2);
const images = async () => ${JSON.stringify(IMAGE_NAMES)};
const machines = async () => ${JSON.stringify(MACHINE_NAMES)};
console.log((await completionAnswer(program, words, { ...namesHere, images, machines })).trimEnd());
`;

/** How long a shell may take to answer a line, in milliseconds. */
const LIMIT_MS = 20_000;

export type Shell = (typeof SHELLS)[number];

/**
 * What a real shell offers for each of the lines, as if Tab were pressed at its end: the words that would be
 * inserted, sorted. bash and zsh run interactively on a terminal, because only then do they split the line
 * themselves; fish can be asked.
 */
export async function complete(shell: Shell, lines: readonly string[]): Promise<string[][]> {
  if (Bun.which(shell) === null) throw new Error(`this test needs ${shell}: apt-get install ${shell}`);
  const directory = mkdtempSync(join(tmpdir(), "smolvm-completion-"));
  try {
    const script = join(directory, "_smolvm");
    writeFileSync(script, completionScripts[shell]);
    writeFileSync(join(directory, "an image.tar"), "");
    writeFileSync(join(directory, "smolvm"), PROGRAM, { mode: 0o755 });
    const answers =
      shell === "fish" ? askFish(directory, script, lines) : await typeInto(shell, directory, script, lines);
    return answers.map((words) => [...new Set(words)].sort());
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function askFish(directory: string, script: string, lines: readonly string[]): string[][] {
  return lines.map((line) => {
    const { stdout, stderr } = Bun.spawnSync(
      ["fish", "--no-config", "-c", `source ${script}; complete -C "$LINE"`],
      {
        cwd: directory,
        env: { ...environment(directory), LINE: line },
      },
    );
    if (stderr.length > 0) throw new Error(`fish: ${stderr}`);
    return textLines(stdout.toString()).map((text) => text.split("\t", 1)[0] as string);
  });
}

/** Types each line and a Tab; the shell's own completion hooks write down what they were offered. */
async function typeInto(
  shell: "bash" | "zsh",
  directory: string,
  script: string,
  lines: readonly string[],
): Promise<string[][]> {
  const offers = join(directory, "offers");
  run("mkfifo", offers);
  const setup = join(directory, "setup");
  writeFileSync(setup, shell === "bash" ? bashSetup(script, offers) : zshSetup(script, offers));
  let screen = "";
  let offered = "";
  // Something has come on the terminal, or through the pipe of offers.
  let changed = Promise.withResolvers<void>();
  const child = Bun.spawn(shell === "bash" ? ["bash", "--norc", "--noprofile"] : ["zsh", "-f"], {
    cwd: directory,
    env: environment(directory),
    terminal: {
      cols: 200,
      rows: 50,
      data(_, bytes) {
        screen += new TextDecoder().decode(bytes);
        changed.resolve();
      },
    },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("no terminal");
  // Open for both, so that it does not end with the first shell function that writes.
  const reader = Bun.spawn(["sh", "-c", 'exec cat <> "$0"', offers], { stdout: "pipe" });
  const reading = (async () => {
    for await (const bytes of reader.stdout) {
      offered += Buffer.from(bytes).toString();
      changed.resolve();
    }
  })();
  const until = async (condition: () => boolean) => {
    const late = setTimeout(
      () => changed.reject(new Error(`${shell} does not answer; its screen: ${screen}`)),
      LIMIT_MS,
    );
    try {
      while (!condition()) {
        await changed.promise;
        changed = Promise.withResolvers();
      }
    } finally {
      clearTimeout(late);
    }
  };
  const answers: string[][] = [];
  try {
    terminal.write(`. ./setup\r`);
    await until(() => screen.includes("<ready>"));
    for (const line of lines) {
      offered = "";
      // Ctrl-U clears what the last Tab inserted.
      terminal.write(`\x15${line}\t`);
      await until(() => offered.endsWith("<end>\n"));
      answers.push(textLines(offered).slice(0, -1));
    }
  } finally {
    child.kill("SIGKILL");
    await child.exited;
    terminal.close();
    reader.kill("SIGKILL");
    await reading;
  }
  return answers;
}

function run(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

function bashSetup(script: string, offers: string): string {
  return `. ${script}
bind 'set bell-style none'
probe() { _smolvm "$@"; { printf '%s\\n' "\${COMPREPLY[@]}"; echo '<end>'; } > ${offers}; }
complete -F probe smolvm
PS1='<'ready'>'
`;
}

function zshSetup(script: string, offers: string): string {
  return `autoload -Uz compinit && compinit -u -D
. ${script}
unsetopt beep
# No question before a long list.
LISTMAX=1000
compadd() {
  local -a kept
  # With -O, -A or -D it only selects; otherwise it offers.
  if [[ \${argv[(I)-[OAD]*]} -eq 0 ]]; then
    builtin compadd -O kept "$@"
    print -rl -- $kept >> ${offers}
  fi
  builtin compadd "$@"
}
probe() { zle complete-word; print -r '<end>' >> ${offers}; }
zle -N probe
bindkey '^I' probe
PS1='<''ready>'
`;
}

function environment(directory: string): Record<string, string> {
  const { PATH = "/usr/bin:/bin" } = process.env;
  return {
    PATH: `${directory}:${PATH}`,
    HOME: directory,
    TERM: "xterm",
    LC_ALL: "C.UTF-8",
    SMOLVM_TEST_VARIABLE: "1",
  };
}

function textLines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
