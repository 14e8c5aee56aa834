import { ExitCode } from "../../../errors.ts";
import { runOptions } from "../../options/run-options.ts";
import type { RunInvocation } from "../../options/run-request.ts";
import { command } from "../../program/command.ts";

// What would take its streams from the client.
const { detach: _, interactive: __, tty: ___, timings: ____, remove: _____, ...options } = runOptions;

export const mcpWrap = command({
  path: ["mcp", "wrap"],
  duration: "slow",
  interactive: true,
  summary: "Run somebody else's MCP server inside a machine",
  options,
  arguments: { kind: "command", required: false },
  failureCode: ExitCode.beforeCommand,
  text: `Runs an MCP server that speaks over stdio in a new machine, and passes its messages through. The
machine is removed when the server ends, or its client does.

The server sees of this host only what options give it: -v a folder, -e a variable, --allow-host a
name. Without COMMAND it is the image's own. smolvm machine run -i does the same; this keeps stdout
the server's alone.`,
  examples: [
    {
      command:
        "smolvm mcp wrap --image node:24-slim --allow-host registry.npmjs.org -- npx -y some-mcp-server",
    },
    { command: "smolvm mcp wrap --image ./server.tar -v ~/notes:/notes:ro -e API_KEY" },
  ],
  run: async (invocation) => {
    const { runInMachine } = await import("../machine/run.ts");
    const streams = {
      detach: false,
      interactive: true,
      tty: false,
      timings: undefined,
      remove: false,
      quiet: true,
    };
    const values = { ...invocation.values, ...streams };
    return await runInMachine({ ...invocation, values } as unknown as RunInvocation);
  },
});
