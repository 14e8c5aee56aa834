import type { Manifest, Pack } from "../../pack/index.ts";
import type { RemotePack } from "../../pack/registry/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { oneLine } from "../output.ts";

/** What a pack says about itself, a line for each; texts of strangers without control characters. */
export function describePack({ manifest, signers, digest, bytes, sections }: Pack): string {
  const runtimes = sections.filter(({ kind }) => kind === "runtime").map(({ name }) => name);
  return describeLines([
    ...describeManifest(manifest),
    ["Size", formatBytes(bytes)],
    ["Runtimes", runtimes.join(" ")],
    ["Signed by", signers.join(" ")],
    ["Checksum", checksumOf(digest)],
  ]);
}

/** The same of one in a registry, of which only its manifest was looked at. */
export function describeRemotePack({ manifest, digest, layerBytes }: RemotePack, reference: string): string {
  return describeLines([
    ["Reference", reference],
    ...describeManifest(manifest),
    ["Size", formatBytes(layerBytes)],
    ["Manifest", digest],
  ]);
}

type Line = [name: string, text: string | undefined];

function describeManifest(manifest: Manifest): Line[] {
  const words = (list: readonly string[]) => list.map((word) => JSON.stringify(word)).join(" ");
  return [
    ["Mode", manifest.mode],
    ["Image", manifest.image ?? undefined],
    ["Digest", manifest.digest ?? undefined],
    ["Platform", manifest.platform],
    ["Host", manifest.host_platform],
    ["CPUs", manifest.cpus === null ? "default" : String(manifest.cpus)],
    ["Memory", `${manifest.mem ?? DEFAULT_MIB} MiB`],
    ["Network", describeNetwork(manifest.network)],
    ["Entrypoint", words(manifest.entrypoint)],
    ["Cmd", words(manifest.cmd)],
    ["Workdir", manifest.workdir],
    ["User", manifest.user],
    ...manifest.env.map((entry): Line => ["Env", entry]),
    ["Created", manifest.created],
    ["Version", manifest.smolvm_version],
  ];
}

function describeLines(rows: readonly Line[]): string {
  const shown = rows.flatMap(([name, text]) => (text ? [`${`${name}:`.padEnd(12)}${oneLine(text)}`] : []));
  return `${shown.join("\n")}\n`;
}

/** The machine's default; the manifest leaves it to where the pack runs. */
const DEFAULT_MIB = 8192;

const checksumOf = (digest: string): string => digest.slice("sha256:".length, "sha256:".length + 8);

function describeNetwork(network: Manifest["network"]): string {
  if (network === null || network.egress === "none") return "none";
  if (network.egress === "all") return "all";
  const { allow_hosts, allow_cidrs, allow_presets } = network;
  return ["only", ...allow_presets, ...allow_hosts, ...allow_cidrs].join(" ");
}

/** For `pack inspect --json`. */
export function packJson({ manifest, digest, bytes, signers }: Pack): Record<string, unknown> {
  return { ...manifest, layer_digest: digest, layer_size: bytes, signers };
}

/** The same of one in a registry: `digest` is of what its name leads to there. */
export function remotePackJson({ manifest, digest, layerDigest, layerBytes }: RemotePack, reference: string) {
  return {
    ...manifest,
    layer_digest: layerDigest,
    layer_size: layerBytes,
    reference,
    manifest_digest: digest,
  };
}

interface DebugValues {
  readonly cpus: number | undefined;
  readonly memory: number | undefined;
}

/** For `pack run --debug`. */
export function debugPack({ manifest }: Pack, { cpus, memory }: DebugValues): string {
  const given = cpus ?? manifest.cpus ?? "default";
  const mem = memory ?? manifest.mem ?? DEFAULT_MIB;
  return `debug: resources cpus=${given} mem=${mem} net=${manifest.network !== null} gpu=false`;
}
