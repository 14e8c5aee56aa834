/**
 * What the SDK promises, as a program: it runs in Bun and in Node (local.test.ts bundles it), says how each case went as a
 * line of JSON, and ends with 0 when all went well.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import {
  CommandFailedError,
  ExecError,
  FileError,
  InvalidConfigError,
  InvalidStateError,
  Machine,
  MachineExistsError,
  MachineNotFoundError,
  OperationTimeoutError,
  runOnce,
  Smolvm,
  SmolvmError,
  version,
} from "../../sdk/src/index.ts";
import { buildCases } from "./build-cases.ts";
import { rejects, SMALL } from "./cases.ts";
import { lifeCases } from "./life-cases.ts";
import { processCases } from "./process-cases.ts";
import { refusals } from "./refusals.ts";

type Case = (machine: Machine) => Promise<void>;

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Each gets one machine that all share, and leaves it running. */
const cases: Record<string, Case> = {
  ...refusals,
  ...processCases,
  "a command's output, exit code and words on stderr": async (machine) => {
    const result = await machine.run("uname -s; echo no >&2; exit 3");
    assert.equal(result.output, "Linux");
    assert.equal(result.stderr, "no\n");
    assert.equal(result.exitCode, 3);
    assert.equal(result.ok, false);
    await rejects(machine.exec(["false"], { check: true }), CommandFailedError, "sdk.command_failed");
    assert.equal((await machine.exec(["sh", "-c", "kill -9 $$"])).signal, "SIGKILL");
    assert.deepEqual((await machine.exec(["echo", '{"a":1}'])).json(), { a: 1 });
  },
  "standard input, variables, directory, user": async (machine) => {
    assert.equal((await machine.exec(["cat"], { stdin: "héllo" })).stdout, "héllo");
    const where = { env: { GREETING: "hi there", NOTHING: undefined }, workdir: "/var", user: "nobody" };
    assert.equal(
      (await machine.run('echo "$GREETING $PWD $(id -un)"', where)).output,
      "hi there /var nobody",
    );
    await rejects(machine.exec(["true"], { env: { "1X": "" } }), InvalidConfigError);
    await rejects(machine.exec([]), InvalidConfigError);
  },
  "values in a script are single words": async (machine) => {
    const nasty = 'it\'s $HOME; `id` "x"\n*';
    assert.equal((await machine.sh`printf %s ${nasty}`).stdout, nasty);
    assert.equal((await machine.sh`printf '<%s>' ${["a b", "c"]}`).stdout, "<a b><c>");
    const elsewhere = machine.sh({ workdir: "/var", env: { A: "1" } });
    assert.equal((await elsewhere`echo "$PWD $A" ${nasty}`).stdout, `/var 1 ${nasty}\n`);
    const signal = AbortSignal.abort(new RangeError("no"));
    await rejects(machine.sh({ signal })`true`, RangeError);
  },
  "a program that is not there": async (machine) => {
    await rejects(machine.exec(["no-such-program"]), ExecError, "exec.not_found");
  },
  "a time limit kills the command and keeps what it has printed": async (machine) => {
    const slow = machine.exec(["sh", "-c", "echo early; sleep 1000 & wait"], { timeoutMs: 4000 });
    const error = await slow.then(
      () => assert.fail(),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof OperationTimeoutError && error instanceof SmolvmError);
    assert.equal(error.partial?.stdout, "early\n");
    assert.equal((await machine.run("ps | grep -c '[s]leep 1000'")).output, "0");
  },
  "an aborted command rejects with the signal's reason, and is gone": async (machine) => {
    const abort = new AbortController();
    const reason = new Error("enough");
    const running = machine.exec(["sh", "-c", "echo begun; sleep 2000"], {
      signal: abort.signal,
      onStdout: () => abort.abort(reason),
    });
    assert.equal(
      await running.then(
        () => undefined,
        (thrown: unknown) => thrown,
      ),
      reason,
    );
    assert.equal((await machine.run("ps | grep -c '[s]leep 2000'")).output, "0");
  },
  "more output than is kept is said to be more": async (machine) => {
    const { stdoutBytes, truncated } = await machine.exec(["head", "-c", "300000", "/dev/zero"], {
      maxOutputBytes: 100_000,
    });
    assert.equal(stdoutBytes.length, 100_000);
    assert.equal(truncated, true);
  },
  "files of any size, and what is known of them": async (machine) => {
    const { fs } = machine;
    for (const size of [0, 1, 1024 * 1024 + 1, 16 * 1024 * 1024 + 1]) {
      const bytes = randomBytes(size);
      await fs.writeFile("/root/data/file", bytes, { mkdir: true, mode: 0o640 });
      assert.equal(sha256(await fs.readFile("/root/data/file")), sha256(bytes));
    }
    const stat = await fs.stat("/root/data/file");
    assert.deepEqual([stat.type, stat.size, stat.mode, stat.uid], ["file", 16 * 1024 * 1024 + 1, 0o640, 0]);
    await rejects(fs.readFile("/root/data/file", { maxBytes: 1000 }), FileError, "copy.limit");
    await fs.writeFile("/root/data/odd\nname 'x'", "t");
    await fs.mkdir("/root/data/a/b", { recursive: true });
    await machine.exec(["ln", "-s", "/nowhere", "/root/data/link"]);
    const listed = (await fs.readdir("/root/data")).map(({ path, type }) => [path, type]);
    assert.deepEqual(listed, [
      ["/root/data/a", "directory"],
      ["/root/data/file", "file"],
      ["/root/data/link", "symlink"],
      ["/root/data/odd\nname 'x'", "file"],
    ]);
    await fs.rename("/root/data/odd\nname 'x'", "/root/data/a/t");
    await fs.chmod("/root/data/a/t", 0o600);
    assert.equal(await fs.readFile("/root/data/a/t", "utf8"), "t");
    assert.equal((await fs.stat("/root/data/a/t")).mode, 0o600);
    await fs.rm("/root/data", { recursive: true });
    assert.equal(await fs.exists("/root/data"), false);
    await rejects(fs.readFile("/root/data/file"), FileError, "copy.not_found");
    await rejects(fs.stat("/root/data/file"), FileError, "copy.not_found");
  },
  "a file whose content breaks off does not appear": async (machine) => {
    async function* broken() {
      yield randomBytes(100_000);
      throw new RangeError("torn");
    }
    await rejects(machine.fs.writeFile("/root/torn", broken()), RangeError);
    assert.equal(await machine.fs.exists("/root/torn"), false);
  },
  "folders of the host in and out": async (machine) => {
    const place = mkdtempSync(`${tmpdir()}/sdk-`);
    try {
      writeFileSync(`${place}/one`, "1");
      await machine.copyIn(place, "/root/in");
      assert.equal((await machine.exec(["cat", "/root/in/one"])).output, "1");
      await machine.copyOut("/root/in", `${place}/out`);
      assert.equal(readFileSync(`${place}/out/one`, "utf8"), "1");
      await machine.run("head -c 3000000 /dev/zero > /root/large");
      await rejects(
        machine.copyOut("/root/large", `${place}/large`, { maxBytes: 1000 }),
        FileError,
        "copy.limit",
      );
      assert.deepEqual(readdirSync(place).sort(), ["one", "out"]);
    } finally {
      rmSync(place, { recursive: true });
    }
  },
  "a port of the host, while it runs": async (machine) => {
    const { url, host } = await machine.expose(8000);
    assert.equal(url, `http://127.0.0.1:${host}`);
    // The host's port is there, and nothing in the machine.
    await rejects(machine.waitForPort(8000, { timeoutMs: 1000 }), OperationTimeoutError, "sdk.timeout");
    const server = await machine.spawn(["nc", "-lk", "-p", "8000", "-e", "sleep", "60"]);
    await machine.waitForPort(8000, { timeoutMs: 60_000 });
    assert.equal(new URL(machine.url(8000, "/x")).pathname, "/x");
    await machine.unexpose(8000);
    assert.throws(() => machine.url(8000), { code: "sdk.no_port" });
    // Another program can have it now.
    await new Promise<void>((resolve, reject) => {
      const taken = createServer().once("error", reject);
      taken.listen(host, "127.0.0.1", () => taken.close(() => resolve()));
    });
    await server[Symbol.asyncDispose]();
  },
  "variables: of the handle while it runs, of the machine once it has been stopped": async (machine) => {
    await machine.env.set({ COLOUR: "blue" });
    assert.equal((await machine.run("echo $COLOUR")).output, "blue");
    assert.equal((await machine.env.list()).COLOUR, "blue");
    await machine.stop();
    assert.equal(machine.status, "stopped");
    assert.equal((await Machine.inspect(machine.name)).env.COLOUR, "blue");
    assert.equal(await machine.start(), machine);
    assert.equal((await machine.run("echo $COLOUR")).output, "blue");
    assert.deepEqual(await machine.env.unset(["COLOUR", "NONE"]), { COLOUR: "blue" });
  },
  "what is known of it, by others too": async (machine) => {
    const { name } = machine;
    assert.ok((await Machine.list({ status: "running" })).some((info) => info.name === name));
    assert.ok((await Machine.list({ labels: { suite: "yes" } })).some((info) => info.name === name));
    assert.deepEqual(await Machine.list({ labels: { suite: "no" } }), []);
    const same = await Machine.connect(name);
    assert.equal(same.owned, false);
    assert.equal((await same.exec(["hostname"])).output, (await machine.exec(["hostname"])).output);
    await same.close();
    await same.close();
    await rejects(same.exec(["true"]), InvalidStateError, "sdk.closed");
    assert.equal(await machine.ip(), "127.0.0.1");
    await rejects(Machine.create({ name, ...SMALL }), MachineExistsError, "machine.exists");
    await rejects(Machine.getOrCreate(name, { cpus: 2 }), MachineExistsError, "machine.differs");
    await rejects(Machine.connect("nobody"), MachineNotFoundError, "machine.not_found");
  },
  "what it uses, what it has, and that it is as one waits for it to be": async (machine) => {
    const { memoryBytes, availableBytes, processes } = await machine.stats();
    assert.ok(memoryBytes > 0 && availableBytes > 0 && processes >= 1);
    assert.equal(await machine.waitUntil("running", { timeoutMs: 60_000 }), machine);
    await rejects(machine.waitUntil("healthy"), SmolvmError, "machine.no_health");
    await rejects(machine.waitUntil("stopped", { timeoutMs: 50 }), OperationTimeoutError, "sdk.timeout");
    assert.deepEqual(machine.info.networkPolicy, { allowHosts: [], allowCidrs: [], presets: [] });
    assert.deepEqual(machine.info.mounts, []);
    // Each call has its limits, those too that rarely take long.
    const late = { signal: AbortSignal.abort(new RangeError("late")) };
    for (const call of [
      machine.dataDir(late),
      machine.detach(late),
      machine.stats(late),
      new Smolvm().checkHost(late),
      Machine.list(late),
    ])
      await rejects(call, RangeError);
  },
  "hooks see each command, and can keep it from running": async (machine) => {
    const seen: string[] = [];
    const hooked = await Machine.connect(machine.name, {
      hooks: {
        beforeExec: ({ command }) => {
          if (command.includes("forbidden")) throw new Error("no");
        },
        afterExec: ({ command }, { exitCode }) => void seen.push(`${command[0]} ${exitCode}`),
        execError: ({ command }) => void seen.push(`${command[0]} failed`),
      },
    });
    await hooked.exec(["true"]);
    await rejects(hooked.exec(["no-such-program"]), ExecError);
    await rejects(hooked.exec(["echo", "forbidden"]), SmolvmError, "sdk.blocked");
    assert.deepEqual(seen, ["true 0", "no-such-program failed"]);
  },
  "a hundred commands, ten at a time, leave nothing open": async (machine) => {
    const descriptors = () => readdirSync("/proc/self/fd").length;
    await machine.exec(["true"]);
    const before = descriptors();
    for (let round = 0; round < 10; round++) {
      const outputs = await Promise.all(
        Array.from({ length: 10 }, (_, n) => machine.exec(["echo", String(n)])),
      );
      assert.deepEqual(
        outputs.map(({ output }) => Number(output)),
        [...outputs.keys()],
      );
    }
    assert.ok(descriptors() <= before + 1, `${descriptors()} descriptors, ${before} before`);
  },
};

