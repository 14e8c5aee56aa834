/**
 * What Pilot's adapter does with a program (docs/pilot.md): the rules that an answer goes by, written anew for these
 * tests. Its callers see nothing of the program but what comes out here.
 */

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
  /** After that the program, and nothing but it, gets SIGKILL. */
  readonly deadlineMs?: number | undefined;
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

/** Calls the program. @returns what the caller gets @throws Error where it gets an error */
export async function call({ program, env, cwd }: Surroundings, call: Call): Promise<unknown> {
  const child = Bun.spawn([program, ...call.args], {
    cwd,
    env: Object.fromEntries(PASSED_ON.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]]))),
    stdin: call.stdin === undefined ? "ignore" : Buffer.from(call.stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const outputs = Promise.all([child.stdout, child.stderr].map(readCapped));
  const deadline = setTimeout(() => process.kill(child.pid, "SIGKILL"), call.deadlineMs ?? DEADLINE_MS);
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

async function readCapped(stream: ReadableStream<Uint8Array>): Promise<{ text: string; cut: boolean }> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
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
