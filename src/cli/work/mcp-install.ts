import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname } from "node:path";
import { parse, stringify } from "smol-toml";
import { messageOf, SmolError } from "../../errors.ts";
import { isReplaceable } from "../../image/newfile.ts";
import { writeSmallFile } from "../../image/small-file.ts";
import { MCP_CLIENTS, type McpClient } from "../commands/mcp/install.ts";
import { parseOrExplain } from "../interpret.ts";
import { complain, print } from "../output.ts";
import { usageError } from "../usage.ts";

/** The name of the server in the files of clients. */
const NAME = "smolvm";

interface Server {
  readonly command: string;
  readonly args: readonly string[];
}

/** Where a client's servers are, and how they are written. */
interface Format {
  /** The file for all projects of the user. */
  readonly file: (home: string) => string;
  /** The object, or table, that has a server under each name. */
  readonly key: string;
  readonly language: "json" | "toml";
  /** The entry says that it is a program's standard streams. */
  readonly typed: boolean;
}

const vscodeFile = (home: string) =>
  process.platform === "darwin"
    ? `${home}/Library/Application Support/Code/User/mcp.json`
    : `${process.env.XDG_CONFIG_HOME || `${home}/.config`}/Code/User/mcp.json`;

export const FORMATS: Readonly<Record<McpClient, Format>> = {
  claude: {
    file: (home) => `${process.env.CLAUDE_CONFIG_DIR || home}/.claude.json`,
    ...{ key: "mcpServers", language: "json", typed: true },
  },
  codex: {
    file: (home) => `${process.env.CODEX_HOME || `${home}/.codex`}/config.toml`,
    ...{ key: "mcp_servers", language: "toml", typed: false },
  },
  cursor: { file: (home) => `${home}/.cursor/mcp.json`, key: "mcpServers", language: "json", typed: false },
  vscode: { file: vscodeFile, key: "servers", language: "json", typed: true },
};

/**
 * Prints what a client's file needs, or writes it there. Resolves to the exit code.
 *
 * @param options for `smolvm mcp start`
 * @throws SmolError `cli.bad_value`, `mcp.bad_file`, `mcp.unwritable`; as `mcp start` for its options
 */
export async function installMcp(client: string, options: readonly string[], yes: boolean): Promise<number> {
  const known = MCP_CLIENTS.find((one) => one === client);
  if (known === undefined)
    throw usageError("cli.bad_value", `there is no client ${JSON.stringify(client)}`, MCP_CLIENTS.join(", "));
  const format = FORMATS[known];
  const { program } = await import("../commands/index.ts");
  // A mistake is better found here than by a client that cannot start the server.
  await parseOrExplain(program, ["mcp", "start", ...options]);
  const server: Server = { command: ownName(), args: ["mcp", "start", ...options] };
  const file = format.file(homedir());
  if (!yes) {
    await print(`# ${file}\n${entryText(format, server)}`);
    return 0;
  }
  write(file, format, server);
  complain(`wrote ${NAME} into ${file}: start ${client} again`);
  return 0;
}

/** As users call it: an upgrade puts another program at the same path. */
function ownName(): string {
  const onPath = Bun.which("smolvm");
  const own = process.execPath;
  return onPath !== null && isSame(onPath, own) ? onPath : own;
}

