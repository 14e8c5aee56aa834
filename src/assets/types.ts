/** What the executable carries. Each asset is embedded as a file of its own, so only what is needed is unpacked. */
export type AssetName =
  | "kernel"
  | "libkrun"
  | "launcher"
  | "krun"
  | "threads"
  | "memory"
  | "system"
  | "base"
  | "overlay"
  | "storage"
  | "small"
  | "stub";

/** An embedded asset: one zstd frame with its data, and how to check and place it. */
export interface PackedAsset {
  /** Where the compressed data is: below `/$bunfs/` in the compiled program, a plain path otherwise. */
  readonly file: string;
  /** Bytes of `file`. */
  readonly packedSize: number;
  /** Whether the data in the frame is folded (fold.ts). */
  readonly folded?: boolean | undefined;
  /** Bytes of the unpacked file, holes included. */
  readonly size: number;
  /** SHA-256 of the data inside `file`, as it is unpacked, in hex; it names the directory of the unpacked file. */
  readonly sha256: string;
  /**
   * Set for a sparse file: pairs of offset and length in bytes, ascending; the data is these pieces one after the
   * other, and everything between them is a hole. Without it the data is the whole file.
   */
  readonly extents?: readonly number[] | undefined;
}

/** A part of the shipped program that others made. */
export interface Component {
  readonly name: string;
  readonly version: string;
  /** Where it comes from: a registry and package, or a distribution and source package. */
  readonly source: string;
  /** An SPDX expression, or the file in the licence bundle that tells. */
  readonly licence: string;
  /** SHA-256 of what was taken in, in hex, where it is one file. */
  readonly sha256?: string | undefined;
  /** Which part of the program contains it. */
  readonly part: AssetName | "program";
}

/** How a build describes itself; `manifest.json` in `dist/` and in the program. */
export interface Manifest {
  readonly version: string;
  /** Changes whenever anything in the program changes. */
  readonly buildId: string;
  readonly platform: string;
  /** Assets that this build lacks, and why. */
  readonly absent: Partial<Record<AssetName, string>>;
  readonly components: readonly Component[];
}

/** The image configuration of the base image (the fields of OCI image-spec 1.1 `config` that it sets). */
export interface BaseImageConfig {
  readonly env: readonly string[];
  readonly workdir: string;
  readonly volumes: readonly string[];
  readonly stopSignal: string | undefined;
}

/** Everything that the build puts into the program beside its code. */
export interface Embedded {
  readonly buildId: string;
  readonly assets: Partial<Record<AssetName, PackedAsset>>;
  readonly absent: Partial<Record<AssetName, string>>;
  /** Path of `manifest.json`, see `Manifest`. */
  readonly manifest: string;
  /** Path of the zstd-compressed licence texts. */
  readonly licences: string;
}
