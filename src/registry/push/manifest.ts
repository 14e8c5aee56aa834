import { SmolError } from "../../errors.ts";
import type { Session } from "../session/index.ts";
import type { Manifest } from "../types.ts";
import { pushRefusal } from "./refusal.ts";

/**
 * Gives a manifest or an index a name (OCI distribution specification, "Pushing Manifests"). Everything that it names
 * has to be there.
 *
 * @throws Transient, SmolError
 */
export async function putManifest(
  session: Session,
  tagOrDigest: string,
  { bytes, mediaType, digest }: Manifest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const answer = await session.send({
    path: `manifests/${tagOrDigest}`,
    method: "PUT",
    headers: { "Content-Type": mediaType },
    body: new Uint8Array(bytes),
    signal,
  });
  if (![200, 201, 202, 204].includes(answer.status)) {
    throw await pushRefusal(answer, `manifest ${tagOrDigest}`, session);
  }
  await answer.body.discard();
  const stored = answer.headers.get("docker-content-digest");
  if (stored === null || stored === digest) return;
  throw new SmolError(
    "registry.digest_mismatch",
    `${session.endpoint.registry} has stored another manifest than was sent: not ${digest}`,
    { hint: "it was changed on the way, by the registry or by a proxy" },
  );
}
