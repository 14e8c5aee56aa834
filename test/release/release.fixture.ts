import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { run } from "../../build/host.ts";
import { makeRelease, writeLatest } from "../../build/release/release.ts";
import { releaseKey, sshSignature } from "../../build/release/signature.ts";
import { program } from "../support/program.ts";

/** Releases of the very program that the tests run. */

export const dist = program.slice(0, program.lastIndexOf("/"));

export const version = (JSON.parse(readFileSync(`${dist}/manifest.json`, "utf8")) as { version: string })
  .version;

/** A new key in a file. */
export function writeKey(path: string): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }));
  return path;
}

export function release(directory: string, url: string, keyFile?: string): Promise<void> {
  return makeRelease({ dist, directory, url, keyFile, archives: [] });
}

/** Serves a directory on the loopback, as any web server would. */
export function serve(directory: () => string) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async ({ url }) => {
      const file = Bun.file(`${directory()}${decodeURIComponent(new URL(url).pathname)}`);
      return (await file.exists()) ? new Response(file) : new Response("not found", { status: 404 });
    },
  });
}

/** As archives are called after this host. */
export const platform = `linux-${process.arch === "x64" ? "amd64" : "arm64"}`;

/**
 * Adds a version to a release, and makes it the newest. Its program says its version and does nothing else: what
 * matters to an update happens before it runs.
 */
export async function publish(directory: string, version: string, keyFile?: string): Promise<void> {
  const name = `smolvm-${version}-${platform}`;
  const [made, tree] = [`${directory}/${version}`, `${directory}/tree/${name}`];
  mkdirSync(`${tree}/bin`, { recursive: true });
  mkdirSync(`${tree}/lib/smolvm`, { recursive: true });
  mkdirSync(`${tree}/share/doc/smolvm`, { recursive: true });
  mkdirSync(made, { recursive: true });
  writeFileSync(`${tree}/bin/smolvm`, `#!/bin/sh\necho smolvm ${version}\n`, { mode: 0o755 });
  writeFileSync(`${tree}/lib/smolvm/launcher`, "", { mode: 0o755 });
  writeFileSync(`${tree}/share/doc/smolvm/only-in-${version}`, "");
  await run(["tar", "-czf", `${made}/${name}.tar.gz`, "-C", `${directory}/tree`, name]);
  const sums = await run(["sha256sum", `${name}.tar.gz`], { cwd: made });
  writeFileSync(`${made}/SHA256SUMS`, sums);
  const key = keyFile === undefined ? undefined : releaseKey(readFileSync(keyFile, "utf8"));
  writeLatest(directory, version, key);
  rmSync(`${directory}/tree`, { recursive: true });
  if (key === undefined) return;
  writeFileSync(`${made}/SHA256SUMS.sig`, key.sign(Buffer.from(sums)));
  writeFileSync(`${made}/SHA256SUMS.sshsig`, sshSignature(key, Buffer.from(sums)));
}

/** Changes one bit of a file. */
export async function flip(path: string): Promise<void> {
  const bytes = Buffer.from(await Bun.file(path).bytes());
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await Bun.write(path, bytes);
}
