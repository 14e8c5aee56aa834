/**
 * The descriptor that joins the files of an image into one disk ("Virtual Disk Format 5.0", VMware 2011, "The
 * Descriptor File"; the parts that QEMU's vmdk driver and libkrun's imago read alike). Extents are named
 * relative to the descriptor, so that the cache can be moved. QEMU takes only extents that are called
 * writable; that nothing writes to them is said where the disk is opened. There must be no empty line: QEMU
 * takes it for the line behind it, and would put an extent there twice.
 */
import { layerFile } from "./layer-files.ts";
import type { StoredImage } from "./stored-image.ts";

const SECTOR = 512;
const BLOCK = 4096;

/** A part of an image's disk: bytes of a file of the cache. */
export interface Extent {
  /** Below the directory of images. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** What the disk of an image is made of: block 0 of the metadata, the data of each layer, the rest of the metadata. */
export function extentsOf(image: Pick<StoredImage, "id" | "layers" | "metadataBytes">): Extent[] {
  const metadata = `${image.id.replace(/^sha256:/, "")}.erofs`;
  const extents = [{ file: metadata, offset: 0, bytes: BLOCK }];
  const seen = new Set<string>();
  for (const { diffId, bytes } of image.layers) {
    if (!seen.has(diffId) && bytes > 0) extents.push({ file: layerFile(diffId, "data"), offset: 0, bytes });
    seen.add(diffId);
  }
  const rest = image.metadataBytes - BLOCK;
  if (rest > 0) extents.push({ file: metadata, offset: BLOCK, bytes: rest });
  return extents;
}

export function describeDisk(image: Pick<StoredImage, "id" | "layers" | "metadataBytes">): string {
  const hex = image.id.replace(/^sha256:/, "");
  const extents = extentsOf(image).map(describeExtent);
  return `# Disk DescriptorFile
version=1
CID=${hex.slice(0, 8)}
parentCID=ffffffff
createType="twoGbMaxExtentFlat"
${extents.join("\n")}
ddb.adapterType = "ide"
ddb.geometry.sectors = "63"
ddb.geometry.heads = "16"
ddb.geometry.cylinders = "1"
`;
}

const describeExtent = ({ file, offset, bytes }: Extent) =>
  `RW ${bytes / SECTOR} FLAT "${file}" ${offset / SECTOR}`;