function isSame(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

const entryOf = ({ typed }: Format, { command, args }: Server) => ({
  ...(typed ? { type: "stdio" } : {}),
  command,
  args: [...args],
});

function entryText(format: Format, server: Server): string {
  const wrapped = { [format.key]: { [NAME]: entryOf(format, server) } };
  return format.language === "json"
    ? `${JSON.stringify(wrapped, undefined, 2)}\n`
    : `${stringify(wrapped).trim()}\n`;
}

function write(file: string, format: Format, server: Server): void {
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  const after = withServer(before, file, format, server);
  if (after === before) return;
  try {
    mkdirSync(dirname(file), { recursive: true });
    // Many keep their settings elsewhere, behind a link.
    const real = existsSync(file) ? realpathSync(file) : file;
    if (!isReplaceable(real)) throw new Error("it is no regular file");
    writePrivately(real, after);
  } catch (error) {
    throw new SmolError("mcp.unwritable", `cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** Clients keep tokens in these files, too: nobody else can read one for a moment, and its mode stays what it was. */
function writePrivately(path: string, text: string): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0o600;
  const before = process.umask(0o077);
  try {
    writeSmallFile(path, text);
  } finally {
    process.umask(before);
  }
  chmodSync(path, mode & 0o777);
}

/**
 * The text of a client's file with the server in it, and all else as it was.
 *
 * @throws SmolError `mcp.bad_file`
 */
export function withServer(before: string, file: string, format: Format, server: Server): string {
  return format.language === "json"
    ? withJson(before, file, format, server)
    : withToml(before, file, format, server);
}

type Table = Record<string, unknown>;

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isRawJSON(value);

const badFile = (file: string, why: string) =>
  new SmolError("mcp.bad_file", `${basename(file)} is left as it is: ${why}`, {
    hint: `mend ${file}, or put in by hand what smolvm mcp install prints without -y`,
  });

function withJson(before: string, file: string, format: Format, server: Server): string {
  let whole: unknown;
  try {
    whole = before.trim() === "" ? {} : JSON.parse(before, asWritten);
  } catch (error) {
    // Comments, too: they would be lost.
    throw badFile(file, `it is not plain JSON (${messageOf(error)})`);
  }
  const servers = isTable(whole) ? (whole[format.key] ?? {}) : undefined;
  if (!isTable(whole) || !isTable(servers)) throw badFile(file, `its ${format.key} is not an object`);
  const indent = /^([ \t]+)"/m.exec(before)?.[1] ?? "  ";
  const changed = { ...whole, [format.key]: { ...servers, [NAME]: entryOf(format, server) } };
  const text = JSON.stringify(changed, undefined, indent);
  return before === "" || before.endsWith("\n") ? `${text}\n` : text;
}

/** What reads and writes JSON by the text of its numbers: a large one must not come back as another. */
const { rawJSON, isRawJSON } = JSON as unknown as {
  readonly rawJSON: (source: string) => object;
  readonly isRawJSON: (value: unknown) => boolean;
};

const asWritten = (_: string, value: unknown, { source }: { readonly source?: string } = {}): unknown =>
  typeof value === "number" && source !== undefined ? rawJSON(source) : value;

/** Comments and order of a TOML file are its user's: only lines of our own table are touched. */
function withToml(before: string, file: string, format: Format, server: Server): string {
  const present = tomlOf(before, file);
  const servers = present[format.key] ?? {};
  if (!isTable(servers)) throw badFile(file, `its ${format.key} is not a table`);
  const others = withoutTable(before, `${format.key}.${NAME}`);
  const gap = others === "" || others.endsWith("\n\n") ? "" : others.endsWith("\n") ? "\n" : "\n\n";
  const after = `${others}${gap}${entryText(format, server)}`;
  const wanted = { ...present, [format.key]: { ...servers, [NAME]: entryOf(format, server) } };
  try {
    if (Bun.deepEquals(parse(after), wanted)) return after;
  } catch {
    // Written in a way that has no place for a further table.
  }
  throw badFile(file, `its ${format.key} is written in a way that cannot be added to`);
}

function tomlOf(text: string, file: string): Table {
  try {
    return parse(text);
  } catch (error) {
    throw badFile(file, `it is not TOML (${messageOf(error).split("\n")[0]})`);
  }
}

/** The text without a table and those below it. Comments before the next table are about that one, and stay. */
function withoutTable(text: string, name: string): string {
  let inside = false;
  let kept = "";
  let held = "";
  for (const line of text.split(/(?<=\n)/)) {
    const header = /^\s*\[+\s*([^\]]+?)\s*\]/.exec(line)?.[1];
    if (header !== undefined) inside = header === name || header.startsWith(`${name}.`);
    if (!inside) {
      kept += held + line;
      held = "";
    } else held = /^\s*(#|$)/.test(line) ? held + line : "";
  }
  return kept + held;
}
