import { closeSync, openSync, writeFileSync } from "node:fs";
import { SmolError } from "../errors.ts";
import type { Manifest } from "./manifest.ts";
import { packedSettings } from "./spec.ts";
import { type FinishOptions, PackWriter, type WrittenPack } from "./write.ts";

/** The code of the error that an action ends with, or `accepted`. */
export async function codeOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    if (error instanceof SmolError) return error.code;
    throw error;
  }
  return "accepted";
}

/** Bytes that look random, and are the same for the same seed. */
export function noise(bytes: number, seed: number): Buffer {
  const result = Buffer.alloc(bytes);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < bytes; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    result[at] = state & 0xff;
  }
  return result;
}

/** A manifest with a layer that is in no pack: for tests of the container. */
export function manifestOf(parts: Partial<Manifest> = {}): Manifest {
  const none = `sha256:${"0".repeat(64)}`;
  const counts = { format: 2, entries: 0, file_bytes: 0, frames: 0, data_bytes: 0, tree_bytes: 0 };
  const layer = { id: none, data: none, tree: none, ...counts };
  return {
    format: 1,
    mode: "container",
    image: null,
    digest: null,
    platform: "linux/amd64",
    host_platform: "linux/amd64",
    created: "2026-01-01T00:00:00Z",
    smolvm_version: "0.0.0",
    entrypoint: [],
    cmd: [],
    env: [],
    workdir: "/",
    user: "",
    stop_signal: null,
    labels: {},
    volumes: [],
    cpus: null,
    mem: null,
    storage: null,
    overlay: null,
    network: null,
    init: [],
    init_once: [],
    reaper: null,
    pids: null,
    stop_timeout_ms: null,
    restart: null,
    health: null,
    layers: [layer],
    ...parts,
  };
}

/** Writes a pack with one blob of the given bytes. */
export async function writePack(
  path: string,
  content: Buffer,
  options: Partial<FinishOptions> & { readonly program?: string } = {},
): Promise<WrittenPack & { readonly blob: string }> {
  const { program, ...finish } = options;
  const source = `${path}.content`;
  writeFileSync(source, content);
  const fd = openSync(source, "r");
  const writer = new PackWriter(path, program);
  try {
    const blob = await writer.add(fd, 0, content.length);
    return { ...writer.finish({ manifest: manifestOf(), ...finish }), blob: blob.digest };
  } finally {
    writer.close();
    closeSync(fd);
  }
}

/** What a source says that says nothing about a machine but its image's name. */
export const machineLayerOfNothing = packedSettings(manifestOf({ image: "app" }));
