import { beforeAll, describe, expect } from "bun:test";
import { lstatSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { resolvePaths } from "../../src/config/paths.ts";
import { readErofs } from "../image/erofs-reader.ts";
import { differences, listTree } from "../image/listing.ts";
import { run, Scratch } from "../image/tools.ts";
import { imageWith } from "../support/images.ts";
import { SMALL, useMachines } from "../support/machines.ts";
import { onQemu } from "../support/register.ts";

/** What a pack or a machine is exported to is, for other tools, an image of the same files that is run the same. */

const home = useMachines();
const at = (name: string) => `${home.path}/${name}`;

interface Exported {
  readonly id: string;
  readonly reference: string | null;
  readonly digest: string;
  readonly path: string;
  readonly size_bytes: number;
}

async function exported(words: readonly string[], env = {}): Promise<Exported> {
  const { exitCode, output, stderr } = await home.smolvm(["pack", "export", "--json", ...words], { env });
  if (exitCode !== 0) throw new Error(`pack export ${words.join(" ")}: ${exitCode}: ${output}${stderr}`);
  return JSON.parse(output);
}

async function refusal(...words: string[]): Promise<string> {
  const { stderr } = await home.smolvm(["--error-format", "json", "pack", "export", ...words]);
  return JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code;
}

/** Unpacks an archive with other tools, both ways in which it can be read: the folders of the files. */
function unpacked(scratch: Scratch, archive: string, name: string, tag: string): string[] {
  return [`docker-archive:${archive}:${name}`, `oci-archive:${archive}:${tag}`].map((from, index) => {
    const layout = `${scratch.path}/${index}`;
    run(["skopeo", "copy", "--quiet", from, `oci:${layout}:test`]);
    run(["umoci", "unpack", "--image", `${layout}:test`, `${layout}-bundle`]);
    return `${layout}-bundle/rootfs`;
  });
}

let image: string;
beforeAll(
  async () => {
    image = await imageWith({
      Env: ["FROM=image", "PATH=/bin"],
      Entrypoint: ["/bin/sh", "-c"],
      Cmd: ["echo cmd $FROM; exit 3"],
      WorkingDir: "/tmp",
      User: "65534:65534",
      ExposedPorts: { "8080/tcp": {} },
    });
    const packing = await home.smolvm([
      ...["pack", "create", "-q", "--no-runtime", "--image", image],
      ...["--entrypoint", "/bin/echo", "-o", at("app")],
    ]);
    if (packing.exitCode !== 0) throw new Error(packing.stderr);
  },
  { timeout: 60_000 },
);

describe("pack export", () => {
  onQemu("of a pack: its files, and how it is run; the same bytes in any cache", async () => {
    using scratch = new Scratch();
    const archive = `${scratch.path}/app.tar`;
    const one = await exported(["--oci", archive, "-t", "team/app:1.0", at("app.smolmachine")]);
    expect(one).toMatchObject({
      reference: "team/app:1.0",
      path: archive,
      size_bytes: Bun.file(archive).size,
    });
    const disk = `${resolvePaths(home.env).cache}/images/${one.id.slice("sha256:".length)}.vmdk`;
    const files = readErofs(disk);
    for (const root of unpacked(scratch, archive, "docker.io/team/app:1.0", "1.0"))
      expect(differences(files, listTree(root))).toEqual([]);
    const { config, created } = JSON.parse(run(["skopeo", "inspect", "--config", `oci-archive:${archive}`]));
    expect(config).toMatchObject({ Entrypoint: ["/bin/echo"], WorkingDir: "/tmp", User: "65534:65534" });
    expect([config.Cmd, config.Env]).toEqual([undefined, ["FROM=image", "PATH=/bin"]]);
    expect(config.ExposedPorts).toEqual({ "8080/tcp": {} });
    const inspected = await home.smolvm(["pack", "inspect", "--json", at("app.smolmachine")]);
    expect(created).toBe(JSON.parse(inspected.output).created);

    const again = `${scratch.path}/again.tar`;
    const env = { XDG_CACHE_HOME: at("elsewhere") };
    const two = await exported(["--oci", again, "-t", "team/app:1.0", at("app.smolmachine")], env);
    expect(two).toEqual({ ...one, path: again });
    expect(Bun.spawnSync(["cmp", archive, again]).exitCode).toBe(0);
    const ran = await home.run(["hello"], { options: ["--image", archive] });
    expect([ran.exitCode, ran.output]).toEqual([0, "hello\n"]);
  });

  onQemu("of a stopped machine: its changes above its image; not while it runs", async () => {
    await home.ok(
      "create",
      "dev",
      ...SMALL,
      "--image",
      image,
      "-u",
      "0",
      "--entrypoint",
      "sleep",
      "--",
      "inf",
    );
    await home.ok("start", "dev");
    await home.sh("dev", "echo new > /bin/new; echo w > /workspace/w");
    expect(await refusal("--oci", at("dev.tar"), "--from-vm", "dev")).toBe("machine.running");
    await home.ok("stop", "dev");
    using scratch = new Scratch();
    const archive = `${scratch.path}/dev.tar`;
    const { digest } = await exported(["--oci", archive, "-t", "dev", "--from-vm", "dev"]);
    for (const root of unpacked(scratch, archive, "docker.io/library/dev:latest", "latest")) {
      expect(readFileSync(`${root}/bin/new`, "utf8")).toBe("new\n");
      expect(readFileSync(`${root}/workspace/w`, "utf8")).toBe("w\n");
    }
    expect(JSON.parse(run(["skopeo", "inspect", `oci-archive:${archive}`])).Digest).toBe(digest);
    // The image's own user and command: a machine's settings are not its files.
    const { config } = JSON.parse(run(["skopeo", "inspect", "--config", `oci-archive:${archive}`]));
    expect([config.User, config.Entrypoint]).toEqual(["65534:65534", ["/bin/sh", "-c"]]);
  });

  onQemu("refuses what makes no sense, and never writes over a pack", async () => {
    const pack = at("app.smolmachine");
    const before = readFileSync(pack);
    expect(await refusal("--oci", pack, pack)).toBe("pack.unwritable");
    expect(readFileSync(pack).equals(before)).toBe(true);
    expect(await refusal(pack)).toBe("cli.missing_value");
    expect(await refusal("--oci", at("x.tar"), "--from-vm", "dev", pack)).toBe("cli.conflict");
    expect(await refusal("--oci", at("x.tar"), at("nowhere.smolmachine"))).toBe("pack.not_found");
    expect(await refusal("--oci", at("none/x.tar"), pack)).toBe("image.save_failed");
    const digest = `app@sha256:${"0".repeat(64)}`;
    expect(await refusal("--oci", at("x.tar"), "-t", digest, pack)).toBe("registry.bad_reference");
    expect(await Bun.file(at("x.tar")).exists()).toBe(false);
    run(["mkfifo", at("pipe")]);
    symlinkSync(pack, at("link"));
    mkdirSync(at("folder"));
    for (const name of ["pipe", "link", "folder"]) {
      const { ino } = lstatSync(at(name));
      const code = await refusal("--oci", at(name), pack);
      expect([name, code, lstatSync(at(name)).ino]).toEqual([
        name,
        name === "link" ? "pack.unwritable" : "image.save_failed",
        ino,
      ]);
    }
  });
});
