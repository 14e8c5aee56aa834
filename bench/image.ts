/**
 * How fast a local archive becomes a bootable image, against the tools that unpack it to a directory.
 *
 *     bun bench/image.ts [rounds]
 *
 * All run as processes, one after the other in each round, so that a busy machine is busy for all of them. Besides
 * unpacking, ours and umoci check the digests of the layer; tar does not. Needs umoci, tar, gzip, zstd (and
 * debootstrap, the first time).
 */
import { mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { runDecoderThread } from "../src/image/blob/thread.ts";
import { openLocalImage } from "../src/image/index.ts";
import { debianArchive } from "../test/image/debian.ts";
import { writeLayout } from "../test/image/layout.ts";
import { run, Scratch } from "../test/image/tools.ts";

interface Measured {
  readonly milliseconds: number;
  readonly cpuMilliseconds: number;
  /** What ours says: milliseconds of the call itself, and the most memory that it held. */
  readonly spanMilliseconds: number;
  readonly peakMiB: number;
}

async function main(rounds: number): Promise<void> {
  using scratch = new Scratch();
  const program = await compile(scratch);
  const ours = (source: string, cache: string) => [program, "open", source, cache];
  const archive = debianArchive();
  const layer = readFileSync(archive);
  console.log(
    `Debian root, ${mebibytes(layer.length)} MiB, ${rounds} rounds; milliseconds (median, minimum, CPU)\n`,
  );
  console.log("layer    tool            median     min     CPU    ratio   peak MiB");
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const layout = scratch.directory(`layout-${compression}`);
    writeLayout(layout, [layer], { compression });
    const source = join(scratch.path, `${compression}.tar`);
    run(["tar", "--create", `--file=${source}`, `--directory=${layout}`, "."]);
    const blob = largestBlob(layout);
    const target = join(scratch.path, "target");
    const unpacker = { none: [], gzip: ["--gzip"], zstd: ["--zstd"] }[compression];
    const tools: Record<string, string[]> = {
      smolvm: ours(source, target),
      "tar -x": ["tar", "-xp", ...unpacker, "--xattrs", "--xattrs-include=*", "-f", blob, "-C", target],
      // This version of umoci does not know zstd.
      ...(compression !== "zstd" && {
        "umoci unpack": ["umoci", "unpack", "--image", `${layout}:test`, join(target, "b")],
      }),
    };
    const results = new Map<string, Measured[]>(Object.keys(tools).map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, command] of Object.entries(tools)) {
        rmSync(target, { recursive: true, force: true });
        mkdirSync(target);
        results.get(name)?.push(await measure(command));
      }
    }
    rmSync(target, { recursive: true, force: true });
    report(compression, results);
  }
  await secondRun(scratch, archive, ours, rounds);
  await largeImage(scratch, ours);
}

/** This file as a program, compiled as smolvm is: not the time to compile TypeScript, and with threads of its own. */
async function compile(scratch: Scratch): Promise<string> {
  const outfile = join(scratch.path, "opener");
  const built = await Bun.build({
    entrypoints: [import.meta.path],
    target: "bun",
    format: "cjs",
    minify: true,
    bytecode: true,
    compile: { outfile },
  });
  if (!built.success) throw new Error(built.logs.map(String).join("\n"));
  return outfile;
}

function largestBlob(layout: string): string {
  const directory = join(layout, "blobs/sha256");
  const [largest = ""] = run(["ls", "-S", directory]).split("\n");
  return join(directory, largest);
}

async function measure(command: string[]): Promise<Measured> {
  const start = performance.now();
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const output = await new Response(child.stdout).text();
  const errors = await new Response(child.stderr).text();
  const code = await child.exited;
  const milliseconds = performance.now() - start;
  if (code !== 0) throw new Error(`${command.join(" ")}: exit code ${code}: ${errors}`);
  // The peak of the resource usage would be of no use: it begins with the memory of the process that forks.
  const [span = "", peak = ""] = output.split(" ");
  return {
    milliseconds,
    cpuMilliseconds: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000,
    spanMilliseconds: Number(span),
    peakMiB: Number(peak) / 1024,
  };
}

