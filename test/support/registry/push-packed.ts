import { statSync } from "node:fs";
import { hostArchitecture } from "../../image/layout.ts";
import { types } from "./handmade.ts";
import type { Server } from "./server.ts";
import { tool } from "./tool.ts";

/**
 * Pushes an image of packed archives as they are, by the distribution specification ("Push"); crane calls every layer
 * gzip, and skopeo would have to unpack them. @returns its reference
 */
export async function pushPacked(
  server: Pick<Server, "host" | "url">,
  archives: readonly string[],
  kind: "gzip" | "zstd",
  name: string,
): Promise<string> {
  const [repository = "", tag = ""] = name.split(":");
  const put = async (body: Blob | string, digest: string) => {
    const upload = await fetch(`${server.url}/v2/${repository}/blobs/uploads/`, { method: "POST" });
    const place = new URL(upload.headers.get("location") ?? "", server.url);
    place.searchParams.set("digest", digest);
    await expectCreated(
      fetch(place, { method: "PUT", body, headers: { "content-type": "application/octet-stream" } }),
    );
  };
  const layers: object[] = [];
  const diffIds: string[] = [];
  for (const path of archives) {
    const digest = await sum(`sha256sum < "$1"`, path);
    diffIds.push(await sum(`${kind} -dc "$1" | sha256sum`, path));
    await put(Bun.file(path), digest);
    layers.push({ mediaType: `${types.layer}+${kind}`, digest, size: statSync(path).size });
  }
  const rootfs = { type: "layers", diff_ids: diffIds };
  const text = JSON.stringify({ architecture: hostArchitecture, os: "linux", config: {}, rootfs });
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
  await put(text, digest);
  const config = { mediaType: types.config, digest, size: text.length };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: types.manifest, config, layers });
  const headers = { "content-type": types.manifest };
  await expectCreated(
    fetch(`${server.url}/v2/${repository}/manifests/${tag}`, { method: "PUT", body: manifest, headers }),
  );
  return `${server.host}/${name}`;
}

async function sum(script: string, path: string): Promise<string> {
  return `sha256:${(await tool(["sh", "-ec", script, "sh", path])).slice(0, 64)}`;
}

async function expectCreated(request: Promise<Response>): Promise<void> {
  const response = await request;
  if (response.status !== 201) throw new Error(`push: ${response.status} ${await response.text()}`);
}
