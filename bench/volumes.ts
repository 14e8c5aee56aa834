import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { program } from "../test/support/program.ts";
import { Contender } from "./support/contender.ts";
import { measureCommand } from "./support/measure.ts";
import { compare, type Samples } from "./support/rounds.ts";
import { printComparison } from "./support/table.ts";

/**
 * Folders of the host in a machine on qemu, against the guest's own disk and against the same work on the host. In the
 * guest the same busybox does it as on the host. With 3 rounds some minutes.
 *
 *     bun bench/volumes.ts [rounds] [files]
 */

const rounds = Number(process.argv[2] ?? 3);
const files = Number(process.argv[3] ?? 1000);
const MEGABYTES = 64;

const here = new Contender("volumes", program, "qemu");
const folder = `${here.env.HOME}/shared`;
mkdirSync(folder, { recursive: true });

/** Each leaves the directory as it found it, but for what the next one needs. */
const WORK: readonly (readonly [name: string, script: string])[] = [
  ["unpack", `rm -rf tree && mkdir tree && tar -xf /tmp/tree.tar -C tree`],
  ["stat all of them (find -type f -size +0)", "find tree -type f -size +0 > /dev/null"],
  ["read all of them", "cat tree/*/* > /dev/null"],
  ["remove them", "rm -r tree"],
  [`write ${MEGABYTES} MB, fsync`, `dd if=/dev/zero of=big bs=1M count=${MEGABYTES} conv=fsync 2> /dev/null`],
  [`read ${MEGABYTES} MB`, "dd if=big of=/dev/null bs=1M 2> /dev/null"],
  [
    "500 writes of 4 KiB",
    "for i in 7 3 9 1 5; do dd if=/dev/zero of=big bs=4k count=100 seek=$((i * 1000)) conv=notrunc 2> /dev/null; done",
  ],
];

/** Makes the archive that is unpacked, and drops what the kernel has read. */
const ARCHIVE =
  `mkdir -p /tmp/make && cd /tmp/make && for d in $(seq 10); do mkdir -p d$d; for f in $(seq ${Math.ceil(files / 10)}); ` +
  "do echo $d $f > d$d/f$f; done; done && tar -cf /tmp/tree.tar . && rm -rf /tmp/make";

try {
  await here.measure(["create", "--name", "box", "--cpus", "1", "--mem", "512", "-v", `${folder}:/shared`]);
  await here.measure(["start", "--name", "box"]);
  await inGuest(ARCHIVE);
  await onHost(ARCHIVE);
  const places: readonly (readonly [string, (script: string) => Promise<number>])[] = [
    ["volume", (script) => inGuest(`cd /shared && ${script}`)],
    ["guest's disk", (script) => inGuest(`cd /storage && ${script}`)],
    ["host", (script) => onHost(`cd ${folder} && ${script}`)],
  ];
  const base = await compare([{ name: "nothing", measure: () => inGuest("true") }], { rounds, warmUp: 1 });
  printComparison("machine exec of nothing: part of each figure of a guest", base, "nothing");
  for (const [name, script] of WORK) {
    const samples: Samples[] = await compare(
      places.map(([place, work]) => ({
        name: place,
        measure: async () => {
          if (script.includes("tree") && !script.includes("tar")) await prepare(work);
          return await work(script);
        },
      })),
      { rounds, warmUp: 0 },
    );
    printComparison(name, samples, "guest's disk");
  }
  console.log(`The file server has ${memoryOfServers()} MiB of memory.`);
} finally {
  await here.measure(["delete", "-f", "--name", "box"]).catch(() => {});
  rmSync(folder, { recursive: true, force: true });
  here.remove();
}

async function prepare(work: (script: string) => Promise<number>): Promise<void> {
  await work("[ -d tree ] || { mkdir tree && tar -xf /tmp/tree.tar -C tree; }");
}

async function inGuest(script: string): Promise<number> {
  const command = [program, "machine", "exec", "--name", "box", "--", "sh", "-c", script];
  return (await measureCommand(command, { env: here.env, seconds: 300 })).total;
}

async function onHost(script: string): Promise<number> {
  return (await measureCommand(["busybox", "sh", "-c", script], { seconds: 300 })).total;
}

/** Resident memory of the processes that serve folders, MiB. */
function memoryOfServers(): string {
  const found = readdirSync("/proc").flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes("__files")) return [];
      const [, kib = "0"] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
      return [(Number(kib) / 1024).toFixed(0)];
    } catch {
      return [];
    }
  });
  return found.join(", ");
}
