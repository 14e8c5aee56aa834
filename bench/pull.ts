import { mkdirSync, rmSync, statSync } from "node:fs";
import { tarOf } from "../src/image/image.fixture.ts";
import { run, Scratch } from "../test/image/tools.ts";
import { program } from "../test/support/program.ts";
import { craneProgram, startCraneRegistry } from "../test/support/registry/crane.ts";
import { PullHome } from "../test/support/registry/pull-home.ts";
import { pushArchives } from "../test/support/registry/push.ts";
import { pushPacked } from "../test/support/registry/push-packed.ts";
import type { Server } from "../test/support/registry/server.ts";
import { costOf, peakMemoryOf } from "./support/cost.ts";
import { microsandbox } from "./support/microsandbox.ts";
import { fillWithNoise, mixedLayers, packed, writeBulk } from "./support/pull-images.ts";
import { compare, median, minimum } from "./support/rounds.ts";
import { printTable } from "./support/table.ts";

/**
 * From a registry to a bootable image, against other tools; what a cached image's size costs a start; what images on
 * one base cost the disk.
 *
 *     bun bench/pull.ts [rounds]
 */

/** How each tool pulls a reference, in a directory of its own where it needs one. */
type Commands = Record<string, (reference: string, target: string) => string[]>;

const msb = await microsandbox();
/** Tools that make something bootable. */
const bootable: Commands = {
  "msb pull": (reference) => [msb, "pull", "--insecure", "--quiet", reference],
  "smolvm images pull": (reference) => [program, "images", "pull", "--quiet", reference],
};

/** Tools that unpack to a directory. */
function unpackers(layer: "gzip" | "zstd"): Commands {
  const shell = (script: string) => (reference: string, target: string) => [
    "sh",
    "-ec",
    script,
    "sh",
    reference,
    target,
  ];
  const umoci =
    'skopeo copy -q --src-tls-verify=false "docker://$1" "oci:$2/oci:i"; umoci unpack --image "$2/oci:i" "$2/b"';
  return {
    // This version of umoci does not know zstd.
    ...(layer === "gzip" && { "skopeo copy, umoci unpack": shell(umoci) }),
    "crane export, tar -x": shell(`mkdir "$2/b"; ${craneProgram()} export "$1" - | tar -xp -C "$2/b" -f -`),
  };
}

const rounds = Number(process.argv[2] ?? 5);
const scratch = new Scratch();
const registry = await startCraneRegistry();
try {
  const layers = mixedLayers();
  for (const tool of ["gzip", "zstd"] as const) {
    const archives = packed(layers, tool);
    const mixed = await pushPacked(registry, archives, tool, `mixed/${tool}:1`);
    await pulls(`3 layers, ${tool}`, mixed, { ...bootable, ...unpackers(tool) });
    const single = await pushPacked(registry, archives.slice(0, 1), tool, `single/${tool}:1`);
    await pulls(`1 layer, ${tool}`, single, bootable);
  }
  await starts(registry);
  await disk(registry, layers);
} finally {
  await registry.stop();
  scratch[Symbol.dispose]();
}

/** Cold pulls, everybody in turn. Before each, its cache and target are removed. */
async function pulls(title: string, reference: string, commands: Commands): Promise<void> {
  const target = `${scratch.path}/target`;
  const env = { HOME: target, XDG_CACHE_HOME: `${target}/cache`, MSB_HOME: `${target}/msb`, TMPDIR: target };
  const tools = Object.fromEntries(
    Object.entries(commands).map(([name, command]) => [name, command(reference, target)]),
  );
  const clean = () => {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
  };
  const cpu = new Map<string, number[]>(Object.keys(tools).map((name) => [name, []]));
  const samples = await compare(
    Object.entries(tools).map(([name, command]) => ({
      name,
      measure: async () => {
        clean();
        const { milliseconds, cpuMilliseconds } = await costOf(command, { env });
        cpu.get(name)?.push(cpuMilliseconds);
        return milliseconds;
      },
    })),
    { rounds },
  );
  const base = samples[0]?.values ?? [];
  const rows: string[][] = [];
  for (const { name, values, failures } of samples) {
    clean();
    const peak = failures.length > 0 ? Number.NaN : await peakMemoryOf(tools[name] ?? [], { env });
    const ratio = (value: number, to: number) => `${(value / to).toFixed(2)}×`;
    rows.push([
      failures[0] === undefined ? name : `${name} (${failures.length} failed: ${failures[0].slice(0, 100)})`,
      String(values.length),
      median(values).toFixed(0),
      minimum(values).toFixed(0),
      ratio(median(values), median(base)),
      ratio(minimum(values), minimum(base)),
      (median(cpu.get(name) ?? []) / 1000).toFixed(2),
      peak.toFixed(0),
    ]);
  }
  clean();
  const columns = ["", "runs", "median ms", "min ms", "median ratio", "min ratio", "CPU s", "peak MiB"];
  printTable(`Cold pull of ${title}, to something bootable or a directory`, columns, rows);
}

