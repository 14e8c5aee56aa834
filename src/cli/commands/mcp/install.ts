import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

export const MCP_CLIENTS = ["claude", "codex", "cursor", "vscode"] as const;
export type McpClient = (typeof MCP_CLIENTS)[number];

export const mcpInstall = command({
  path: ["mcp", "install"],
  summary: "Print, or write, what an MCP client needs to start the server",
  options: {
    yes: flag({ long: "yes", short: "y", description: "Write it into the client's file, for all projects" }),
  },
  arguments: {
    kind: "words",
    placeholder: "CLIENT",
    min: 1,
    max: 1,
    hint: { kind: "choice", values: MCP_CLIENTS },
    command: true,
  },
  text: `CLIENT is claude, codex, cursor or vscode. Prints the file and what it has to have in it; with -y
writes that, and leaves everything else in the file as it is. A file that cannot be read is not
written.

What stands behind -- goes to smolvm mcp start: the ceilings of that server.`,
  examples: [
    { command: "smolvm mcp install claude" },
    { command: "smolvm mcp install codex -y -- --allow-host pypi.org --max-machines 2" },
  ],
  run: async ({ values, words, workload }) => {
    const { installMcp } = await import("../../work/mcp-install.ts");
    return await installMcp(words[0] as string, workload, values.yes);
  },
});
