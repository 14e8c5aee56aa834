/** One of the two TypeScript clients, by its own means: `sdk`, `client:legacy`, `client:auto`. Prints what it got as JSON. */
const [root = "", which = "", url = "", ...command] = process.argv.slice(2);
const [name, mode] = which.split(":");
const from = (path: string) => import(`${root}/node_modules/@modelcontextprotocol/${name}/dist/${path}`);

const isOld = name === "sdk";
const { Client } = await from(isOld ? "esm/client/index.js" : "index.mjs");
const client = new Client({ name: "test", version: "1" }, isOld ? {} : { versionNegotiation: { mode } });
const { StdioClientTransport } = await from(isOld ? "esm/client/stdio.js" : "stdio.mjs");
const { StreamableHTTPClientTransport } = await from(isOld ? "esm/client/streamableHttp.js" : "index.mjs");
await client.connect(
  url === ""
    ? new StdioClientTransport({
        command: command[0],
        args: command.slice(1),
        env: process.env,
        stderr: "inherit",
      })
    : new StreamableHTTPClientTransport(new URL(url)),
);
const { tools } = await client.listTools();
const good = await client.callTool({ name: "exec", arguments: { command: "echo hi" } });
const bad = await client.callTool({ name: "exec", arguments: {} });
console.log(
  JSON.stringify({ version: client.getNegotiatedProtocolVersion?.(), tools: tools.length, good, bad }),
);
await client.close();

export {};
