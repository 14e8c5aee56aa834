import { command } from "../../program/command.ts";

export const passthrough = command({
  path: ["self-check", "passthrough"],
  kind: "meta",
  summary: "Print what of a call has arrived in this process",
  options: {},
  arguments: { kind: "command", required: false },
  text: `For those who make adapters: whatever runs smolvm for somebody must hand words, stdin, environment
and directory over unchanged, and nothing else. Prints a JSON object with the keys argv (what follows
the --), stdin_bytes (null when stdin is a terminal: that is not read), env_keys, tty (whether
stdin, stdout and stderr are terminals), cwd, execPath and fds (the open files that were handed
down; null where the system does not tell).`,
  examples: [{ command: "smolvm self-check passthrough -- 'a b' '' '*'" }],
  run: async ({ workload }) => {
    const [{ passedThrough }, { printJson }] = await Promise.all([
      import("../../work/self-check.ts"),
      import("../../output.ts"),
    ]);
    await printJson(await passedThrough(workload));
    return 0;
  },
});
