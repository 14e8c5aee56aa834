import { afterAll, afterEach, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setCloseOnExec } from "../../ffi/libc.ts";
import { assetPath } from "../assets/index.ts";
import { type LaunchOrder, startLauncher } from "../confine/index.ts";
import { heldMemory } from "../held-memory.fixture.ts";
import { launchVm } from "./launch.ts";
import type { LaunchOptions, RunningVm } from "./types.ts";

/** The VMM process becomes the program it is told to: here small ones that show what such a program has. */
const started: { pid: number; kill(): void }[] = [];
afterEach(() => {
  for (const { kill } of started.splice(0)) kill();
});

const cacheDir = mkdtempSync(`${tmpdir()}/smolvm-vmm-`);
afterAll(() => rmSync(cacheDir, { recursive: true }));
const launcher = await assetPath("launcher", cacheDir);

function launch(...command: [string, ...string[]]): RunningVm {
  return launchWith({}, ...command);
}

/** Limits and descriptors are there whatever is switched off; test/confinement has what the layers forbid. */
function launchWith(options: Omit<LaunchOptions, "confine">, ...command: [string, ...string[]]): RunningVm {
  const starter = {
    learn() {},
    start(_name: string, plan: () => LaunchOrder) {
      const order = plan();
      return Object.assign(startLauncher(launcher, order), { subjects: order.subjects });
    },
  };
  const confine = { starter, confinement: { mode: "off", host: null } } as const;
  const vm = launchVm({ engine: "qemu", command }, { ...options, confine }, () => ({
    ...{ profile: "qemu", command, environment: ["LC_ALL=C"], paths: [], sockets: [] },
    ...{ addressSpaceBytes: 2 ** 33, fileBytes: 2 ** 33, threads: 64 },
  }));
  started.push(vm);
  return vm;
}

function exists(pid: number): boolean {
  try {
    // A zombie whose parent is gone a moment later is gone as well.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function waitFor(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await Bun.sleep(5);
  }
}

/** Its process id is another one once the program is known. */
const becomes = (vm: RunningVm, name: string) =>
  waitFor(`the VM becomes ${name}`, () => {
    try {
      return readFileSync(`/proc/${vm.pid}/comm`, "utf8").trim() === name;
    } catch {
      return false;
    }
  });

test("tells how it ended, with the end of console and messages", async () => {
  const exit = await launch("/bin/sh", "-c", "echo console; echo message >&2; exit 7").exited;
  expect(exit).toEqual({ code: 7, signal: null, console: "console\nmessage", error: null });
});

test("kill ends it at once, also twice", async () => {
  const vm = launch("/bin/sleep", "1000");
  vm.kill();
  vm.kill();
  // By the warden, or before it is one.
  expect(await vm.exited).toMatchObject({ code: null, signal: expect.stringMatching(/^SIG(KILL|TERM)$/) });
  vm.kill();
});

test("a program that cannot be started is an error with its reason", async () => {
  const { error, code } = await launch("/nowhere/qemu").exited;
  expect(code).toBe(1);
  expect(error).toMatchObject({ code: "engine.vmm_failed" });
  expect(error?.message).toContain("/nowhere/qemu");
});

test("the VM's process has no privileges to gain, no core, nobody else's files and environment", async () => {
  const careless = openSync("/dev/null", "r");
  setCloseOnExec(careless, false);
  const vm = launch("/bin/sleep", "1000");
  await becomes(vm, "sleep");
  closeSync(careless);
  const status = readFileSync(`/proc/${vm.pid}/status`, "utf8");
  expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
  expect(status).toMatch(/^Umask:\s+0077$/m);
  for (const set of ["Inh", "Prm", "Eff", "Amb"]) expect(status).toMatch(RegExp(`^Cap${set}:\\s+0+$`, "m"));
  const limits = readFileSync(`/proc/${vm.pid}/limits`, "utf8");
  expect(limits).toMatch(/^Max core file size\s+0\s+0\s/m);
  expect(limits).toMatch(/^Max open files\s+1024\s+1024\s/m);
  expect(limits).toMatch(/^Max address space\s+8589934592\s+8589934592\s/m);
  expect(readdirSync(`/proc/${vm.pid}/fd`).sort()).toEqual(["0", "1", "2"]);
  expect(readFileSync(`/proc/${vm.pid}/environ`, "utf8")).toBe("LC_ALL=C\0");
  expect(readlinkSync(`/proc/${vm.pid}/cwd`)).toBe("/");
  // Field 6 of stat is the session: an interrupt typed at our terminal does not reach it.
  expect(readFileSync(`/proc/${vm.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3]).not.toBe(
    String(process.pid),
  );
});

test("kill -9 of the parent ends the VM, at any moment of its start", async () => {
  const script = `
    const { planLaunch, startLauncher } = await import("${import.meta.dir}/../confine/index.ts");
    const order = planLaunch(
      {
        profile: "qemu", command: ["/bin/sleep", "1000"], environment: [], paths: [], sockets: [],
        addressSpaceBytes: 2 ** 33, fileBytes: 2 ** 33, threads: 64,
      },
      { mode: "off", host: null },
    );
    const vmm = startLauncher("${launcher}", order);
    console.log(vmm.childPid);
    await vmm.program.then((pid) => console.log(pid));
    await Bun.sleep(100_000);`;
  for (const delay of [0, 1, 2, 5, 10, 20, 40, 80, 150]) {
    const parent = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    const first = await parent.stdout.getReader().read();
    // The second line may have come with the first.
    const pid = Number.parseInt(new TextDecoder().decode(first.value), 10);
    expect(pid).toBeGreaterThan(1);
    await Bun.sleep(delay);
    parent.kill("SIGKILL");
    await waitFor(`VMM ${pid} ends ${delay} ms after it was started`, () => !exists(pid));
  }
});

test("output without end neither stops the VM nor fills our memory", async () => {
  const before = heldMemory();
  const megabytes = 300;
  let bytes = 0;
  const held: number[] = [];
  const count = (chunk: Uint8Array) => {
    const look = Math.floor(bytes / 20e6) !== Math.floor((bytes + chunk.length) / 20e6);
    bytes += chunk.length;
    if (look) held.push(heldMemory() - before);
  };
  const command = `head -c ${megabytes}000000 /dev/zero | tr '\\0' x; echo; echo end; yes | head -c 50000000 >&2`;
  const vm = launchWith({ consoleLog: count }, "/bin/sh", "-c", command);
  const exit = await vm.exited;
  expect(exit.code).toBe(0);
  expect(bytes).toBe(megabytes * 1_000_000 + "\nend\n".length);
  expect(exit.console.length).toBeLessThan(20_000);
  expect(exit.console).toContain("end");
  // Fewer than none when other tests' garbage goes meanwhile.
  expect(held.length).toBeGreaterThan(10);
  expect(Math.max(...held)).toBeLessThan(50 * 1024 * 1024);
}, 60_000);

test("a process that starts one VM after another keeps no descriptor of those that have ended", async () => {
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const once = () => launch("/bin/sh", "-c", "echo console; echo message >&2").exited;
  await once();
  // What Bun needs to watch processes at all is open now.
  const count = descriptors();
  for (let round = 0; round < 5; round++) expect(await once()).toMatchObject({ code: 0 });
  await waitFor(`no more than ${count} descriptors`, () => descriptors() <= count);
});
