import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { ensureInstalled } from "../../build/apt.ts";
import { type Component, type LicenceText, writeComponents } from "../../build/components.ts";
import { cacheRoot, run, say, sha256File } from "../../build/host.ts";
import { part } from "../../build/parts.ts";
import { type Cargo, findCargo } from "./cargo.ts";
import { lockWithoutSource, patchCrate, patches } from "./patches.ts";

/** Builds `libkrun.so.1` out of the crate in this folder; every crate is pinned by Cargo.lock, some are patched. */

const folder = import.meta.dir;

/** What the crate in this folder consists of. */
const files = ["Cargo.toml", "Cargo.lock", "build.rs", "src/lib.rs", "src/guest_memory.rs"];

/** Makes `libkrun.so.1` and returns its directory. */
export async function libkrun(): Promise<string> {
  const pins = {
    platform: `${process.platform}-${process.arch}`,
    files: await Promise.all(files.map(hashOf)),
  };
  return await part("libkrun", { recipe: import.meta.path, pins }, async (out) => {
    await ensureInstalled(["gcc", "libc6-dev"], "links libkrun");
    const cargo = await findCargo();
    say("libkrun: compiling from the Rust package registry (some minutes, once)");
    const metadata = await readMetadata(cargo);
    const work = patchedSources(metadata);
    const target = `${cacheRoot()}/cargo-target`;
    // Keeps the paths of this machine out of the result.
    const flags = [`${process.env.HOME ?? folder}=/build`, `${work}=/build/libkrun`].map(
      (pair) => `--remap-path-prefix=${pair}`,
    );
    const env = { ...cargo.env, CARGO_TARGET_DIR: target, CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f") };
    await run([cargo.command, "build", "--release", "--locked"], { cwd: `${work}/wrapper`, env });
    copyFileSync(`${target}/release/libsmolvm_krun.so`, `${out}/libkrun.so.1`);
    const { components, licences } = crateComponents(metadata);
    writeComponents(out, components, licences);
  });
}

/**
 * Copies this crate and those that are patched to where they are compiled. The directory is the same for each build (only
 * one makes the part at a time), so that cargo finds again what it compiled before.
 */
function patchedSources({ packages }: Metadata): string {
  const work = `${cacheRoot()}/libkrun-sources`;
  const wrapper = `${work}/wrapper`;
  mkdirSync(wrapper, { recursive: true });
  for (const file of files) cpSync(`${folder}/${file}`, `${wrapper}/${file}`);
  let lock = readFileSync(`${folder}/Cargo.lock`, "utf8");
  let manifest = `${readFileSync(`${folder}/Cargo.toml`, "utf8")}\n[patch.crates-io]\n`;
  for (const patch of patches) {
    const original = packages.find(({ name }) => name === patch.crate);
    if (original === undefined) throw new Error(`libkrun has no crate ${patch.crate}`);
    patchCrate(patch, dirname(original.manifest_path), `${work}/${patch.crate}`);
    manifest += `${patch.crate} = { path = "../${patch.crate}" }\n`;
    lock = lockWithoutSource(lock, patch.crate);
  }
  writeFileSync(`${wrapper}/Cargo.toml`, manifest);
  writeFileSync(`${wrapper}/Cargo.lock`, lock);
  return work;
}

function hashOf(file: string): Promise<string> {
  return sha256File(`${folder}/${file}`);
}

/** The fields of `cargo metadata --format-version 1` that are used here. */
interface Metadata {
  readonly packages: {
    id: string;
    name: string;
    version: string;
    license: string | null;
    manifest_path: string;
  }[];
  readonly resolve: {
    root: string;
    nodes: { id: string; deps: { pkg: string; dep_kinds: { kind: string | null }[] }[] }[];
  };
}

/** What cargo knows about all crates; fetches those that are not there yet. */
async function readMetadata(cargo: Cargo): Promise<Metadata> {
  const triple = (await run([cargo.command, "-vV"])).match(/^host: (.*)$/m)?.[1] ?? "";
  const command = [
    cargo.command,
    "metadata",
    "--format-version",
    "1",
    "--locked",
    "--filter-platform",
    triple,
  ];
  return JSON.parse(await run(command, { cwd: folder })) as Metadata;
}

/** The crates that end up in the library: what the wrapper depends on at run time, for this platform. */
function crateComponents({ packages, resolve }: Metadata): {
  components: Component[];
  licences: LicenceText[];
} {
  const linked = new Set<string>();
  const visit = (id: string) => {
    if (linked.has(id)) return;
    linked.add(id);
    const node = resolve.nodes.find((candidate) => candidate.id === id);
    for (const { pkg, dep_kinds } of node?.deps ?? []) {
      if (dep_kinds.some(({ kind }) => kind === null)) visit(pkg);
    }
  };
  visit(resolve.root);
  const lock = readFileSync(`${folder}/Cargo.lock`, "utf8");
  const crates = packages.filter(({ id }) => linked.has(id) && id !== resolve.root);
  const components = crates.map(({ name, version, license }) => {
    const entry = `name = "${name}"\nversion = "${version}"\n`;
    const checksum = lock.slice(lock.indexOf(entry)).match(/checksum = "([0-9a-f]{64})"/)?.[1];
    const licence = license?.replaceAll("/", " OR ") ?? "see the crate";
    const patched = patches.some(({ crate }) => crate === name)
      ? ", changed by recipes/libkrun/patches.ts"
      : "";
    const source = `Rust package registry${patched}`;
    return { name, version, source, licence, ...(checksum && { sha256: checksum }) };
  });
  return {
    components: components.map((component) => ({ ...component, part: "libkrun" })),
    licences: crates.flatMap(({ name, version, manifest_path }) =>
      licenceFiles(dirname(manifest_path)).map((path) => ({
        title: `${name} ${version}`,
        text: readFileSync(path, "utf8"),
      })),
    ),
  };
}

function licenceFiles(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory).filter((name) =>
    /^(LICEN[CS]E|COPYING|NOTICE|UNLICENSE)[^/]*$/i.test(name),
  );
  return names.sort().map((name) => `${directory}/${name}`);
}
