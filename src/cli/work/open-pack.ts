import type { Pack } from "../../pack/index.ts";
import { usageError } from "../usage.ts";

interface FromValues {
  readonly from: string | undefined;
  readonly verifyKeys: readonly string[];
  readonly image: string | undefined;
  readonly smolfile?: string | undefined;
}

/**
 * The pack that `--from` names, verified as far as that goes without reading all of it.
 *
 * @returns undefined without `--from`
 * @throws SmolError `cli.conflict`, `pack.*`
 */
export async function packOf({ from, verifyKeys, image, smolfile }: FromValues): Promise<Pack | undefined> {
  if (from === undefined) {
    if (verifyKeys.length === 0) return undefined;
    throw usageError("cli.conflict", "--verify-key is about a pack, and there is none", "add --from FILE");
  }
  const other = image !== undefined ? "--image" : smolfile !== undefined ? "--smolfile" : undefined;
  if (other !== undefined) {
    throw usageError("cli.conflict", `--from and ${other} exclude each other: a pack has its own image`);
  }
  return await openPackFile(from, verifyKeys);
}

/** @param keys files of public keys, one of which has to have signed it @throws SmolError `pack.*` */
export async function openPackFile(path: string, keys: readonly string[]): Promise<Pack> {
  // Behind the face, which loads what writes packs, too.
  const { openPack } = await import("../../pack/read.ts");
  if (keys.length === 0) return await openPack(path);
  const { readPublicKey } = await import("../../pack/sign.ts");
  return await openPack(path, { keys: keys.map(readPublicKey) });
}
