import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { writeErofs } from "../../build/erofs.ts";
import { EPOCH_SECONDS, run } from "../../build/host.ts";
import { writeTar } from "../../build/tar.ts";
import { assetPath } from "../../src/assets/index.ts";
import { qemuMachine } from "../../src/engine/qemu/arguments.ts";
import { findQemu } from "../../src/engine/qemu/binary.ts";
import { emulatedClockParameters } from "../../src/engine/qemu/clock.ts";

/**
 * The floor for the qemu engine: QEMU with the board, the kernel and the kernel parameters of smolvm's
 * guests, and nothing but a first process in C that prints a line. Returns the command.
 *
 * @param directory where its files are made
 */
export async function bareQemu(
  directory: string,
  resources: { cpus: number; memoryMib: number },
): Promise<string[]> {
  mkdirSync(directory, { recursive: true });
  const root = `${directory}/root.erofs`;
  rmSync(root, { force: true });
  const init = `${directory}/init`;
  await run(["cc", "-O2", "-static", "-s", "-o", init, `${import.meta.dir}/bare-init.c`]);
  const entries = [
    { path: "dev", mode: 0o755, uid: 0, gid: 0, content: { directory: true as const } },
    { path: "init", mode: 0o755, uid: 0, gid: 0, content: { file: readFileSync(init) } },
  ];
  await writeErofs(writeTar(entries, EPOCH_SECONDS), root);
  return await bareCommand(root, directory, resources);
}

/**
 * QEMU with the board and kernel of smolvm's guests, whose root is an EROFS with a program `/init`.
 *
 * @param directory where the kernel is unpacked
 * @param more arguments of QEMU's
 */
export async function bareCommand(
  root: string,
  directory: string,
  resources: { cpus: number; memoryMib: number },
  more: readonly string[] = [],
): Promise<string[]> {
  const [binary, machine] = [findQemu(process.env), qemuMachine()];
  if (binary === undefined || machine === undefined) throw new Error("this host has no QEMU");
  const parameters = [...machine.parameters, ...emulatedClockParameters()];
  return [
    binary.path,
    ...machine.machineArguments,
    ...["-m", `${resources.memoryMib}M`, "-smp", `${resources.cpus}`],
    ...["-kernel", await assetPath("kernel", `${directory}/cache`)],
    ...["-append", `${parameters.join(" ")} root=/dev/vda rootfstype=erofs ro init=/init`],
    ...["-blockdev", `driver=raw,node-name=root,read-only=on,file.driver=file,file.filename=${root}`],
    ...["-device", "virtio-blk-device,drive=root"],
    ...["-chardev", "stdio,id=console,signal=off", "-device", "virtconsole,chardev=console"],
    ...more,
  ];
}
