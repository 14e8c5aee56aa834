import { readdirSync } from "node:fs";
import { SmolError } from "../../errors.ts";

const SUFFIX = ".smolmachine";

/**
 * The only pack of a directory.
 *
 * @throws SmolError `pack.not_found` when there is none; exit code 2 when there are several
 */
export async function findSidecar(directory: string): Promise<string> {
  const names = readdirSync(directory).filter((name) => name.endsWith(SUFFIX) && name !== SUFFIX);
  const [only, ...more] = names.sort();
  if (only !== undefined && more.length === 0) return only;
  if (only === undefined) {
    throw new SmolError("pack.not_found", `sidecar file not found: no ${SUFFIX} file in this directory`, {
      hint: "name one: --sidecar FILE",
    });
  }
  const { usageError } = await import("../usage.ts");
  throw usageError(
    "cli.missing_value",
    `several packs are in this directory: ${names.join(", ")}`,
    "name one: --sidecar FILE",
  );
}
