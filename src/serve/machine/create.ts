/** A machine, made of what a request says. */
import { type Created, checkGpu, createKept, makeMachineName } from "../../machine/index.ts";
import { buildSpec } from "../../machine/model/build.ts";
import type { SpecLayer } from "../../machine/model/index.ts";
import { type PackSource, packedSettings } from "../../pack/index.ts";
import type { Credentials } from "../../registry/index.ts";
import { Refused } from "../errors.ts";
import type { CreateBody } from "../schema/machine-request.ts";
import { credentialsOf } from "../schema/registry-auth.ts";
import type { Serving } from "../serving.ts";
import { openAllowedImage } from "./host-paths.ts";
import { layerOf } from "./layer.ts";
import { openPackBehind, openPackFile, openPackOf } from "./named-pack.ts";

/** Paths of volumes were looked at when the request came; a guest may have put a link there since. */
export const ALLOWED = { sourcesResolved: true } as const;

/**
 * @param own.layer weaker than what the request says, as a Smolfile's
 * @param own.lent what only the server's own user can give a machine
 * @param own.owned it is this process's, and `ownership` of what is returned has to be kept
 * @throws Refused, SmolError; nothing is made then
 */
export async function createAsked(
  serving: Serving,
  body: CreateBody,
  signal: AbortSignal,
  own: {
    readonly layer?: SpecLayer | undefined;
    readonly lent?: Partial<Pick<SpecLayer, "secrets" | "sshAgent">> | undefined;
    readonly owned?: boolean | undefined;
  } = {},
): Promise<Created> {
  const { mountRoots: roots } = serving.options;
  const { image, ifNotExists } = body;
  const name = body.name ?? makeMachineName();
  const credentials = packCredentials(body);
  const held = image === undefined ? {} : openAllowedImage(image, roots);
  let pack: PackSource | undefined;
  try {
    const flags = { ...layerOf({ ...body, image: held.path ?? image }, roots), ...own.lent };
    if (body.from !== undefined) pack = await openPackFile(body.from, roots);
    if (body.registryRef !== undefined)
      pack = await openPackOf(body.registryRef, serving, credentials, signal);
    const describe = () => {
      const layers = [
        ...(pack === undefined ? [] : [packedSettings(pack.manifest)]),
        ...(own.layer === undefined ? [] : [own.layer]),
      ];
      return buildSpec({ name, ephemeral: false, layers, flags, words: [], wordsAre: "arguments" });
    };
    // A pack says what the machine is: that cannot wait for its start.
    pack ??= await openPackBehind(describe().image, serving, credentials, signal);
    const spec = describe();
    await checkGpu(serving.context, spec, serving.options.engine);
    const { file } = held;
    return await createKept(
      serving.context,
      spec,
      { pack, file, signal },
      { ifNotExists, owned: own.owned, ...ALLOWED },
    );
  } finally {
    await pack?.close();
    held.close?.();
  }
}

/** What a request says about where its files come from, held against each other. @throws Refused `BAD_REQUEST` */
function packCredentials(body: CreateBody): Credentials | undefined {
  const { image, from, registryRef, registryAuth: auth, registryIdentityToken: identityToken } = body;
  const sources = [image, from, registryRef].filter((one) => one !== undefined);
  if (sources.length > 1)
    throw new Refused(
      "BAD_REQUEST",
      "image, from and registryRef are mutually exclusive: a pack has its own image",
    );
  if (auth !== undefined && identityToken !== undefined)
    throw new Refused("BAD_REQUEST", "registryAuth and registryIdentityToken are mutually exclusive");
  const given = auth ?? (identityToken === undefined ? undefined : { identityToken });
  if (given !== undefined && registryRef === undefined && image === undefined)
    throw new Refused("BAD_REQUEST", "registryAuth goes with registryRef, or with an image of a registry");
  return credentialsOf(given);
}
