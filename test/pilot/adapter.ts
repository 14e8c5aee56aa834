/**
 * What Pilot's adapter does with a program (docs/pilot.md): the rules that an answer goes by, written anew for these
 * tests. Its callers see nothing of the program but what comes out here.
 */
import { callReal } from "./real-adapter.ts";

/** The only variables that an adapter passes on. */
export const PASSED_ON = ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR"] as const;

/** What is kept of stdout, and of stderr. */
const MAX_STREAM_BYTES = 4 * 1024 * 1024;
/** Of a whole answer; a longer one never arrives. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** After the program's end, for whoever else still holds its output. */
const GRACE_MS = 5000;
const DEADLINE_MS = 180_000;

export interface Call {
  readonly args: readonly string[];
  /** Default: /dev/null. */
  readonly stdin?: string | undefined;
  /** The program, and nothing but it, gets SIGKILL: here once it prints, by Pilot's own adapter after its limit of time. */
  readonly isKilled?: boolean | undefined;
}

export interface Surroundings {
  /** The program's absolute path. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** In place of a JSON value that the program printed. */
export interface Envelope {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
  readonly truncated: boolean;
}

/**
 * Calls the program, by the rules below or, in `./dev soak pilot`, through Pilot's own adapter.
 *
 * @returns what the caller gets
 * @throws Error where it gets an error
 */
export async function call(surroundings: Surroundings, call: Call): Promise<unknown> {
  const built = process.env.SMOLVM_TEST_PILOT;
  return await (built === undefined ? callHere(surroundings, call) : callReal(built, surroundings, call));
}

/** By the rules. */
export async function callHere({ program, env, cwd }: Surroundings, call: Call): Promise<unknown> {
  const child = Bun.spawn([program, ...call.args], {
    cwd,
    env: Object.fromEntries(PASSED_ON.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]]))),
    stdin: call.stdin === undefined ? "ignore" : Buffer.from(call.stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const kill = () => process.kill(child.pid, "SIGKILL");
  const outputs = Promise.all([
    readCapped(child.stdout, call.isKilled ? kill : undefined),
    readCapped(child.stderr),
  ]);
  const deadline = setTimeout(kill, DEADLINE_MS);
  await child.exited;
  clearTimeout(deadline);
  const [stdout, stderr] = await Promise.race([outputs, heldOpen()]);
  if (stdout === undefined || stderr === undefined) throw new Error("no output");
  const truncated = stdout.cut || stderr.cut;
  const exit = child.exitCode ?? -1;
  const value = exit === 0 && !stdout.cut ? jsonOf(stdout.text) : undefined;
  const envelope: Envelope = { stdout: stdout.text, stderr: stderr.text, exit, truncated };
  const answer = value === undefined ? envelope : value.json;
  if (answerBytes(answer) > MAX_ANSWER_BYTES) throw new Error("server closed before reply");
  return answer;
}

/** @param begun called when there is something */
async function readCapped(
  stream: ReadableStream<Uint8Array>,
  begun?: () => void,
): Promise<{ text: string; cut: boolean }> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    if (size === 0) begun?.();
    kept.push(chunk.subarray(0, Math.max(0, MAX_STREAM_BYTES - size)));
    size += chunk.length;
  }
  return { text: Buffer.concat(kept).toString().trim(), cut: size > MAX_STREAM_BYTES };
}

async function heldOpen(): Promise<never> {
  await Bun.sleep(GRACE_MS);
  throw new Error("the program has ended, and something still holds its stdout or stderr");
}

/** Undefined for a text that is not one JSON value. */
function jsonOf(text: string): { json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** As the adapter writes it: without blanks, and safe inside HTML. */
function answerBytes(answer: unknown): number {
  const text = JSON.stringify(answer);
  return Buffer.byteLength(text) + 5 * (text.match(/[<>&\u2028\u2029]/g)?.length ?? 0);
}
