/** Where things are on an ext4 (Documentation/filesystems/ext4: super.rst, group_descr.rst, blockgroup.rst). */
import { damaged, unsupported } from "./failure.ts";

const MAGIC = 0xef53;

/** Features without which a reader would misunderstand what it reads (`s_feature_incompat`). */
const Incompatible = {
  fileType: 0x2,
  needsRecovery: 0x4,
  metaGroups: 0x10,
  extents: 0x40,
  wide: 0x80,
  flexGroups: 0x200,
  checksumSeed: 0x2000,
} as const;

/** Those that the reader knows; what our templates and Linux set. */
const known = Object.values(Incompatible).reduce((sum, flag) => sum | flag, 0);

export interface Geometry {
  /** Bytes of a block. */
  readonly block: number;
  readonly blocks: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly blocksPerGroup: number;
  readonly firstBlock: number;
  readonly descriptorBytes: number;
  /** The first group of descriptors that lies in the groups themselves; undefined: none does. */
  readonly firstMetaGroup: number | undefined;
  /** It was in use when its machine ended: a part of it is only in its journal. */
  readonly unclean: boolean;
}

/** @param bytes the superblock: 1,024 bytes from byte 1,024 on. @throws SmolError `disk.damaged` */
export function readGeometry(bytes: Buffer): Geometry {
  if (bytes.length < 1024 || bytes.readUInt16LE(56) !== MAGIC) throw damaged("it has no superblock");
  const incompatible = bytes.readUInt32LE(96);
  if ((incompatible & ~known) !== 0 || (incompatible & Incompatible.extents) === 0)
    throw unsupported(`0x${incompatible.toString(16)}`);
  const block = 1024 * 2 ** bytes.readUInt32LE(24);
  const wide = (incompatible & Incompatible.wide) !== 0;
  const geometry: Geometry = {
    block,
    blocks: bytes.readUInt32LE(4) + (wide ? bytes.readUInt32LE(336) * 2 ** 32 : 0),
    inodes: bytes.readUInt32LE(0),
    inodesPerGroup: bytes.readUInt32LE(40),
    inodeBytes: bytes.readUInt16LE(88),
    blocksPerGroup: bytes.readUInt32LE(32),
    firstBlock: bytes.readUInt32LE(20),
    descriptorBytes: wide ? bytes.readUInt16LE(254) : 32,
    firstMetaGroup: (incompatible & Incompatible.metaGroups) === 0 ? undefined : bytes.readUInt32LE(260),
    unclean: (incompatible & Incompatible.needsRecovery) !== 0,
  };
  const { inodeBytes, descriptorBytes } = geometry;
  const sizesFit =
    block <= 65_536 &&
    isPowerOfTwo(inodeBytes) &&
    inodeBytes >= 128 &&
    inodeBytes <= block &&
    isPowerOfTwo(descriptorBytes) &&
    descriptorBytes >= 32 &&
    descriptorBytes <= 1024;
  if (!sizesFit || geometry.inodesPerGroup === 0 || geometry.blocksPerGroup === 0 || geometry.blocks === 0)
    throw damaged("its superblock makes no sense");
  return geometry;
}

const isPowerOfTwo = (value: number) => value > 0 && (value & (value - 1)) === 0;

/** Byte where the descriptor of a group is. */
export function descriptorPlace(geometry: Geometry, group: number): number {
  const { block, descriptorBytes, firstBlock, blocksPerGroup, firstMetaGroup } = geometry;
  const perBlock = block / descriptorBytes;
  const metaGroup = Math.floor(group / perBlock);
  const inside = (group % perBlock) * descriptorBytes;
  if (firstMetaGroup === undefined || metaGroup < firstMetaGroup)
    return (firstBlock + 1 + metaGroup) * block + inside;
  const first = metaGroup * perBlock;
  return (firstBlock + first * blocksPerGroup + (hasSuperblock(first) ? 1 : 0)) * block + inside;
}

/** `sparse_super`: copies of the superblock are in groups 0 and 1, and in powers of 3, 5 and 7. */
function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
