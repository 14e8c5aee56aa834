import { rmSync, writeFileSync } from "node:fs";
import { errnoOf, SmolError } from "../../errors.ts";
import { makeKeys } from "../../pack/index.ts";

/** Writes a pair of keys; both files or none. @throws SmolError `pack.unwritable` */
export async function writeKeys(name: string): Promise<{ privatePath: string; publicPath: string }> {
  const [privatePath, publicPath] = [`${name}.key`, `${name}.pub`];
  const { privateKey, publicKey } = makeKeys();
  writeNew(privatePath, privateKey, 0o600);
  try {
    writeNew(publicPath, publicKey, 0o644);
  } catch (error) {
    rmSync(privatePath, { force: true });
    throw error;
  }
  return { privatePath, publicPath };
}

function writeNew(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { flag: "wx", mode });
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    const why = code === "EEXIST" ? "it is there already" : code;
    throw new SmolError("pack.unwritable", `cannot write ${path}: ${why}`, { cause: error });
  }
}
