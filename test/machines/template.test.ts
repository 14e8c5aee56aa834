import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { Home } from "../support/home.ts";
import { until } from "../support/process.ts";

/** Saved guests, from which machines on qemu go on instead of booting: docs/design/boot.md. */

// Makers let everybody else go first, and VMs are emulated.
setDefaultTimeout(600_000);

/** What a maker may take. */
const MAKER_SECONDS = 180;

const home = new Home();
home.env.SMOLVM_ENGINE = "qemu";
home.env.SMOLVM_TEMPLATES = "auto";
// Nobody else's templates.
home.env.XDG_CACHE_HOME = `${home.path}/cache`;
const templates = `${home.path}/cache/smolvm/templates`;
const RUN = ["machine", "run", "-q", "--cpus", "2", "--mem", "512", "--net"];
const REQUIRED = { SMOLVM_TEMPLATES: "require" };

afterAll(() => home.remove());

const files = () => (existsSync(templates) ? readdirSync(templates).sort() : []);
const kinds = () => files().map((name) => name.replace(/^.*\./, ""));
const makers = () => home.roles("__template");

/** `until`, of what a maker does; says what there is when that does not come. */
async function untilMaker(what: string, check: () => boolean): Promise<void> {
  await until(what, check, MAKER_SECONDS).catch((error) => {
    const processes = home.processes().map(({ pid, command }) => `${pid} ${command.slice(0, 100)}`);
    throw new Error(`${error.message}; there is: ${[...files(), ...processes].join(", ")}`);
  });
}

