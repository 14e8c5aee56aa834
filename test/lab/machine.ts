import { closeSync, readFileSync, writeFileSync } from "node:fs";
import { run } from "../../build/host.ts";
import { emulatedClockParameters } from "../../src/engine/qemu/clock.ts";
import { labParts, makeExt4 } from "./parts.ts";
import { withScratch } from "./scratch.ts";

export interface LabOptions {
  /** Copied to /project inside; what is written there is thrown away. */
  readonly directory: string;
  /** Runs as root in /project, without input. */
  readonly command: readonly string[];
  readonly memoryMib?: number | undefined;
  readonly cpus?: number | undefined;
  /** The machine is ended after this many seconds. */
  readonly limitSeconds?: number | undefined;
  readonly onStdout?: ((bytes: Uint8Array) => void) | undefined;
  readonly onStderr?: ((bytes: Uint8Array) => void) | undefined;
}

export interface LabResult {
  /** The command's exit code; 124 when it ran past the limit. */
  readonly exitCode: number;
  /** What the machine's kernel and init printed. */
  readonly console: string;
}

export const LIMIT_EXIT_CODE = 124;

/** Room on the project's disk beside the copy. */
const SPARE_MIB = 2048;

/** Large enough for the kernel to look for a partition table without complaint. */
const DISK_UNIT = 64 * 1024;

/**
 * Boots Linux under QEMU's emulation of an AMD processor with hardware virtualization, so that KVM inside it runs real
 * guests, and runs one command there.
 *
 * @throws Error when the machine could not be started or ended without reporting an exit code.
 */
export async function runLab(options: LabOptions): Promise<LabResult> {
  const parts = await labParts();
  return await withScratch(async (work) => {
    const size = Number((await run(["du", "-sm", options.directory])).split("\t")[0]);
    await makeExt4(options.directory, `${work}/project.ext4`, Math.ceil(size * 1.1) + SPARE_MIB);
    writeFileSync(`${work}/command`, commandDisk(options.command));
    return await boot(parts, work, options);
  });
}

/** A shell script whose one command is followed by line ends up to the end of the disk. */
function commandDisk(command: readonly string[]): Buffer {
  const script = Buffer.from(
    `${command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ")}\nexit\n`,
  );
  return Buffer.concat([script, Buffer.alloc(DISK_UNIT - (script.length % DISK_UNIT), "\n")]);
}

async function boot(
  parts: Awaited<ReturnType<typeof labParts>>,
  work: string,
  options: LabOptions,
): Promise<LabResult> {
  // However this process ends, the machine ends with it.
  const leash = ["setpriv", "--pdeathsig", "KILL"];
  const child = Bun.spawn([...leash, ...parts.qemu.command, ...qemuArguments(parts, work, options)], {
    // QEMU's scratch file for writes to the root disk goes below TMPDIR.
    env: { ...process.env, ...parts.qemu.env, TMPDIR: work },
    stdio: ["ignore", "ignore", "pipe", "socket-fd", "socket-fd", "socket-fd"],
  });
  let late = false;
  const timer = setTimeout(
    () => {
      late = true;
      child.kill("SIGKILL");
    },
    (options.limitSeconds ?? 300) * 1000,
  );
  let code = "";
  try {
    const [, , , complaint] = await Promise.all([
      receive(child.stdio[3], options.onStdout),
      receive(child.stdio[4], options.onStderr),
      receive(child.stdio[5], (bytes) => {
        code += Buffer.from(bytes).toString();
      }),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    const console = readFileSync(`${work}/console`, "utf8");
    if (late) return { exitCode: LIMIT_EXIT_CODE, console };
    if (/^\d+\n$/.test(code)) return { exitCode: Number(code), console };
    throw new Error(`the lab's machine ended without a result: ${complaint}${console.slice(-2000)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads one of the machine's serial ports to its end. */
async function receive(fd: unknown, onData: ((bytes: Uint8Array) => void) | undefined): Promise<void> {
  if (typeof fd !== "number") throw new Error("no descriptor for a serial port");
  try {
    for await (const bytes of Bun.file(fd).stream()) onData?.(bytes);
  } finally {
    closeSync(fd);
  }
}

/**
 * The clock parameters are not for speed alone: a kernel that measures its time stamp counter on a busy host
 * gets it wrong, its timer then interrupts so often that KVM's guests in the lab never get to their next
 * instruction.
 */
function kernelParameters(): string[] {
  const clock = emulatedClockParameters();
  return ["reboot=t", "panic=-1", "root=/dev/vda", "rw", "init=/lab-init", "console=hvc0", "quiet", ...clock];
}

function qemuArguments(parts: { kernel: string; root: string }, work: string, options: LabOptions): string[] {
  const disk = (id: string, file: string, more: string) => [
    ...["-drive", `id=${id},file=${file},format=raw,if=none,cache=unsafe,${more}`],
    ...["-device", `virtio-blk-device,drive=${id}`],
  ];
  const port = (number: number) => [
    ...["-chardev", `socket,id=port${number},fd=${number + 2}`],
    ...["-device", `virtserialport,nr=${number},chardev=port${number}`],
  ];
  return [
    ...["-M", "microvm,rtc=on,acpi=off,auto-kernel-cmdline=on,isa-serial=off,x-option-roms=off"],
    ...["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,+svm"],
    ...["-m", String(options.memoryMib ?? 3072), "-smp", String(options.cpus ?? 2)],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-kernel", parts.kernel],
    ...["-append", kernelParameters().join(" ")],
    // A microvm's first device is the last on its bus, so the disks come in the order in which they are named.
    ...disk("root", parts.root, "snapshot=on"),
    ...disk("project", `${work}/project.ext4`, "readonly=off"),
    ...disk("command", `${work}/command`, "readonly=on"),
    ...["-device", "virtio-rng-device"],
    ...["-device", "virtio-serial-device"],
    ...["-chardev", `file,id=console,path=${work}/console`, "-device", "virtconsole,nr=0,chardev=console"],
    ...[1, 2, 3].flatMap(port),
  ];
}
