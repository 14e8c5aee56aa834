/** The tools, and what stands between them and the protocol: checks of arguments, and failures as results. */
import { toJsonSchema } from "@valibot/to-json-schema";
import { messageOf, SmolError } from "../../errors.ts";
import { Refused } from "../../serve/errors.ts";
import { read } from "../../serve/schema/read.ts";
import { unlessAborted } from "../../within.ts";
import type { Machines } from "../machines.ts";
import type { Json } from "../protocol/messages.ts";
import type { ToolBox, ToolResult } from "../protocol/server.ts";
import { copyTool } from "./copy.ts";
import { execTool } from "./exec.ts";
import { editFileTool, listFilesTool, readFileTool, writeFileTool } from "./files.ts";
import { machinesTool } from "./machines.ts";
import { processTool } from "./process.ts";
import { runTool } from "./run.ts";
import { MAX_WAIT_S, type Tool } from "./tool.ts";

/** All of them. Their number and their words are what each conversation pays for. */
const tools: readonly Tool[] = [
  ...[runTool, execTool, processTool],
  ...[readFileTool, writeFileTool, editFileTool, listFilesTool, copyTool, machinesTool],
];

export const TOOL_NAMES: readonly string[] = tools.map(({ name }) => name);

const INSTRUCTIONS =
  "Runs commands and keeps files in virtual machines that cannot touch the host. run is for one command, exec for " +
  "work that goes on in the same machine; both need no set-up.";

/** @param names which tools there are; undefined: all */
export function makeToolBox(machines: Machines, names: readonly string[] | undefined): ToolBox {
  const chosen = tools.filter(({ name }) => names === undefined || names.includes(name));
  // A machine with a network acts on what is outside.
  const openWorldHint = machines.ceilings.allowHosts.length > 0;
  return {
    listed: chosen.map((tool) => listed(tool, openWorldHint)),
    instructions: INSTRUCTIONS,
    call: (name, given, signal) => {
      const tool = chosen.find((one) => one.name === name);
      return tool && called(tool, given, machines, signal);
    },
  };
}

function listed({ name, description, schema, annotations }: Tool, openWorldHint: boolean): Json {
  const { $schema: _, ...inputSchema } = toJsonSchema(schema, { errorMode: "ignore", typeMode: "input" });
  return { name, description, inputSchema, annotations: { ...annotations, openWorldHint } };
}

/** Milliseconds after which a call has a result, whatever its tool does: what a tool waits for by itself ends before. */
const CALL_LIMIT_MS = (MAX_WAIT_S + 5) * 1000;

async function called(
  tool: Tool,
  given: unknown,
  machines: Machines,
  signal: AbortSignal,
): Promise<ToolResult> {
  const begun = performance.now();
  const leftMs = () => Math.max(0, begun + MAX_WAIT_S * 1000 - performance.now());
  const late = AbortSignal.timeout(CALL_LIMIT_MS);
  try {
    const args = read(tool.schema, given, "arguments");
    const call = { machines, signal: AbortSignal.any([signal, late]), leftMs };
    const { text, structured } = await unlessAborted(tool.run(args as never, call), late);
    return { content: [{ type: "text", text }], structuredContent: structured };
  } catch (error) {
    if (signal.aborted) throw error;
    return failure(late.aborted ? tooSlow(tool.name) : error);
  }
}

const tooSlow = (name: string) =>
  new SmolError("mcp.too_slow", `${name} was given up after ${CALL_LIMIT_MS / 1000} seconds`, {
    hint: "do less in one call; exec with background: true does not wait",
  });

/** Characters of what a model is told of a failure. */
const MAX_MESSAGE = 2000;

/** @throws what is a fault of this program */
function failure(error: unknown): ToolResult {
  if (!(error instanceof SmolError || error instanceof Refused)) throw error;
  const code = error instanceof SmolError ? error.code : CODES[error.code];
  if (code === undefined) throw error;
  const hint = error instanceof SmolError ? error.hint : undefined;
  // A name of a field may be as long as a message.
  const message = messageOf(error).slice(0, MAX_MESSAGE);
  const text = `error ${code}: ${message}${hint === undefined ? "" : `\nhint: ${hint}`}`;
  return {
    content: [{ type: "text", text }],
    structuredContent: { error: { code, message, ...(hint === undefined ? {} : { hint }) } },
    isError: true,
  };
}

const CODES: Readonly<Record<string, string>> = {
  BAD_REQUEST: "mcp.bad_arguments",
  FORBIDDEN: "mcp.not_allowed",
};
