import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { distribution, distributionSources, ensureInstalled } from "../../build/apt.ts";
import { asRoot, run, say } from "../../build/host.ts";
import { part } from "../../build/parts.ts";

/** The release after the one that tests mostly run on, and its Python. */
const NEXT = { after: "bookworm", release: "trixie", python: "python3.13" } as const;

/**
 * A Python that is newer than Debian 12's: out of Debian 13 where the machine has Debian 12, with the C library that it
 * needs beside it; elsewhere one on PATH, by its version, or of pyenv.
 *
 * @returns its path
 * @throws Error when there is none
 */
export async function newerPython(): Promise<string> {
  const { origin, codename } = distribution();
  if (origin === "Debian" && codename === NEXT.after) return await nextPython();
  const installed = installedPython();
  if (installed === undefined) throw new Error("this test needs Python 3.12 or later, on PATH or of pyenv");
  return installed;
}

async function nextPython(): Promise<string> {
  await ensureInstalled(["mmdebstrap"], "unpacks a newer Python");
  const own = (await distributionSources()).find((source) => source.includes(` ${NEXT.after} `));
  if (own === undefined) throw new Error(`apt has no source of ${NEXT.after}`);
  const source = own.replace(` ${NEXT.after} `, ` ${NEXT.release} `);
  const pins = { source, ...NEXT };
  const made = await part("test-python", { recipe: import.meta.path, pins }, async (out) => {
    say(`unpacking ${NEXT.python} of ${NEXT.release}`);
    // Unpacked, and no more: nothing of it is run here, and no script of a package is.
    const options = ["--mode=root", "--variant=extract", "--format=directory", `--include=${NEXT.python}`];
    await run(asRoot(["mmdebstrap", ...options, NEXT.release, `${out}/root`, source]));
    writeFileSync(`${out}/python3`, LAUNCHER, { mode: 0o755 });
  });
  return `${made}/python3`;
}

/** Its own C library, and no file of the host's. A program that it starts by `sys.executable` goes the same way. */
const LAUNCHER = `#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
libraries=$(echo "$root"/usr/lib/*-linux-gnu)
exec env PYTHONHOME="$root/usr" "$libraries"/ld-linux-*.so.* --library-path "$libraries" --argv0 "$0" \\
  "$root/usr/bin/${NEXT.python}" "$@"
`;

function installedPython(): string | undefined {
  const versions = process.env.PYENV_ROOT ?? `${homedir()}/.pyenv`;
  const kept = existsSync(`${versions}/versions`) ? readdirSync(`${versions}/versions`) : [];
  const candidates = ["3.14", "3.13", "3.12"].flatMap((version) => [
    Bun.which(`python${version}`),
    ...kept
      .filter((name) => name.startsWith(`${version}.`))
      .map((name) => `${versions}/versions/${name}/bin/python3`),
  ]);
  return candidates.find((path) => path !== null && Bun.spawnSync([path, "--version"]).success) ?? undefined;
}
