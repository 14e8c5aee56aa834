import { expect, test } from "bun:test";
import { parse } from "smol-toml";
import { FORMATS, withServer } from "./mcp-install.ts";

const server = { command: "/bin/smolvm", args: ["mcp", "start", "--max-machines", "2"] };
const bad = expect.objectContaining({ code: "mcp.bad_file" });

test("a server goes into JSON beside others, and a second time in its own place", () => {
  const { claude, vscode } = FORMATS;
  const before =
    '{\n    "theme": "dark",\n    "mcpServers": {\n        "other": { "command": "x" }\n    }\n}\n';
  const after = withServer(before, "f", claude, server);
  expect(JSON.parse(after)).toEqual({
    theme: "dark",
    mcpServers: { other: { command: "x" }, smolvm: { type: "stdio", ...server } },
  });
  expect(after).toContain('\n    "theme"');
  expect(withServer(after, "f", claude, server)).toBe(after);
  expect(JSON.parse(withServer("", "f", vscode, server))).toEqual({
    servers: { smolvm: { type: "stdio", ...server } },
  });
  // Numbers are text that is kept, whatever this program's own could hold.
  const numbers = '{\n  "id": 12345678901234567890,\n  "part": 1.0,\n  "mcpServers": ';
  expect(withServer(`${numbers}{}\n}\n`, "f", claude, server)).toStartWith(`${numbers}{\n`);
  for (const broken of [
    '{"mcpServers":1.0}',
    "{",
    "[]",
    "null",
    '{"mcpServers":[]}',
    '{ // mine\n "mcpServers": {} }',
  ])
    expect(() => withServer(broken, "f", claude, server)).toThrow(bad);
});

test("a server goes into TOML without a change of any other line", () => {
  const { codex } = FORMATS;
  const before = '# mine\nmodel = "x" # why\n\n[mcp_servers.other]\ncommand = "y"\n';
  const after = withServer(before, "f", codex, server);
  expect(after.startsWith(before)).toBe(true);
  expect(parse(after)).toEqual({ model: "x", mcp_servers: { other: { command: "y" }, smolvm: server } });
  const changed = withServer(`${after}\n[tui]\ntheme = 1\n`, "f", codex, { ...server, args: [] });
  expect(changed).toContain("# mine\nmodel");
  expect(parse(changed)).toEqual({
    model: "x",
    mcp_servers: { other: { command: "y" }, smolvm: { ...server, args: [] } },
    tui: { theme: 1 },
  });
  const next = "\n# about the other\n\n[mcp_servers.other]\ncommand = 'y'\n\n# the end\n";
  const own = "[mcp_servers.smolvm]\n# ours\ncommand = 'old'\n[mcp_servers.smolvm.env]\nA = '1'\n";
  expect(withServer(own + next, "f", codex, server)).toStartWith(`${next}\n[mcp_servers.smolvm]\n`);
  expect(parse(withServer("", "f", codex, server))).toEqual({ mcp_servers: { smolvm: server } });
  for (const broken of ["a =", "mcp_servers = 1\n", "mcp_servers = { other = { command = 'y' } }\n"])
    expect(() => withServer(broken, "f", codex, server)).toThrow(bad);
});
