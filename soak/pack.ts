/**
 * Kills `pack create` with -9 at random moments, compressing smolvm for hosts that have none included; then starts twenty
 * packed programs for the first time at once, with a machine each.
 *
 *     ./dev soak pack [KILLS]
 *
 * After a kill there is no pack, or a whole one; nothing is left beside it; and the next one has the same bytes as ever.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { imageWith } from "../test/support/images.ts";
import { Machines } from "../test/support/machines.ts";
import { collect } from "../test/support/process.ts";
import { program } from "../test/support/program.ts";
import { countOr, say, soak } from "./support/options.ts";

const KILLS = countOr(40);
const AT_ONCE = 20;
/** On a busy machine the whole takes longer; a kill that comes too late counts as none. */
const LONGEST_MS = 12_000;

const home = new Machines();
const out = `${home.path}/packed`;
const env = { ...home.env, XDG_CACHE_HOME: `${home.path}/cache`, SOURCE_DATE_EPOCH: "1000000000" };
const wordsOf = (image: string) => ["pack", "create", "-q", "--image", image, "-o", `${out}/app`];

/** The digest of the pack; fails when there is half of one, or anything else. */
function digest(): string | undefined {
  const names = readdirSync(out).sort();
  if (names.some((name) => name !== "app" && name !== "app.smolmachine"))
    throw new Error(`left: ${names.join(", ")}`);
  if (!names.includes("app.smolmachine")) return undefined;
  return new Bun.CryptoHasher("sha256").update(readFileSync(`${out}/app.smolmachine`)).digest("hex");
}

async function create(words: readonly string[]): Promise<string> {
  const { exitCode, stderr } = await home.smolvm(words, { env, seconds: 300 });
  const made = digest();
  if (exitCode !== 0 || made === undefined) throw new Error(`pack create: ${exitCode}: ${stderr}`);
  return made;
}

/** @returns whether it came before the end */
async function kill(words: readonly string[], afterMs: number): Promise<boolean> {
  const child = Bun.spawn([program, ...words], { env, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  await Promise.race([Bun.sleep(afterMs), child.exited]);
  child.kill("SIGKILL");
  await child.exited;
  return child.signalCode === "SIGKILL";
}

async function killed(words: readonly string[], whole: string): Promise<void> {
  const packing = `${env.XDG_CACHE_HOME}/smolvm/packing`;
  let early = 0;
  for (let round = 0; round < KILLS; round++) {
    rmSync(out, { recursive: true });
    mkdirSync(out);
    // Half of them while smolvm is compressed, the others while the image is packed, which takes less.
    const compresses = round % 2 === 0;
    if (compresses) rmSync(packing, { recursive: true, force: true });
    if (await kill(words, Math.random() * (compresses ? LONGEST_MS : 400))) early++;
    const left = digest();
    if (left !== undefined && left !== whole) throw new Error("a killed pack create left another pack");
    const kept = readdirSync(packing, { withFileTypes: true }).map(({ name }) => name);
    if (kept.some((name) => !name.endsWith(".folded") && !name.endsWith(".zstd")))
      throw new Error(`left in the cache: ${kept.join(", ")}`);
  }
  if ((await create(words)) !== whole) throw new Error("the next pack has other bytes");
  say(`${early} of ${KILLS} kills came before the end: no pack or a whole one, the same bytes after all`);
}

async function startedAtOnce(): Promise<void> {
  const cache = `${home.path}/first`;
  const start = async () => {
    const child = Bun.spawn([`${out}/app`, "run", "-q", "--mem", "256", "--cpus", "1"], {
      ...{ env: { ...env, XDG_CACHE_HOME: cache }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    return await collect(child, "a first start", 600_000);
  };
  const begun = performance.now();
  const results = await Promise.all(Array.from({ length: AT_ONCE }, start));
  const wrong = results.find(({ output, exitCode }) => output !== "packed\n" || exitCode !== 0);
  if (wrong !== undefined) throw new Error(`a first start: ${JSON.stringify(wrong)}`);
  const programs = readdirSync(`${cache}/smolvm/programs`).filter((name) => name.length === 32);
  if (programs.length !== 1) throw new Error(`unpacked: ${programs.join(", ")}`);
  const seconds = Math.round((performance.now() - begun) / 1000);
  say(`${AT_ONCE} first starts at once took ${seconds} s, and unpacked smolvm once`);
}

await soak(async () => {
  try {
    mkdirSync(out);
    const words = wordsOf(await imageWith({ Entrypoint: ["/bin/echo"], Cmd: ["packed"] }));
    await killed(words, await create(words));
    await startedAtOnce();
  } finally {
    home.remove();
  }
});
