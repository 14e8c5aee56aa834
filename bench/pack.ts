/**
 * Packing an image, its size, the starts of the pack and commands in it, against tar and zstd and the image itself.
 *
 *     bun bench/pack.ts [rounds]
 *
 * All run as processes, one after the other in each round, so that a busy machine is busy for all of them. The image
 * is a Debian root, in the cache already; `tar | zstd -3` reads the same files from an archive in the page cache, in
 * one stream and on one thread. Needs dist/smolvm, zstd (and debootstrap, the first time).
 */
import { mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { debianArchive } from "../test/image/debian.ts";
import { Scratch } from "../test/image/tools.ts";
import { program } from "../test/support/program.ts";

/** In each round; one takes milliseconds. */
const EXECS = 15;

async function main(rounds: number): Promise<void> {
  using scratch = new Scratch();
  const at = (name: string) => join(scratch.path, name);
  const archive = debianArchive();
  const mebibytes = (path: string) => (statSync(path).size / 2 ** 20).toFixed(1);
  const homes = {
    XDG_DATA_HOME: at("data"),
    XDG_RUNTIME_DIR: at("run"),
    HOME: scratch.path,
    PATH: process.env.PATH,
    // The same pack each time: the packed program's machine is known by its digest.
    SOURCE_DATE_EPOCH: "0",
    SMOLVM_TEMPLATES: "off",
  };
  const cached = { ...homes, XDG_CACHE_HOME: at("cache") };
  const empty = { ...homes, XDG_CACHE_HOME: at("empty") };
  mkdirSync(at("run"), { mode: 0o700 });
  const smolvm = (env: Environment, ...words: string[]) => timed([program, ...words], env);
  const create = () => smolvm(cached, "pack", "create", "-q", "--image", archive, "-o", at("debian"));
  const small = ["-q", "--cpus", "1", "--mem", "512"];
  const runPack = (env: Environment) =>
    smolvm(env, "pack", "run", ...small, "--sidecar", at("debian.smolmachine"), "--", "true");
  const runImage = () => smolvm(cached, "machine", "run", ...small, "--image", archive, "--", "true");
  const rows: Record<string, number[]> = {};
  const note = (name: string, milliseconds: number) => {
    rows[name] ??= [];
    rows[name].push(milliseconds);
  };
  const packed = (...words: string[]) => timed([at("debian"), ...words], cached);
  // The image in the cache, and smolvm's own files in both.
  runImage();
  create();
  // Of the machine in the background that the packed program keeps, and of one of the image.
  packed("start", "--cpus", "1", "--mem", "512");
  smolvm(cached, "machine", "create", "--cpus", "1", "--mem", "512", "--image", archive, "box");
  smolvm(cached, "machine", "start", "box");
  const execs = () => {
    note("packed program, exec", packed("exec", "--", "true"));
    note("machine exec", smolvm(cached, "machine", "exec", "box", "--", "true"));
  };
  try {
    for (let round = 0; round < rounds; round++) {
      note("pack create", create());
      note("tar | zstd -3", timed(["zstd", "-q", "-f", "-3", archive, "-o", at("archive.zst")], homes));
      rmSync(at("empty"), { recursive: true, force: true });
      smolvm(empty, "machine", "run", ...small, "--", "true");
      note("pack run, first", runPack(empty));
      note("pack run, later", runPack(empty));
      note("machine run of the image", runImage());
      for (let i = 0; i < EXECS; i++) execs();
    }
  } finally {
    packed("stop");
    smolvm(cached, "machine", "stop", "box");
  }
  console.log(`Debian root, ${mebibytes(archive)} MiB; pack ${mebibytes(at("debian.smolmachine"))} MiB,`);
  console.log(
    `archive by zstd -3 ${mebibytes(at("archive.zst"))} MiB, by gzip -6 ${gzipMebibytes(archive)} MiB`,
  );
  console.log(`milliseconds, ${rounds} rounds             median     min`);
  for (const [name, times] of Object.entries(rows)) {
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? 0;
    console.log(
      `${name.padEnd(36)}${median.toFixed(0).padStart(8)}${(sorted[0] ?? 0).toFixed(0).padStart(8)}`,
    );
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Milliseconds that a program takes. @throws Error when it fails */
function timed(command: string[], env: Environment): number {
  const start = performance.now();
  const { exitCode, stderr } = Bun.spawnSync(command, {
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${exitCode}: ${stderr}`);
  return performance.now() - start;
}

const gzipMebibytes = (path: string) =>
  (Bun.gzipSync(readFileSync(path), { level: 6 }).length / 2 ** 20).toFixed(1);

await main(Number(process.argv[2] ?? 5));