/** These make their own. */
const alone: Record<string, () => Promise<void>> = {
  "made and started in two steps; deleted, it is gone": async () => {
    const machine = await Machine.create({ ...SMALL, start: false, env: { A: "1" } });
    assert.equal(machine.status, "created");
    await rejects(machine.exec(["true"]), InvalidStateError, "machine.not_running");
    assert.equal(await machine.start(), machine);
    assert.equal((await machine.run("echo $A")).output, "1");
    await machine.delete();
    await machine.delete();
    await rejects(Machine.inspect(machine.name), MachineNotFoundError);
  },
  "what is wrong with a description is told with the field": async () => {
    const create = (options: object) => Machine.create({ ...SMALL, ...options });
    await rejects(create({ cpus: 0 }), InvalidConfigError, "sdk.bad_request");
    await rejects(create({ name: "no/slash" }), InvalidConfigError);
    // A server says nothing about paths that it does not show.
    const isServer = process.env.SMOLVM_URL !== undefined;
    const codes = isServer ? ["sdk.bad_request"] : ["volume.no_source", "image.no_such_file"];
    await rejects(create({ mounts: ["/nowhere/at/all:/x"] }), SmolvmError, codes[0]);
    await rejects(create({ image: "/nowhere/at/all.tar" }), SmolvmError, codes.at(-1));
  },
  "a handle's end: made, it is deleted; connected, it is stopped; an error of the block is the error":
    async () => {
      const made = await Machine.create(SMALL);
      const connected = await Machine.connect(made.name);
      await connected[Symbol.asyncDispose]();
      assert.equal((await made.refresh()).status, "stopped");
      await made.start();
      await made[Symbol.asyncDispose]();
      await made[Symbol.asyncDispose]();
      await rejects(Machine.inspect(made.name), MachineNotFoundError);
    },
  "of two that make one name, one wins": async () => {
    const name = `race-${process.pid}`;
    const clients = [new Smolvm(), new Smolvm()];
    const made = await Promise.allSettled(
      clients.map((client) => client.create({ ...SMALL, name, start: false })),
    );
    const refused = made.flatMap((one) => (one.status === "rejected" ? [one.reason as SmolvmError] : []));
    assert.deepEqual(
      refused.map(({ code }) => code),
      ["machine.exists"],
    );
    await Promise.all(clients.map((client) => client.close()));
    await rejects(Machine.inspect(name), MachineNotFoundError);
  },
  "a secret reaches commands, and no record": async () => {
    process.env.SUITE_SECRET = "s3cr3t-canary";
    await using client = new Smolvm();
    const machine = await client.create({ ...SMALL, secrets: { TOKEN: { fromEnv: "SUITE_SECRET" } } });
    assert.equal((await machine.run("echo $TOKEN")).output, "s3cr3t-canary");
    assert.ok(!JSON.stringify(machine.info).includes("canary"));
    const own = await machine.run("echo $OTHER", { secrets: { OTHER: { fromEnv: "SUITE_SECRET" } } });
    assert.equal(own.output, "s3cr3t-canary");
  },
  "one command in a machine of its own": async () => {
    const before = (await Machine.list()).length;
    const { output } = await runOnce(["sh", "-c", "echo $A"], { ...SMALL, env: { A: "once" } });
    assert.equal(output, "once");
    assert.equal((await Machine.list()).length, before);
  },
  "an aborted start leaves nothing": async () => {
    const abort = new AbortController();
    const reason = new Error("changed my mind");
    const name = `aborted-${process.pid}`;
    const creating = Machine.create({
      ...SMALL,
      name,
      signal: abort.signal,
      onProgress: (event) => event.type === "boot" && abort.abort(reason),
    });
    assert.equal(
      await creating.then(
        () => undefined,
        (thrown: unknown) => thrown,
      ),
      reason,
    );
    await rejects(Machine.inspect(name), MachineNotFoundError);
  },
  ...buildCases,
  ...lifeCases,
  "a program that is not there, or is another": async () => {
    await rejects(new Smolvm({ bin: "/nowhere/smolvm" }).list(), SmolvmError, "sdk.no_program");
    await rejects(new Smolvm({ bin: "/bin/false" }).list(), SmolvmError, "sdk.child_failed");
    const host = await new Smolvm({ bin: "/nowhere/smolvm" }).checkHost();
    assert.equal(host.ok, false);
  },
  "its version": async () => {
    assert.match(version, /^\d+\.\d+\.\d+/);
  },
};

/** What a server does not do for its clients: it refuses each with `sdk.unsupported` (serve.test.ts). */
const ownHostOnly: ReadonlySet<string> = new Set(["a secret reaches commands, and no record"]);

async function main(): Promise<void> {
  let failed = false;
  const run = async (name: string, work: () => Promise<void>) => {
    let failure: string | undefined;
    try {
      await work();
    } catch (error) {
      failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
      failed = true;
    }
    console.log(JSON.stringify({ name, failure }));
  };
  for (const [name, work] of Object.entries(alone))
    if (!(ownHostOnly.has(name) && process.env.SMOLVM_URL)) await run(name, work);
  const machine = await Machine.create({ ...SMALL, network: { allowCidrs: [] }, labels: { suite: "yes" } });
  for (const [name, work] of Object.entries(cases)) await run(name, () => work(machine));
  await machine.delete();
  process.exitCode = failed ? 1 : 0;
}

// Nothing is closed: a program that has nothing left to do ends.
void main();
