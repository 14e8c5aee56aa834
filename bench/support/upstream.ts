import { readdirSync } from "node:fs";
import { run, say, sha256File } from "../../build/host.ts";
import { part } from "../../build/parts.ts";

const wheel = {
  package: "smolmachines",
  version: "1.32.2",
  sha256: "81b104e2622aa0b187b6b7054397c391151b83db2638a16d0e54c517684f0dc2",
};

/**
 * Upstream's command line, out of its wheel, with everything unpacked that it would otherwise unpack at its first use.
 * @returns a directory with `bin/` (the wheel's files) and `rootfs/` (of its guests)
 */
export async function upstream(): Promise<string> {
  return await part("bench-upstream", { recipe: import.meta.path, pins: wheel }, async (out) => {
    say(`bench: downloading ${wheel.package} ${wheel.version}`);
    const pin = `${wheel.package}==${wheel.version}`;
    await run([
      "python3",
      "-m",
      "pip",
      "download",
      "-q",
      "--no-deps",
      "--only-binary=:all:",
      "--dest",
      out,
      pin,
    ]);
    const file = readdirSync(out).find((name) => name.endsWith(".whl"));
    if (file === undefined || (await sha256File(`${out}/${file}`)) !== wheel.sha256)
      throw new Error(`not the pinned ${pin}`);
    await run(["python3", "-m", "zipfile", "-e", `${out}/${file}`, out]);
    await run(["mv", `${out}/smol`, `${out}/bin`]);
    await run(["chmod", "755", `${out}/bin/smol-vmm`]);
    await run(["mkdir", `${out}/rootfs`]);
    await run(["tar", "--zstd", "-xf", `${out}/bin/agent-rootfs.tar.zst`, "-C", `${out}/rootfs`]);
    for (const name of ["overlay-template.ext4", "storage-template.ext4"]) {
      await run(["zstd", "-q", "-d", "--sparse", `${out}/bin/${name}.zst`]);
    }
    await run(["rm", `${out}/${file}`]);
  });
}
