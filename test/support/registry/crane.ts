import { existsSync } from "node:fs";
import { cacheRoot } from "../../../build/host.ts";
import { type Server, serverDirectory, startServer } from "./server.ts";
import { tool } from "./tool.ts";

/** go-containerregistry's client, which is a registry too. @throws Error that says how to get it. */
export function craneProgram(): string {
  const path = `${cacheRoot()}/go-tools/crane`;
  if (!existsSync(path)) throw new Error(`this test needs crane (${path}): ./dev test builds it`);
  return path;
}

/** Runs crane to its end. @throws Error with its stderr when it fails. */
export async function crane(...words: readonly string[]): Promise<string> {
  return await tool([craneProgram(), ...words]);
}

/** Starts go-containerregistry's registry: takes everything, asks for no password, keeps blobs on the disk. */
export async function startCraneRegistry(): Promise<Server> {
  const directory = serverDirectory();
  return await startServer({
    command: [craneProgram(), "registry", "serve", "--address", "127.0.0.1:0", "--disk", directory],
    listening: /serving on port (\d+)/,
    scheme: "http",
    directory,
  });
}
