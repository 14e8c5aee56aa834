/**
 * Full disks: of the guest, and of the host, on a filesystem that only this program and its children see.
 *
 *     ./dev soak full [ROUNDS]
 *
 * Nothing hangs, what was flushed before stays, and what is wrong is said; with room again the machine goes on.
 */
import { appendFileSync, rmSync, statfsSync } from "node:fs";
import { Machines } from "../test/support/machines.ts";
import { fsckComplaints } from "./support/host.ts";
import { countOr, say, soak } from "./support/options.ts";

const ROUNDS = countOr(5);
const INSIDE = "SMOLVM_SOAK_INSIDE";
const HOST_MIB = 160;
const MIB = 1024 * 1024;

const home = new Machines();

/** `must` what is said on stderr of a command that fails; it is our own words. */
async function refused(words: readonly string[], must: RegExp): Promise<void> {
  const { exitCode, stderr } = await home.machine(words);
  if (exitCode === 0 || !must.test(stderr) || /internal error/.test(stderr))
    throw new Error(`${words.join(" ")}: ${exitCode}: ${stderr}`);
}

async function inGuest(script: string): Promise<string> {
  const { output, stderr } = await home.machine(["exec", "box", "--", "sh", "-c", script], { seconds: 120 });
  return `${output}${stderr}`;
}

async function expectInGuest(script: string, expected: string | RegExp): Promise<void> {
  const output = await inGuest(script);
  if (typeof expected === "string" ? output !== expected : !expected.test(output))
    throw new Error(`${script}: ${JSON.stringify(output)}, not ${expected}`);
}

function expectCleanDisks(): void {
  for (const disk of ["overlay", "storage"]) {
    const complaint = fsckComplaints(`${home.directoryOf("box")}/data/${disk}.ext4`);
    if (complaint !== undefined) throw new Error(complaint);
  }
}

const KEPT = "echo kept > /var/kept; echo kept > /storage/kept; sync";
const READ_KEPT = "cat /var/kept /storage/kept";

async function makeBox(...words: string[]): Promise<void> {
  await home.create("box", "--overlay", "1", "--storage", "1", ...words);
  await home.ok("start", "box");
  await inGuest(KEPT);
}

/** @param place which of the guest's disks */
async function guestFull(place: string, end: "stop" | "power cut"): Promise<void> {
  await makeBox();
  // Random: zeros would take no room on the host, and a file of them none of the journal's interest.
  await expectInGuest(
    `head -c 30000000 /dev/urandom > ${place}/noise; cat /dev/zero > ${place}/fill; sync; df ${place || "/"} | tail -n 1`,
    / 100% /,
  );
  await expectInGuest(`echo more > ${place}/more`, /No space left/);
  await expectInGuest("echo works", "works\n");
  if (end === "stop") await home.ok("stop", "box");
  else await home.powerCut("box");
  await home.ok("start", "box");
  await expectInGuest(READ_KEPT, "kept\nkept\n");
  await expectInGuest(
    `cmp -n 10 ${place}/noise ${place}/noise && rm ${place}/fill && echo again > ${place}/more && cat ${place}/more`,
    "again\n",
  );
  await home.ok("stop", "box");
  expectCleanDisks();
  await home.ok("delete", "-f", "box");
  say(`guest's ${place || "/"} full, then ${end}: goes on`);
}

const ballast = `${home.path}/data/ballast`;

/** Leaves so many bytes of the host's disk. */
function leave(bytes: number): void {
  const { bavail, bsize } = statfsSync(`${home.path}/data`);
  appendFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
}

async function hostFull(round: number): Promise<void> {
  const mib = [0, 1, 4, 9, 17][round % 5] as number;
  await makeBox();
  await home.ok("create", "cold");
  const { cpus } = await home.state("cold");
  leave(mib * MIB);
  const start = performance.now();
  const said = await inGuest(
    "dd if=/dev/urandom of=/var/big bs=64k count=1000 conv=fsync 2>&1; echo code $?; sync",
  );
  if (/code 0/.test(said) && !/I\/O error/.test(said)) throw new Error(`with ${mib} MiB left: ${said}`);
  const took = Math.round((performance.now() - start) / 1000);
  leave(0);
  await home.ok("ls");
  await home.ok("status", "box");
  await refused(["create", "new"], /No space|no space/);
  await refused(["update", "cold", "--cpus", `${(cpus ?? 0) + 1}`], /No space|no space/);
  if ((await home.state("cold")).cpus !== cpus) throw new Error("its record has changed");
  await home.ok("stop", "box");
  await refused(["clone", "box", "copy"], /No space|no space/);
  const full = await home.machine(["start", "box"], { seconds: 120 });
  if (/internal error/.test(full.stderr)) throw new Error(full.stderr);
  await home.ok("stop", "box");
  rmSync(ballast);
  const { stderr } = await home.machine(["start", "box"], { seconds: 120 });
  await expectInGuest(READ_KEPT, "kept\nkept\n");
  await expectInGuest("rm -f /var/big; echo again > /var/more; sync; cat /var/more", "again\n");
  await home.ok("stop", "box");
  expectCleanDisks();
  await home.ok("delete", "-f", "box", "cold");
  say(
    `host full after ${mib} MiB (noticed in ${took} s; start on the full disk: ${full.exitCode}): goes on; ${stderr.trim()}`,
  );
}

await soak(async () => {
  try {
    if (process.env[INSIDE] === undefined) {
      for (const place of ["", "/storage"])
        for (const end of ["stop", "power cut"] as const) await guestFull(place, end);
      const { exitCode } = Bun.spawnSync(
        ["unshare", "-rm", "--propagation", "private", process.execPath, import.meta.path, `${ROUNDS}`],
        { env: { ...process.env, [INSIDE]: "1" }, stdout: "inherit", stderr: "inherit" },
      );
      if (exitCode !== 0) throw new Error("with a full host it failed");
    } else {
      const options = ["-t", "tmpfs", "-o", `size=${HOST_MIB}m,mode=700`];
      await home.shell(`mkdir -p data && mount ${options.join(" ")} none data`);
      for (let round = 0; round < ROUNDS; round++) await hostFull(round);
    }
    await home.deleteAll();
  } finally {
    Bun.spawnSync(["umount", "-l", `${home.path}/data`]);
    home.remove();
  }
});
