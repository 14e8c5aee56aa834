import { mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { readDynamic } from "../../build/elf.ts";
import { writeErofs } from "../../build/erofs.ts";
import { EPOCH_SECONDS, multiarch, run } from "../../build/host.ts";
import { type TarEntry, writeTar } from "../../build/tar.ts";
import { kernel } from "../../recipes/kernel/kernel.ts";

/**
 * The floor for the qemu engine: QEMU with the kernel of smolvm's guests, whose init starts a Bun program that prints
 * a line. Returns the command.
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
  await writeErofs(writeTar(await rootEntries(directory), EPOCH_SECONDS), root);
  return [
    "qemu-system-x86_64",
    ...["-M", "microvm,rtc=on,acpi=off,auto-kernel-cmdline=on,isa-serial=off,x-option-roms=off"],
    ...[
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      "max",
      "-m",
      `${resources.memoryMib}`,
      "-smp",
      `${resources.cpus}`,
    ],
    ...["-global", "virtio-mmio.force-legacy=false"],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-kernel", `${await kernel("full")}/kernel`],
    ...["-append", "reboot=t panic=-1 root=/dev/vda rootfstype=erofs ro init=/init console=hvc0 quiet"],
    ...[
      "-drive",
      `id=root,file=${root},format=raw,if=none,readonly=on`,
      "-device",
      "virtio-blk-device,drive=root",
    ],
    ...["-device", "virtio-serial-device", "-chardev", "stdio,id=out,signal=off"],
    ...["-device", "virtconsole,chardev=out"],
  ];
}

async function rootEntries(directory: string): Promise<TarEntry[]> {
  const init = `${directory}/init`;
  await run(["cc", "-O2", "-static", "-s", "-o", init, `${import.meta.dir}/bare-init.c`]);
  const source = `${directory}/hello.ts`;
  writeFileSync(source, 'console.log("hello");\n');
  const hello = `${directory}/hello`;
  await run([process.execPath, "build", "--compile", "--bytecode", "--minify", source, "--outfile", hello]);
  const program = readFileSync(hello);
  const { interpreter, needed } = readDynamic(program);
  if (interpreter === undefined) throw new Error("a compiled Bun program has no interpreter");
  const libraries = needed.map((name) => `/lib/${multiarch()}/${name}`);
  const files = [interpreter, ...libraries.filter((path) => !path.endsWith(interpreter.replace(/.*\//, "")))];
  const entry = (path: string, content: TarEntry["content"]): TarEntry => ({
    path,
    uid: 0,
    gid: 0,
    mode: 0o755,
    content,
  });
  const folders = ["dev", "lib", `lib/${multiarch()}`, "lib64", "proc", "tmp"];
  return [
    ...folders.map((path) => entry(path, { directory: true })),
    ...files.map((path) => entry(path.slice(1), { file: readFileSync(realpathSync(path)) })),
    entry("hello", { file: program }),
    entry("init", { file: readFileSync(init) }),
  ];
}
