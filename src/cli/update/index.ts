import { SmolError } from "../../errors.ts";
import { version as ownVersion } from "../../version.ts";
import { INTERRUPTS, Interrupted } from "../interrupted.ts";
import { complain } from "../output.ts";
import { findInstallation, type Installation } from "./installation.ts";
import { installerFor } from "./installer.ts";

/**
 * Updates are the installer's work: the `install.sh` that this program carries is run again, with the address and the
 * key that the receipt remembers. So there is one list of rules about what is checked, and in which order files are
 * replaced; and it is that of the installed program, which was verified, rather than one that has just been downloaded.
 */

/** Rejections of the installer are short; what comes after so much of a line is no text of it. */
const MAX_LINE = 4096;

export interface UpdateOptions {
  /** The newest when undefined. */
  readonly version?: string | undefined;
  /** An address or a directory; where it was installed from when undefined. */
  readonly from?: string | undefined;
}

/** What `newest` found. */
export interface Newest {
  readonly installed: string;
  readonly newest: string;
  readonly isNewer: boolean;
}

/** @throws SmolError `update.not_ours`, `update.failed` */
export async function findNewest({ from }: UpdateOptions): Promise<Newest> {
  const output = await runInstaller(findInstallation(process.execPath), from, ["--newest"]);
  const newest = output.trim();
  return { installed: ownVersion, newest, isNewer: isLater(newest, ownVersion) };
}

/**
 * Puts a version in the place of this one, which stays when anything fails.
 *
 * @throws SmolError `update.not_ours`, `update.failed`
 */
export async function installVersion({ version, from }: UpdateOptions & { version: string }): Promise<void> {
  const installation = findInstallation(process.execPath);
  const strict = installation.key === undefined ? [] : ["--require-signature"];
  await runInstaller(installation, from, [`--version=${version}`, ...strict]);
}

function isLater(newest: string, installed: string): boolean {
  if (!/^\d+\.\d+\.\d+([-+]|$)/.test(newest))
    throw new SmolError("update.failed", `the newest release is called ${newest}, which is no version`);
  return Bun.semver.order(newest, installed) > 0;
}

/** Its notes are passed on. @returns what it prints */
async function runInstaller(
  { prefix, from: usual, key }: Installation,
  from: string | undefined,
  words: readonly string[],
): Promise<string> {
  const address = from ?? usual;
  const source = address === undefined ? [] : [`--from=${address}`];
  const child = Bun.spawn(["/bin/sh", "-s", "--", `--prefix=${prefix}`, ...source, ...words], {
    stdin: Buffer.from(installerFor({ url: "", key })),
    stdout: "pipe",
    stderr: "pipe",
    // A group of its own: what it has started, a download above all, is told to end with it.
    detached: true,
  });
  // It cleans up before it ends.
  let received: (typeof INTERRUPTS)[number] | undefined;
  const passOn = INTERRUPTS.map((signal) => {
    const pass = () => {
      received = signal;
      // Its group is gone when it has ended.
      if (child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid, signal === "SIGQUIT" ? "SIGTERM" : signal);
    };
    process.on(signal, pass);
    return () => process.off(signal, pass);
  });
  try {
    const [output, failure] = await Promise.all([child.stdout.text(), followErrors(child.stderr)]);
    const code = await child.exited;
    if (code === 0) return output;
    if (received !== undefined) throw new Interrupted(received);
    const { message = `the installer ended with exit code ${code}`, hint } = failure;
    throw new SmolError("update.failed", message, { hint });
  } finally {
    for (const stop of passOn) stop();
  }
}

/** Passes lines on as they come, but for those that say why it has given up. */
async function followErrors(stream: ReadableStream<Uint8Array>) {
  let [message, hint]: (string | undefined)[] = [];
  const take = (line: string) => {
    if (line.startsWith("error: ")) message = line.slice("error: ".length);
    else if (line.startsWith("hint: ")) hint = line.slice("hint: ".length);
    else complain(line);
  };
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = (lines.pop() ?? "").slice(0, MAX_LINE);
    for (const line of lines) take(line);
  }
  if (rest !== "") take(rest);
  return { message, hint };
}
