import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { run, say } from "../../build/host.ts";

/** Puts roots together from Debian packages without being root: downloaded and unpacked, none of their scripts run. */

/** Directories that are links since all of them moved below /usr; older packages still name the old places. */
const MERGED = ["bin", "sbin", "lib", "lib64"];

/**
 * Unpacks the packages and everything they depend on into `${directory}/root`.
 *
 * @param sources lines of a sources.list(5)
 */
export async function unpackRoot(
  names: readonly string[],
  sources: readonly string[],
  directory: string,
): Promise<void> {
  const apt = `${directory}/apt`;
  for (const folder of ["lists/partial", "cache/archives/partial"])
    mkdirSync(`${apt}/${folder}`, { recursive: true });
  writeFileSync(`${apt}/sources.list`, `${sources.join("\n")}\n`);
  const settings = {
    "Dir::Etc::SourceList": `${apt}/sources.list`,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::Lists": `${apt}/lists`,
    "Dir::State::Status": "/dev/null",
    "Dir::Cache": `${apt}/cache`,
    "Acquire::Languages": "none",
    "APT::Sandbox::User": "",
    "Debug::NoLocking": "true",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  say(`lab: downloading ${names.join(" ")}`);
  await run(["apt-get", ...options, "-qq", "update"]);
  await run([
    "apt-get",
    ...options,
    "-qq",
    "-y",
    "--no-install-recommends",
    "--download-only",
    "install",
    ...names,
  ]);

  const root = `${directory}/root`;
  for (const name of MERGED) {
    mkdirSync(`${root}/usr/${name}`, { recursive: true });
    symlinkSync(`usr/${name}`, `${root}/${name}`);
  }
  const archives = `${apt}/cache/archives`;
  for (const file of readdirSync(archives)
    .filter((name) => name.endsWith(".deb"))
    .sort()) {
    await run(["dpkg-deb", "-x", `${archives}/${file}`, root]);
  }
  rmSync(apt, { recursive: true });
}
