import { MIB } from "../../options/machine-options.ts";
import { command } from "../../program/command.ts";
import { list, type Values, value, valueOr } from "../../program/types.ts";
import { parseLongDuration } from "../../values/duration.ts";
import { countUpTo, sizeIn } from "../../values/size.ts";
import { parseText } from "../../values/text.ts";

const options = {
  http: value({
    long: "http",
    placeholder: "ADDR:PORT",
    description: "Answer over HTTP at /mcp of this address (default: stdio)",
    parse: parseText,
  }),
  tokenFile: value({
    long: "token-file",
    placeholder: "FILE",
    description: "Requests have to bring the token that is in this file",
    hint: { kind: "file" },
    parse: parseText,
  }),
  origins: list({
    long: "cors-origin",
    placeholder: "ORIGIN",
    description: "Web pages of ORIGIN may ask (default: none)",
    parse: parseText,
  }),
  maxMachines: valueOr({
    long: "max-machines",
    placeholder: "N",
    description: "Machines at once",
    parse: countUpTo(1000),
    fallback: 4,
  }),
  maxMemory: valueOr({
    long: "max-mem",
    placeholder: "MIB",
    description: "Memory of all machines together, also as 512M or 2G",
    parse: sizeIn({ ...MIB, what: "memory" }),
    fallback: 8192,
  }),
  maxCpus: valueOr({
    long: "max-cpus",
    placeholder: "N",
    description: "Virtual CPUs of one machine",
    parse: countUpTo(255),
    fallback: 4,
  }),
  maxDisk: value({
    long: "max-disk",
    placeholder: "GIB",
    description: "Disks of all machines together, each at least 2",
    defaultText: "30 for each",
    parse: sizeIn({ unit: "GiB", min: 2, max: 1_000_000, what: "disks" }),
  }),
  maxCopy: valueOr({
    long: "max-copy",
    placeholder: "MIB",
    description: "Files that one copy moves",
    parse: sizeIn({ ...MIB, min: 1, what: "copy" }),
    fallback: 1024,
  }),
  ttl: value({
    long: "ttl",
    placeholder: "TIME",
    description: "Delete a machine this long after its start",
    defaultText: "none",
    parse: parseLongDuration,
  }),
  idleTimeout: valueOr({
    long: "idle-timeout",
    placeholder: "TIME",
    description: "Delete a machine that nobody has used for so long",
    parse: parseLongDuration,
    fallback: 1_800_000,
    defaultText: "30m",
  }),
  allowHosts: list({
    long: "allow-host",
    placeholder: "HOST",
    description: "Machines may reach this name and all below it; also NAME:PORT",
    parse: parseText,
  }),
  mountRoots: list({
    long: "allow-mount",
    placeholder: "DIR",
    description: "copy may read and write files of this host below DIR",
    hint: { kind: "file" },
    parse: parseText,
  }),
  images: list({
    long: "image",
    placeholder: "IMAGE",
    description: "Only these images, * is any text (default: Docker's official)",
    hint: { kind: "image", files: true },
    parse: parseText,
  }),
  tools: value({
    long: "tools",
    placeholder: "NAME,...",
    description: "Only these tools (default: all nine)",
    parse: parseText,
  }),
  maxOutput: valueOr({
    long: "max-output",
    placeholder: "BYTES",
    description: "Output in one result; the rest: a file in the machine",
    parse: countUpTo(1024 * 1024),
    fallback: 40_000,
  }),
};

export const mcpStart = command({
  path: ["mcp", "start"],
  duration: "slow",
  summary: "Give a model machines: an MCP server over stdio or HTTP",
  options,
  text: `Answers the Model Context Protocol, revisions 2026-07-28 and 2025-11-25, until its client is gone:
docs/mcp.md. smolvm mcp means the same. smolvm mcp install tells clients of it.

Tools: run, exec, process, read_file, write_file, edit_file, list_files, copy, machines.
A machine is made on first use and is the server's own: it ends with the server, kill -9 included,
and when it is not used. Other machines of this host are out of reach.

The options are ceilings: no call of a tool gets beyond them. Without --allow-host there is no
network, without --allow-mount no path of this host.

With --http the address is on the loopback; another one needs --token-file. A token has 16
characters or more, and its file is nobody else's to read.`,
  examples: [
    { command: "smolvm mcp start" },
    { command: "smolvm mcp start --allow-host pypi.org --allow-host files.pythonhosted.org" },
    { command: "smolvm mcp start --image python:3.13-slim --max-machines 2 --max-mem 4G" },
    { command: "smolvm mcp start --http 127.0.0.1:8090 --token-file ./token" },
  ],
  run: async ({ values }) => {
    const { serveMcp } = await import("../../work/mcp.ts");
    return await serveMcp(values);
  },
});

export type McpValues = Values<typeof options>;