function report(layer: string, results: ReadonlyMap<string, Measured[]>): void {
  const base = median(results.get("smolvm") ?? [], "milliseconds");
  for (const [name, all] of results) {
    const middle = median(all, "milliseconds");
    const least = Math.min(...all.map(({ milliseconds }) => milliseconds));
    const cells = [middle, least, median(all, "cpuMilliseconds")].map((value) =>
      value.toFixed(0).padStart(7),
    );
    const ratio = (middle / base).toFixed(2).padStart(7);
    const peak = name === "smolvm" ? Math.max(...all.map(({ peakMiB }) => peakMiB)).toFixed(0) : "";
    console.log(
      `${layer.padEnd(8)} ${name.padEnd(14)} ${cells.join(" ")}  ${ratio} ${peak.padStart(9)}`.trimEnd(),
    );
  }
}

function median(all: readonly Measured[], field: "milliseconds" | "cpuMilliseconds"): number {
  const sorted = all.map((one) => one[field]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The image span of a start whose image is in the cache. */
async function secondRun(
  scratch: Scratch,
  archive: string,
  ours: (source: string, cache: string) => string[],
  rounds: number,
): Promise<void> {
  const cache = scratch.directory("second");
  await measure(ours(archive, cache));
  const spans: number[] = [];
  for (let round = 0; round < Math.max(rounds, 10); round++) {
    spans.push((await measure(ours(archive, cache))).spanMilliseconds);
  }
  spans.sort((a, b) => a - b);
  const [least = 0] = spans;
  const middle = spans[Math.floor(spans.length / 2)] ?? 0;
  console.log(
    `\nsecond run of one archive: ${middle.toFixed(1)} ms (median), ${least.toFixed(1)} ms (minimum)`,
  );
}

/** Peak memory for a layer of 2 GiB: files of 1 byte to 64 MiB, as they come and compressed. */
async function largeImage(
  scratch: Scratch,
  ours: (source: string, cache: string) => string[],
): Promise<void> {
  const root = scratch.directory("large/usr");
  const script = `n=0; total=0
    while [ $total -lt 2100000000 ]; do
      for size in 1 3000 20000 400000 5000000 67108864; do
        n=$((n + 1)); total=$((total + size)); head -c $size /dev/urandom > f$n
      done
    done`;
  run(["sh", "-ec", script], { cwd: root });
  const plain = join(scratch.path, "large.tar");
  run(["tar", "--create", `--file=${plain}`, `--directory=${join(root, "..")}`, "."]);
  rmSync(root, { recursive: true });
  console.log(`\npeak memory for an image of ${mebibytes(statSync(plain).size)} MiB`);
  for (const compressor of [[], ["gzip", "-1"], ["zstd", "-1"]]) {
    const source = compressor.length === 0 ? plain : join(scratch.path, "large.packed");
    if (compressor.length > 0) {
      run(["sh", "-c", `${compressor.join(" ")} -c "$1" > "$2"`, "sh", plain, source]);
    }
    const result = await measure(ours(source, scratch.directory("large-cache")));
    rmSync(join(scratch.path, "large-cache"), { recursive: true });
    const name = (compressor[0] ?? "none").padEnd(8);
    console.log(`${name} ${result.peakMiB.toFixed(0)} MiB, ${(result.milliseconds / 1000).toFixed(1)} s`);
  }
}

const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 1024);

/** What is measured. */
async function open(source: string, cacheDir: string): Promise<void> {
  const start = performance.now();
  await openLocalImage(source, { cacheDir });
  const span = performance.now() - start;
  const peak = /VmHWM:\s+([0-9]+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  console.log(`${span.toFixed(2)} ${peak}`);
  process.exit(0);
}

const [command, source = "", cacheDir = ""] = process.argv.slice(2);
if (!Bun.isMainThread) runDecoderThread();
else if (command === "open") void open(source, cacheDir);
else void main(Number(command ?? 5));
