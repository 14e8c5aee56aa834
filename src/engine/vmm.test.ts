import { afterEach, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setCloseOnExec } from "../../ffi/libc.ts";
import { heldMemory } from "../held-memory.fixture.ts";
import { launchVm } from "./launch.ts";
import type { RunningVm } from "./types.ts";
import { prepareVmm } from "./vmm-handle.ts";

/** The VMM process becomes the program it is told to: here small ones that show what such a program has. */
const started: { pid: number; kill(): void }[] = [];
afterEach(() => {
  for (const { kill } of started.splice(0)) kill();
});

function launch(...command: [string, ...string[]]): RunningVm {
  const vm = launchVm({ engine: "qemu", command }, {});
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

const becomes = (pid: number, name: string) =>
  waitFor(`process ${pid} becomes ${name}`, () => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name);

test("tells how it ended, with the end of console and messages", async () => {
  const exit = await launch("/bin/sh", "-c", "echo console; echo message >&2; exit 7").exited;
  expect(exit).toEqual({ code: 7, signal: null, console: "console\nmessage", error: null });
});

test("kill ends it at once, also twice", async () => {
  const vm = launch("/bin/sleep", "1000");
  vm.kill();
  vm.kill();
  expect(await vm.exited).toMatchObject({ code: null, signal: "SIGKILL" });
  vm.kill();
});

test("a program that cannot be started is an error with its reason", async () => {
  const { error, code } = await launch("/nowhere/qemu").exited;
  expect(code).toBe(1);
  expect(error).toMatchObject({ code: "engine.vmm_failed" });
  expect(error?.message).toContain("ENOENT");
});

test("the VM's process has no privileges to gain, no core, nobody else's files and environment", async () => {
  const careless = openSync("/dev/null", "r");
  setCloseOnExec(careless, false);
  const vm = launch("/bin/sleep", "1000");
  await becomes(vm.pid, "sleep");
  closeSync(careless);
  const status = readFileSync(`/proc/${vm.pid}/status`, "utf8");
  expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
  expect(status).toMatch(/^Umask:\s+0077$/m);
  expect(readFileSync(`/proc/${vm.pid}/limits`, "utf8")).toMatch(/^Max core file size\s+0\s+0\s/m);
  expect(readdirSync(`/proc/${vm.pid}/fd`).sort()).toEqual(["0", "1", "2"]);
  expect(readFileSync(`/proc/${vm.pid}/environ`, "utf8")).toBe("LC_ALL=C\0");
  expect(readlinkSync(`/proc/${vm.pid}/cwd`)).toBe("/");
  // Field 6 of stat is the session: an interrupt typed at our terminal does not reach it.
  expect(readFileSync(`/proc/${vm.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3]).toBe(String(vm.pid));
});

test("a VMM process that was prepared and never used ends on kill", async () => {
  const vmm = prepareVmm();
  expect(exists(vmm.pid)).toBe(true);
  vmm.kill();
  expect(await vmm.exited).toEqual({ code: null, signal: "SIGKILL" });
});

test("an order to a VMM process that has ended is the end of a VM, not of this process", async () => {
  const vmm = prepareVmm();
  vmm.kill();
  await vmm.exited;
  const vm = launchVm({ engine: "qemu", command: ["/bin/true"] }, { vmm });
  expect(await vm.exited).toEqual({ code: null, signal: "SIGKILL", console: "", error: null });
});

test("a VMM process runs one VM", () => {
  const vmm = prepareVmm();
  started.push(vmm, launchVm({ engine: "qemu", command: ["/bin/true"] }, { vmm }));
  expect(() => launchVm({ engine: "qemu", command: ["/bin/true"] }, { vmm })).toThrow("one VM only");
});

test("kill -9 of the parent ends the VM, at any moment of its start", async () => {
  const script = `
    const { launchVm } = await import("${import.meta.dir}/launch.ts");
    const { prepareVmm } = await import("${import.meta.dir}/vmm-handle.ts");
    const vmm = prepareVmm();
    console.log(vmm.pid);
    launchVm({ engine: "qemu", command: ["/bin/sleep", "1000"] }, { vmm });
    await Bun.sleep(100_000);`;
  for (const delay of [0, 1, 2, 5, 10, 20, 40, 80, 150]) {
    const parent = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    const first = await parent.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(first.value));
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
  const vm = launchVm({ engine: "qemu", command: ["/bin/sh", "-c", command] }, { consoleLog: count });
  started.push(vm);
  const exit = await vm.exited;
  expect(exit.code).toBe(0);
  expect(bytes).toBe(megabytes * 1_000_000 + "\nend\n".length);
  expect(exit.console.length).toBeLessThan(20_000);
  expect(exit.console).toContain("end");
  // Fewer than none when other tests' garbage goes meanwhile.
  expect(held.length).toBeGreaterThan(10);
  expect(Math.max(...held)).toBeLessThan(50 * 1024 * 1024);
});

test("a process that starts one VM after another keeps no descriptor of those that have ended", async () => {
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const once = () => launch("/bin/sh", "-c", "echo console; echo message >&2").exited;
  await once();
  // What Bun needs to watch processes at all is open now.
  const count = descriptors();
  for (let round = 0; round < 5; round++) expect(await once()).toMatchObject({ code: 0 });
  await waitFor(`no more than ${count} descriptors`, () => descriptors() <= count);
});
