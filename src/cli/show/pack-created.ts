import type { Manifest } from "../../pack/index.ts";

/** What `pack create` made. */
export interface CreatedPack {
  /** The file with the pack. */
  readonly path: string;
  /** The program that runs it: the same file when it has the pack in it; undefined for hosts of another architecture. */
  readonly program: string | undefined;
  /** Of the pack. */
  readonly bytes: number;
  /** Of both files. */
  readonly totalBytes: number;
  readonly digest: string;
  readonly manifest: Manifest;
  /** Platforms that it carries smolvm for, each with the program for hosts of it, where there is one. */
  readonly hosts: readonly { readonly platform: string; readonly program: string | undefined }[];
}

/** For people. */
export function describeCreated(created: CreatedPack): string {
  const { path, program, bytes, totalBytes, digest, hosts } = created;
  const assets = `Assets: ${path} (${kilobytes(bytes)} compressed)`;
  const sizes = `stub: ${kilobytes(totalBytes - bytes)}, total: ${kilobytes(totalBytes)}`;
  const lines = [
    ...(program === undefined ? [] : [`Packed: ${program} (${sizes})`]),
    program === path ? "Mode: single-file (no sidecar)" : assets,
    ...hosts.flatMap(({ platform, program: other }) =>
      other === undefined || other === program ? [] : [`For ${platform}: ${other}`],
    ),
    `Checksum: ${digest.slice("sha256:".length, "sha256:".length + 8)}`,
    `Run it: ${program ?? `smolvm pack run --sidecar ${path}`}`,
  ];
  return `${lines.join("\n")}\n`;
}

const kilobytes = (bytes: number) => `${Math.ceil(bytes / 1024)}KB`;

/** For programs; `pack inspect --json` calls the same things by the same names. */
export const createdJson = ({ path, program, bytes, totalBytes, digest, manifest, hosts }: CreatedPack) => ({
  path,
  program: program ?? null,
  image: manifest.image,
  platform: manifest.platform,
  layer_digest: digest,
  layer_size: bytes,
  total_bytes: totalBytes,
  hosts: hosts.map(({ platform, program: own = null }) => ({ platform, program: own })),
});
