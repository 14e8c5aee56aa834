import { MountFlag, type Step, StepFlag } from "../../guest/index.ts";
import { beneath, type Places } from "./places.ts";
import type { RootDisks, WritableDisk } from "./types.ts";

/**
 * How the overlay joins the image (EROFS, below) and the overlay disk (ext4, above). All options are said, so
 * that a disk written under one kernel reads the same under the next, whatever that was configured with.
 *
 * - `redirect_dir=on`: a directory of the image can be renamed. The new place names the old one in an attribute.
 * - `metacopy=on`: chown and chmod of an image's file copy its inode, not its bytes.
 *
 *   Both attributes (`trusted.overlay.*`) are followed blindly, so a lower layer that carries them could show
 *   any file under any name, which is why the kernel's documentation warns of layers from strangers. Ours is
 *   an image of a stranger, but who writes it, the merge on the host, drops whatever an image says in that
 *   namespace, and through the overlay the kernel itself refuses or escapes such attributes. So they occur
 *   only in the upper layer, where overlayfs wrote them. They make that disk useless without the very image
 *   it was begun on; the machine holds that image anyway.
 * - `index=off`: the index ties the upper layer to the identity of the filesystem below (UUID and file
 *   handles). An image that was evicted and made again has the same files and another identity. The price is
 *   docker's: a hard link in the image is broken by writing to one of its names.
 * - `xino=off`: else inode numbers carry the layer in their upper bits, and programs of 32 bits fail to stat
 *   (EOVERFLOW).
 */
const overlayOptions = "redirect_dir=on,metacopy=on,index=off,xino=off";

/**
 * An ext4 that finds itself damaged does no more harm, and the next start checks it. What is free where is read when it
 * is asked for: reading all of it ahead takes a thread, and hundreds of reads while the workload starts.
 */
const DISK_OPTIONS = "errors=remount-ro,no_prefetch_block_bitmaps";

/**
 * The disk lasts: with its journal, and what is deleted goes back to the host (the devices of both engines punch holes
 * into the file). ext4 does that in the background, for the blocks of a whole transaction at once, after its commit.
 */
const LASTING_OPTIONS = `${DISK_OPTIONS},discard`;

/**
 * No journal, no waiting for the disk: nobody reads it again after a power cut. Saves the journal's start and each of
 * its writes, and flushes that would reach no disk anyway (VmSpec.ephemeral). And no discards, which without a journal
 * each deletion would wait for: the disk goes as a whole soon.
 */
const EPHEMERAL_OPTIONS = `${DISK_OPTIONS},noload,nobarrier`;

/** Mounts an ext4 of the machine; the host may have made its disk larger than the filesystem was. */
export function mountDisk({ device, grow }: WritableDisk, path: string, ephemeral: boolean): Step[] {
  const data = ephemeral ? EPHEMERAL_OPTIONS : LASTING_OPTIONS;
  const mount: Step = {
    kind: "mount",
    source: device,
    path,
    type: "ext4",
    data,
    flags: StepFlag.makeDirectory,
  };
  return grow ? [mount, { kind: "grow", path, source: device, flags: StepFlag.optional }] : [mount];
}

/** Mounts an image. @param source its device, or a file of the system's side */
export function mountImage(source: string, place: Places): Step {
  return {
    kind: "mount",
    source,
    path: place.image,
    type: "erofs",
    mountFlags: MountFlag.readOnly,
    flags: StepFlag.makeDirectory,
  };
}

/**
 * Joins the mounted image and what is changed of it at `place.root`.
 *
 * Beneath the image lies what every root has and many an image lacks: mount points, and the files that are mounted
 * over. So a start writes nothing to the overlay disk, whose first write would take as long as mounting it.
 *
 * @param changes a directory of an ext4
 * @param bare the image is the built-in one
 */
export function joinLayers(changes: string, place: Places, bare: boolean): Step[] {
  const upper = `${changes}/upper`;
  const work = `${changes}/work`;
  return [
    { kind: "mkdir", path: upper, mode: 0o755 },
    { kind: "mkdir", path: work, mode: 0o755 },
    {
      kind: "mount",
      source: "overlay",
      path: place.root,
      type: "overlay",
      data: `lowerdir=${place.image}:${bare ? beneath.base : beneath.image},upperdir=${upper},workdir=${work},${overlayOptions}`,
      flags: StepFlag.makeDirectory,
    },
  ];
}

/** Mounts a machine's image and overlay disk, and joins them. */
export function mountLayers(disks: RootDisks, place: Places, ephemeral: boolean, bare: boolean): Step[] {
  return [
    mountImage(disks.image, place),
    ...mountDisk(disks.overlay, place.overlay, ephemeral),
    ...joinLayers(place.overlay, place, bare),
  ];
}
