import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type Member, tarOf } from "../../src/image/image.fixture.ts";
import { buildDirectory } from "./program.ts";

/**
 * A small image for tests: busybox and a few traps. Made once, by GNU tar and by hand, so that it owes nothing to the
 * code under test.
 */
export interface TestImages {
  /** A `docker save` archive. */
  readonly archive: string;
  /** The same files as a directory; their owner is whoever runs the tests. */
  readonly rootfs: string;
}

/** What the archive's configuration says. */
export const imageConfig = {
  Entrypoint: ["/bin/entry", "fixed"],
  Cmd: ["default", "two words"],
  Env: ["PATH=/opt/bin:/bin", "COLOUR=red", "EMPTY="],
  WorkingDir: "/srv/work",
  User: "app",
};

const entryScript = `#!/bin/sh
for word in "$@"; do echo "[$word]"; done
`;

const files: Record<string, { text: string; mode?: number }> = {
  "bin/entry": { text: entryScript, mode: 0o755 },
  "bin/own-words": { text: "#!/bin/no-such-interpreter\n", mode: 0o755 },
  "opt/bin/not-executable": { text: "#!/bin/sh\necho should not run\n", mode: 0o644 },
  "opt/bin/hello": { text: "#!/bin/sh\necho hello from PATH\n", mode: 0o755 },
  "etc/passwd": { text: "root:x:0:0:root:/root:/bin/sh\napp:x:1234:2345:App:/home/app:/bin/sh\n" },
  "etc/group": { text: "root:x:0:\napp:x:2345:\nextra:x:3456:app,other\nwheel:x:10:\n" },
  "srv/work/here": { text: "the image's file\n" },
};

/** Makes the images unless an earlier run did. */
export async function testImages(): Promise<TestImages> {
  const directory = `${buildDirectory}/images-3`;
  const images = { archive: `${directory}/image.tar`, rootfs: `${directory}/rootfs` };
  if (existsSync(directory)) return images;
  const fresh = `${buildDirectory}/images-new-${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  makeRootfs(`${fresh}/rootfs`, await staticBusybox());
  makeArchive(fresh);
  renameSync(fresh, directory);
  return images;
}

function makeRootfs(root: string, busybox: string): void {
  for (const name of ["bin", "dev", "etc", "opt/bin", "proc", "root", "srv/work", "sys", "tmp", "home/app"]) {
    mkdirSync(`${root}/${name}`, { recursive: true });
  }
  for (const [path, { text, mode }] of Object.entries(files))
    writeFileSync(`${root}/${path}`, text, { mode: mode ?? 0o644 });
  copyFileSync(busybox, `${root}/bin/busybox`);
  chmodSync(`${root}/bin/busybox`, 0o755);
  for (const name of applets(busybox)) symlinkSync("busybox", `${root}/bin/${name}`);
}

/** Members of a layer, in a few words. */
export const file = (path: string, data = "", more: Partial<Member> = {}): Member => ({
  path,
  data,
  mode: 0o755,
  ...more,
});
export const directory = (path: string, more: Partial<Member> = {}): Member => ({
  path,
  type: "5",
  mode: 0o755,
  ...more,
});
export const link = (path: string, target: string): Member => ({ path, type: "2", target });

/**
 * A `docker save` archive of an image that has busybox, /tmp and a layer of these members, with PATH=/bin.
 *
 * @param config of the image: Cmd, Entrypoint, User, Volumes …
 */
export async function imageWith(
  config: Readonly<Record<string, unknown>>,
  ...members: readonly Member[]
): Promise<string> {
  const layers = [await busyboxLayer(), tarOf(...members)];
  const hash = (data: Uint8Array | string) => new Bun.CryptoHasher("sha256").update(data).digest("hex");
  const described = JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"], ...config },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${hash(layer)}`) },
  });
  const manifest = [{ Config: "config.json", RepoTags: ["made:1"], Layers: ["0.tar", "1.tar"] }];
  const path = `${buildDirectory}/images-made/${hash(described).slice(0, 32)}.tar`;
  if (existsSync(path)) return path;
  mkdirSync(`${buildDirectory}/images-made`, { recursive: true });
  const archive = tarOf(
    { path: "config.json", data: described },
    ...layers.map((data, i) => ({ path: `${i}.tar`, data })),
    { path: "manifest.json", data: JSON.stringify(manifest) },
  );
  writeFileSync(`${path}-${process.pid}`, archive);
  renameSync(`${path}-${process.pid}`, path);
  return path;
}

/** A layer with busybox, links for all that it can do, and /tmp. */
export async function busyboxLayer(): Promise<Buffer> {
  const busybox = await staticBusybox();
  const links = applets(busybox).map((name) => link(`bin/${name}`, "busybox"));
  return tarOf(
    directory("bin"),
    directory("tmp", { mode: 0o1777 }),
    { path: "bin/busybox", data: readFileSync(busybox), mode: 0o755 },
    ...links,
  );
}

function applets(busybox: string): string[] {
  const list = checked([busybox, "--list"]).split("\n");
  return list.filter((name) => name !== "" && name !== "busybox");
}

/**
 * The layout of `docker save` (moby image spec 1.2): manifest.json, the image's configuration, one archive
 * per layer.
 */
function makeArchive(directory: string): void {
  const parts = `${directory}/parts`;
  mkdirSync(parts);
  const ownership = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--mtime=@1700000000"];
  checked(["tar", ...ownership, "-cf", `${parts}/layer.tar`, "-C", `${directory}/rootfs`, "."]);
  const digest = checked(["sha256sum", `${parts}/layer.tar`]).split(" ")[0];
  const config = {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: imageConfig,
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
  };
  writeFileSync(`${parts}/config.json`, JSON.stringify(config));
  const manifest = [{ Config: "config.json", RepoTags: ["test:latest"], Layers: ["layer.tar"] }];
  writeFileSync(`${parts}/manifest.json`, JSON.stringify(manifest));
  checked(["tar", "-cf", `${directory}/image.tar`, "-C", parts, "manifest.json", "config.json", "layer.tar"]);
  rmSync(parts, { recursive: true });
}

/** A statically linked busybox, out of the Debian package of that name. */
async function staticBusybox(): Promise<string> {
  const { distributionSources, extractPackages, resolvePackages } = await import("../../build/apt.ts");
  const { part } = await import("../../build/parts.ts");
  const sources = await distributionSources();
  const packages = await resolvePackages(["busybox-static"], sources);
  const pins = packages.map(({ sha256 }) => sha256);
  const directory = await part("test-busybox", { recipe: import.meta.path, pins }, (out) =>
    extractPackages(packages, sources, out),
  );
  const found = ["bin", "usr/bin"]
    .map((folder) => `${directory}/${folder}/busybox`)
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error("the package busybox-static holds no busybox");
  return found;
}

function checked(command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout.toString();
}