/** What a script prints in a machine with a card, and whether that went on from a saved guest. */
async function run(script: string, env: Record<string, string> = {}) {
  const { output, stderr, exitCode } = await home.smolvm([...RUN, "--timings", "--", "sh", "-c", script], {
    env,
  });
  if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${stderr}`);
  return { lines: output.trimEnd().split("\n"), goesOn: stderr.includes("went on from a saved guest") };
}

async function ok(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { output, stderr, exitCode } = await home.smolvm(args, { env });
  if (exitCode !== 0) throw new Error(`${args.join(" ")}: exit ${exitCode}: ${stderr}`);
  return output;
}

/** What somebody at a port of this host says first. */
async function hear(port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  await Bun.connect({
    ...{ hostname: "127.0.0.1", port },
    socket: { data: (_, bytes) => resolve(Buffer.from(bytes).toString()), close: () => resolve("") },
  });
  return promise;
}

describe("a start without a template", () => {
  const SIZE = ["--cpus", "2", "--mem", "512", "--net"];

  test("of a machine that ends soon has none made that outlives it", async () => {
    expect((await run("echo booted")).goesOn).toBe(false);
    expect(home.processes()).toEqual([]);
    await ok(["machine", "create", "box", ...SIZE]);
    await ok(["machine", "start", "box"]);
    await untilMaker("the maker's VM", () => existsSync(`${templates}/making/memory`));
    // On a quiet host it would be done before the machine has ended.
    const working = makers();
    for (const pid of working) process.kill(pid, "SIGSTOP");
    await ok(["machine", "stop", "--name", "box"]);
    for (const pid of working) process.kill(pid, "SIGCONT");
    await until("its processes to end", () => home.processes().length === 0, 3);
    expect(kinds()).toEqual(["lock", "making"]);
  });

  test("of a machine that lives has one made beside it", async () => {
    await ok(["machine", "start", "box"]);
    await untilMaker("the template", () => kinds().includes("json"));
    await untilMaker("the maker to end", () => makers().length === 0);
    await ok(["machine", "delete", "-f", "box"]);
    expect((await run("echo", REQUIRED)).goesOn).toBe(true);
    await ok(["images", "prune", "--all"]);
    expect(kinds()).toEqual(["lock"]);
  });

  test("has one made when the user is eager: a maker that is killed leaves no VM and no template", async () => {
    home.env.SMOLVM_TEMPLATES = "eager";
    expect((await run("echo booted")).goesOn).toBe(false);
    await untilMaker("the maker's VM", () => existsSync(`${templates}/making/memory`));
    for (const pid of makers()) process.kill(pid, "SIGKILL");
    await until("its processes to end", () => home.processes().length === 0);
    expect(kinds()).toEqual(["lock", "making"]);
  });

  test("of two machines at once has one template made, and nothing else is left", async () => {
    const both = await Promise.all([run("echo booted"), run("echo booted")]);
    expect(both.map(({ goesOn }) => goesOn)).toEqual([false, false]);
    await untilMaker("the makers to end", () => makers().length === 0);
    expect(kinds()).toEqual(["devices", "memory", "json", "lock"]);
    home.env.SMOLVM_TEMPLATES = "off";
    const { templates: report } = JSON.parse(await ok(["doctor", "--json"]));
    expect(report).toMatchObject({ count: 1, failures: [] });
    expect(report.bytes).toBeGreaterThan(20_000_000);
  });
});

describe("a machine that goes on from a saved guest", () => {
  test("has random numbers, a boot id, a name, the time and the size of its own", async () => {
    const script = [
      "head -c 16 /dev/urandom | od -An -tx1",
      "cat /proc/sys/kernel/random/boot_id",
      "hostname",
      "date +%s",
      "nproc",
      "awk '/MemTotal/ {print $2}' /proc/meminfo",
    ].join("; ");
    const both = await Promise.all([run(script, REQUIRED), run(script, REQUIRED)]);
    expect(both.map(({ goesOn }) => goesOn)).toEqual([true, true]);
    for (const line of [0, 1, 2]) expect(both[0]?.lines[line]).not.toBe(both[1]?.lines[line]);
    for (const { lines } of both) {
      expect(Math.abs(Number(lines[3]) - Date.now() / 1000)).toBeLessThan(60);
      expect(lines[4]).toBe("2");
      expect(Number(lines[5])).toBeGreaterThan(400_000);
      expect(Number(lines[5])).toBeLessThan(512 * 1024);
    }
    expect((await run("true", { SMOLVM_TEMPLATES: "off" })).goesOn).toBe(false);
  });

  test("keeps its files, reaches its folders and ports, and takes commands", async () => {
    const folder = `${home.path}/folder`;
    mkdirSync(folder);
    writeFileSync(`${folder}/in`, "from the host");
    const created = ["--cpus", "2", "--mem", "512", "-p", "127.0.0.1:0:80", "-v", `${folder}:/folder`];
    const command = ["--", "sh", "-c", "nc -lk -p 80 -e cat /root/kept"];
    await ok(["machine", "create", "box", ...created, ...command]);
    await ok(["machine", "start", "box"], REQUIRED);
    const exec = (script: string) => ok(["machine", "exec", "--name", "box", "--", "sh", "-c", script]);
    expect(await exec("cat /folder/in; echo kept > /root/kept; echo out > /folder/out; sync")).toBe(
      "from the host",
    );
    expect(readFileSync(`${folder}/out`, "utf8")).toBe("out\n");
    await ok(["machine", "stop", "--name", "box"]);
    await ok(["machine", "start", "box"], REQUIRED);
    const { published } = JSON.parse(await ok(["machine", "status", "--name", "box", "--json"]));
    await until("the server to listen", async () => (await hear(published[0].host_port)) === "kept\n");
    expect(await exec("cat /root/kept; cat /sys/class/net/eth0/operstate")).toBe("kept\nup\n");
    await ok(["machine", "delete", "-f", "box"]);
  });
});

describe("a template that is not as it was made", () => {
  test("is not used: whoever insists on one is told so", async () => {
    const memory = `${templates}/${files().find((name) => name.endsWith(".memory"))}`;
    chmodSync(memory, 0o600);
    truncateSync(memory, 100 * 1024 * 1024);
    const { exitCode, stderr } = await home.smolvm([...RUN, "--", "true"], { env: REQUIRED });
    expect(exitCode).toBe(125);
    expect(stderr).toContain("cannot go on from a saved guest: there is none yet");
  });

  test("and that QEMU refuses is thrown away, the machine boots, and doctor says why none is made", async () => {
    // As if it were whole.
    const name = files().find((file) => file.endsWith(".json")) ?? "";
    const entry = JSON.parse(readFileSync(`${templates}/${name}`, "utf8"));
    const stem = `${templates}/${name.replace(".json", "")}-${entry.mark}`;
    const { dev, ino, size, mtimeNs } = statSync(`${stem}.memory`, { bigint: true });
    const devices = Buffer.from("no devices at all");
    chmodSync(`${stem}.devices`, 0o600);
    writeFileSync(`${stem}.devices`, devices);
    const damaged = {
      ...entry,
      memory: `${dev} ${ino} ${size} ${mtimeNs}`,
      devices: createHash("sha256").update(devices).digest("hex"),
    };
    writeFileSync(`${templates}/${name}`, JSON.stringify(damaged));
    const { goesOn, lines } = await run("echo booted", { SMOLVM_TEMPLATES: "eager" });
    expect({ goesOn, lines }).toEqual({ goesOn: false, lines: ["booted"] });
    expect(makers()).toEqual([]);
    expect(kinds()).toEqual(["failed", "lock"]);
    expect(await ok(["doctor"])).toMatch(/not made +\S/);
    await ok(["images", "prune", "--all"]);
    expect(kinds()).toEqual(["lock"]);
  });

  test("leaves nothing of the machines", () => home.expectNothingLeft());
});
