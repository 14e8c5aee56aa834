import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { SmolError } from "../../errors.ts";

/** A smolvm that install.sh has put below a prefix, and what its receipt says. */
export interface Installation {
  readonly prefix: string;
  /** An address, or a directory; undefined in a damaged receipt. */
  readonly from: string | undefined;
  /** Who signs its releases; undefined when they are not signed. */
  readonly key: string | undefined;
}

/** dpkg's list of the files of our package. */
const DEBIAN_FILES = "/var/lib/dpkg/info/smolvm.list";

/**
 * The installation that a program belongs to.
 *
 * @param program path of its file
 * @throws SmolError `update.not_ours` when install.sh has not installed it
 */
export function findInstallation(program: string): Installation {
  const path = realpathSync(program);
  const prefix = dirname(dirname(path));
  const receipt = `${prefix}/share/smolvm/receipt`;
  const lines = existsSync(receipt) ? readFileSync(receipt, "utf8").split("\n") : [];
  if (path !== `${prefix}/bin/smolvm` || !lines.includes("file bin/smolvm")) throw notOurs(path);
  const after = (word: string) => lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  return { prefix, from: after("from"), key: after("key") };
}

function notOurs(path: string): SmolError {
  return new SmolError(
    "update.not_ours",
    `${path} was not installed by install.sh, so it is not for it to replace`,
    {
      hint: howElse(path),
    },
  );
}

function howElse(path: string): string {
  if (path.includes("/Cellar/")) return "`brew upgrade smolvm`, with the formula of the newer release";
  if (path === "/usr/bin/smolvm" && existsSync(DEBIAN_FILES))
    return "`sudo apt install ./smolvm_VERSION_ARCH.deb`, with the package of the newer release";
  return "replace it the way it came; what a release's install.sh installs updates itself";
}
