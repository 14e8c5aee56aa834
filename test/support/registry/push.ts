import { hostArchitecture } from "../../image/layout.ts";
import { crane, craneProgram } from "./crane.ts";
import type { Server } from "./server.ts";
import { tool } from "./tool.ts";

/** How the other tools put images into a registry. */

export interface PushOptions {
  /** Layers are compressed like this on the way. */
  readonly compression?: "gzip" | "zstd" | undefined;
  /** Documents as docker writes them, or as OCI says; default: as they are. */
  readonly format?: "oci" | "v2s2" | undefined;
  /** `name:password`. */
  readonly credentials?: string | undefined;
  /** A file with the authority of the registry's certificate; without it, plain http. */
  readonly authority?: string | undefined;
}

/** Pushes the image `test` of an OCI layout by skopeo. @returns its reference */
export async function pushLayout(
  server: Pick<Server, "host">,
  layout: string,
  name: string,
  options: PushOptions = {},
): Promise<string> {
  return await copyTo(server, `oci:${layout}:test`, name, options);
}

/** Copies an image from anywhere by skopeo. @param source as skopeo names images @returns its reference */
export async function copyTo(
  server: Pick<Server, "host">,
  source: string,
  name: string,
  { compression, format, credentials, authority }: PushOptions = {},
): Promise<string> {
  if (Bun.which("skopeo") === null) throw new Error("this test needs skopeo: apt install skopeo");
  const words = [
    ...(compression === undefined ? [] : ["--dest-compress", "--dest-compress-format", compression]),
    ...(format === undefined ? [] : ["--format", format]),
    ...(credentials === undefined ? [] : ["--dest-creds", credentials]),
    ...(authority === undefined ? ["--dest-tls-verify=false"] : []),
  ];
  const reference = `${server.host}/${name}`;
  const trust = authority === undefined ? {} : { SSL_CERT_FILE: authority };
  await tool(["skopeo", "copy", "--quiet", ...words, source, `docker://${reference}`], trust);
  return reference;
}

/** Pushes an image for the host's platform whose layers are these archives by crane. @returns its reference */
export async function pushArchives(
  server: Pick<Server, "host">,
  archives: readonly string[],
  name: string,
  { estargz = false }: { estargz?: boolean } = {},
): Promise<string> {
  const reference = `${server.host}/${name}`;
  const words = ["append", "--oci-empty-base", "-t", reference, ...archives.flatMap((path) => ["-f", path])];
  await tool([craneProgram(), ...words], { GGCR_EXPERIMENT_ESTARGZ: estargz ? "1" : "0" });
  await crane("mutate", "--set-platform", `linux/${hostArchitecture}`, "-t", reference, reference);
  return reference;
}

/** Makes an index of images by crane. @returns its reference */
export async function pushIndex(
  server: Pick<Server, "host">,
  references: readonly string[],
  name: string,
): Promise<string> {
  const reference = `${server.host}/${name}`;
  const members = references.flatMap((one) => ["-m", one]);
  await tool([craneProgram(), "index", "append", ...members, "-t", reference]);
  return reference;
}
