import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { makeRelease } from "../../build/release/release.ts";
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