/** The image's share of a start, for a cached image of 5 GB and one of 5 MB. */
async function starts(server: Server): Promise<void> {
  const home = new PullHome();
  try {
    const sizes: Record<string, number> = { "5 MB": 5, "5 GB": 5000 };
    const references: Record<string, string> = {};
    for (const [name, mebibytes] of Object.entries(sizes)) {
      const archive = `${scratch.path}/bulk.tar.zst`;
      await writeBulk(archive, mebibytes);
      references[name] = await pushPacked(server, [archive], "zstd", `bulk/of-${mebibytes}:1`);
      rmSync(archive);
      await home.pulled(references[name], { seconds: 300 });
    }
    const span = async (reference: string) => {
      // The image holds no program: the machine starts, and its command is not found.
      const options = ["--image", reference, "--timings=json"];
      const { stderr } = await home.run(["/none"], { options });
      const line = stderr.split("\n").find((text) => text.startsWith("{") && text.includes('"image"'));
      const image = line === undefined ? undefined : (JSON.parse(line) as { image?: number }).image;
      if (image === undefined) throw new Error(`no timings: ${stderr}`);
      return image;
    };
    const samples = await compare(
      Object.entries(references).map(([name, reference]) => ({ name, measure: () => span(reference) })),
      { rounds: rounds + 4 },
    );
    const rows = samples.map(({ name, values, failures }) => [
      failures[0] === undefined ? name : `${name} (${failures[0].slice(0, 200)})`,
      String(values.length),
      median(values).toFixed(1),
      minimum(values).toFixed(1),
    ]);
    printTable("Image span of a start, cached image", ["", "runs", "median ms", "min ms"], rows);
  } finally {
    home.remove();
  }
}

/** Five images on one base. */
async function disk(server: Server, [base = ""]: readonly string[]): Promise<void> {
  const home = new PullHome();
  try {
    const own = `${scratch.path}/own.tar`;
    let sum = 0;
    let distinct = statSync(base).size;
    let first = 0;
    for (let image = 0; image < 5; image++) {
      const data = Buffer.alloc(20_000_000);
      fillWithNoise(data, `image ${image}`);
      await Bun.write(own, tarOf({ path: `opt-${image}`, data }));
      await home.pulled(await pushArchives(server, [base, own], `based/on:${image}`));
      sum += statSync(base).size + statSync(own).size;
      distinct += statSync(own).size;
      if (image === 0) first = allocated(home.images);
    }
    const used = allocated(home.images);
    const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
    const row = (name: string, bytes: number) => [name, mebibytes(bytes), `${(bytes / sum).toFixed(2)}×`];
    printTable(
      "Disk for 5 images on one base, each with 20 MB of its own",
      ["", "MiB", "of the sum"],
      [
        row("sum of the layers of all five, as archives", sum),
        row("each layer once, as archives", distinct),
        row("smolvm's cache", used),
        row("smolvm's cache with the first image only", first),
      ],
    );
  } finally {
    home.remove();
  }
}

/** Bytes that a directory takes on the disk; `du` counts shared blocks once. */
function allocated(directory: string): number {
  return Number(run(["du", "-s", "--block-size=1", directory]).split("\t")[0]);
}
