import { beforeAll, describe, expect } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { manifestOf, noise, writePack } from "../../src/pack/pack.fixture.ts";
import { hostArchitecture } from "../image/layout.ts";
import { imageWith } from "../support/images.ts";
import { SMALL, useMachines } from "../support/machines.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** Packs, from the outside: what was packed runs where nothing but the file is. */

const home = useMachines();

const at = (name: string) => `${home.path}/${name}`;

/** A cache that has never seen the image. The program's own files are unpacked to it as well. */
const elsewhere = () => ({ XDG_CACHE_HOME: at("elsewhere") });

async function pack(...words: string[]): Promise<string> {
  const { exitCode, output, stderr } = await home.smolvm(["pack", ...words]);
  if (exitCode !== 0) throw new Error(`pack ${words.join(" ")}: ${exitCode}: ${output}${stderr}`);
  return output;
}

async function codeOf(words: readonly string[]): Promise<string> {
  const { stderr } = await home.smolvm(["--error-format", "json", ...words]);
  return JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code;
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
    });
    await pack("create", "-q", "--image", image, "-o", at("app"), "--cpus", "1", "--mem", "256");
  },
  { timeout: 60_000 },
);

describe("a pack", () => {
  onBoth(
    "runs with an empty cache as its image does: command, user, folder, exit code, streams",
    async () => {
      const run = ["pack", "run", "-q", "--sidecar", at("app.smolmachine")];
      const plain = await home.smolvm(run, { env: elsewhere() });
      expect(plain).toMatchObject({ exitCode: 3, output: "cmd image\n", stderr: "" });
      const words = ["-e", "X=1", "--", "id -u; pwd; echo $X $FROM >&2; nproc"];
      const given = await home.smolvm([...run, ...words], { env: elsewhere() });
      expect(given).toMatchObject({ exitCode: 0, output: "65534\n/tmp\n1\n", stderr: "1 image\n" });
      const same = await home.smolvm(["machine", "run", "-q", "--from", at("app.smolmachine")], {
        env: elsewhere(),
      });
      expect(same).toMatchObject({ exitCode: 3, output: "cmd image\n" });
    },
  );

  onQemu("makes machines that need it no more, and do not see each other's writes", async () => {
    copyFileSync(at("app.smolmachine"), at("once.smolmachine"));
    for (const name of ["one", "two"])
      await home.ok(
        "create",
        name,
        "--from",
        at("once.smolmachine"),
        "-u",
        "0",
        "--entrypoint",
        "sleep",
        "--",
        "inf",
      );
    rmSync(at("once.smolmachine"));
    for (const name of ["one", "two"]) await home.ok("start", name);
    await home.sh("one", "echo mine > /bin/mine");
    await home.ok("stop", "one");
    await home.ok("start", "one");
    expect(await home.sh("one", "cat /bin/mine; echo $FROM; nproc")).toBe("mine\nimage\n1\n");
    expect(await home.sh("two", "ls /bin/mine 2>/dev/null || echo none")).toBe("none\n");
  });

  onQemu("of a stopped machine has its files and settings, and is refused while it runs", async () => {
    const lent = ["-p", "0:80", "-v", `${at("folder")}:/mnt`];
    mkdirSync(at("folder"));
    const settings = ["--image", image, "-u", "0", "-e", "MADE=here", "--entrypoint", "sleep"];
    await home.ok("create", "dev", ...SMALL, ...settings, ...lent, "--", "inf");
    await home.ok("start", "dev");
    await home.sh(
      "dev",
      "echo new > /bin/new; rm /bin/busybox.list 2>/dev/null; echo w > /workspace/w; sync",
    );
    expect(await codeOf(["pack", "create", "--from-vm", "dev", "-o", at("dev")])).toBe("machine.running");
    await home.ok("stop", "dev");
    const { exitCode, stderr } = await home.smolvm(["pack", "create", "--from-vm", "dev", "-o", at("dev")]);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(
      "not packed, because whoever runs the pack gives it: the machine's volumes, ports\n",
    );
    expect(stderr).toContain("packed, for whoever has the pack to read: the values of the machine's MADE\n");
    const words = ["--entrypoint", "sh", "--", "-c", "cat /bin/new /workspace/w; echo $MADE $FROM; id -u"];
    const run = await home.smolvm(["pack", "run", "-q", "--sidecar", at("dev.smolmachine"), ...words], {
      env: elsewhere(),
    });
    expect(run).toMatchObject({ exitCode: 0, output: "new\nw\nhere image\n0\n" });
  });
});

describe("pack create", () => {
  onQemu("gives the same bytes anywhere, at any time, with SOURCE_DATE_EPOCH", async () => {
    mkdirSync(at("other folder"));
    const env = { SOURCE_DATE_EPOCH: "1700000000" };
    const words = ["pack", "create", "-q", "--image", image];
    const [first, second] = [
      await home.smolvm([...words, "-o", "same"], { env }),
      await home.smolvm([...words, "-o", "same"], {
        env: { ...env, ...elsewhere() },
        cwd: at("other folder"),
      }),
    ];
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    const [one, two] = [at("same.smolmachine"), at("other folder/same.smolmachine")].map((path) =>
      readFileSync(path),
    );
    expect(two !== undefined && one?.equals(two)).toBe(true);
    expect(JSON.parse(await pack("inspect", "--json", at("same.smolmachine"))).created).toBe(
      "2023-11-14T22:13:20Z",
    );
  });

  onQemu("tells programs what it made", async () => {
    const made = async (...words: string[]) =>
      JSON.parse(await pack("create", "-q", "--json", "--image", image, ...words));
    const [two, one] = [await made("-o", at("two-files")), await made("--single-file", "-o", at("one-file"))];
    const inspected = JSON.parse(await pack("inspect", "--json", at("two-files.smolmachine")));
    const { layer_digest, layer_size, platform } = inspected;
    const sizes = ["two-files", "two-files.smolmachine"].map((name) => statSync(at(name)).size);
    expect(two).toEqual({
      ...{ path: at("two-files.smolmachine"), program: at("two-files"), image: inspected.image, platform },
      ...{ layer_digest, layer_size, total_bytes: (sizes[0] ?? 0) + (sizes[1] ?? 0) },
      hosts: [{ platform, program: at("two-files") }],
    });
    expect(one).toMatchObject({ path: at("one-file"), program: at("one-file") });
    expect(one.total_bytes).toBe(statSync(at("one-file")).size);
  });

  onQemu("takes what a Smolfile describes, without [dev], and no secrets", async () => {
    const lines = [
      `image = ${JSON.stringify(image)}`,
      'env = ["TOP=1"]',
      "cpus = 2",
      "net = true",
      "[dev]",
      'env = ["DEV=1"]',
      'volumes = ["./nowhere:/x"]',
      "[artifact]",
      "cpus = 1",
      'entrypoint = ["/bin/echo"]',
    ];
    writeFileSync(at("Smolfile"), lines.join("\n"));
    await pack("create", "-q", "-s", at("Smolfile"), "-o", at("described"));
    const manifest = JSON.parse(await pack("inspect", "--json", at("described.smolmachine")));
    expect(manifest).toMatchObject({
      cpus: 1,
      mem: null,
      entrypoint: ["/bin/echo"],
      cmd: [],
      network: { egress: "all" },
    });
    expect(manifest.env).toContain("TOP=1");
    expect(manifest.env).not.toContain("DEV=1");
    writeFileSync(
      at("Secrets"),
      `image = ${JSON.stringify(image)}\n[secrets]\nTOKEN = { from_env = "TOKEN" }\n`,
    );
    expect(await codeOf(["pack", "create", "-s", at("Secrets"), "-o", at("secrets")])).toBe("pack.secrets");
  });

  onQemu("guards names, and replaces packs only", async () => {
    writeFileSync(at("text.smolmachine"), "somebody's text");
    expect(await codeOf(["pack", "create", "--image", image, "-o", at("text")])).toBe("pack.unwritable");
    expect(readFileSync(at("text.smolmachine"), "utf8")).toBe("somebody's text");
    expect(await codeOf(["pack", "create", "--image", image, "-o", at("x.smolmachine")])).toBe(
      "cli.bad_value",
    );
    expect(await codeOf(["pack", "create", "--image", image])).toBe("cli.missing_word");
    rmSync(at("text.smolmachine"));
  });
});

describe("signatures", () => {
  onQemu("a pack is run with its signer's key, and with no other", async () => {
    for (const name of ["ours", "theirs"])
      expect((await home.smolvm(["keygen", "-o", at(name)])).exitCode).toBe(0);
    await pack("create", "-q", "--image", image, "--sign", at("ours.key"), "-o", at("signed"));
    const run = ["pack", "run", "-q", "--sidecar", at("signed.smolmachine"), "--verify-key"];
    expect(await home.smolvm([...run, at("ours.pub")])).toMatchObject({ exitCode: 3, output: "cmd image\n" });
    expect(await codeOf([...run, at("theirs.pub")])).toBe("pack.not_signed");
    expect(
      await codeOf(["pack", "run", "--sidecar", at("app.smolmachine"), "--verify-key", at("ours.pub")]),
    ).toBe("pack.not_signed");
    const bytes = readFileSync(at("signed.smolmachine"));
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 70) ^ 1, bytes.length - 70);
    writeFileSync(at("forged.smolmachine"), bytes);
    expect(await codeOf(["pack", "run", "--sidecar", at("forged.smolmachine")])).toBe("pack.bad_signature");
  });
});

describe("a pack that is not right", () => {
  onQemu("for another architecture is refused by its name, and no machine is made", async () => {
    const other = hostArchitecture === "amd64" ? "arm64" : "amd64";
    const sidecar = at("foreign.smolmachine");
    await writePack(sidecar, noise(1000, 1), { manifest: manifestOf({ platform: `linux/${other}` }) });
    for (const words of [
      ["pack", "run", "-q", "--sidecar", sidecar],
      ["machine", "run", "-q", "--engine", "qemu", "--from", sidecar],
      ["machine", "create", "--from", sidecar, "foreign"],
    ]) {
      const { exitCode, output, stderr } = await home.smolvm(["--error-format", "json", ...words]);
      expect([exitCode, output]).toEqual([words[1] === "create" ? 1 : 125, ""]);
      const { code, message, hint } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error;
      expect(code).toBe("image.wrong_platform");
      expect(message).toContain(`linux/${other}`);
      expect(hint).toContain(`has a kernel and an agent for linux/${hostArchitecture} only`);
    }
    expect((await home.smolvm(["machine", "ls", "-q"])).output).not.toContain("foreign");
  });

  onQemu("is refused before anything of it runs", async () => {
    const sound = readFileSync(at("app.smolmachine"));
    const damaged = Buffer.from(sound);
    damaged.writeUInt8(damaged.readUInt8(1000) ^ 1, 1000);
    writeFileSync(at("damaged.smolmachine"), damaged);
    const env = { XDG_CACHE_HOME: at("a third one") };
    const run = await home.smolvm(
      ["--error-format", "json", "pack", "run", "-q", "--sidecar", at("damaged.smolmachine")],
      { env },
    );
    expect(run).toMatchObject({ exitCode: 125, output: "" });
    expect(JSON.parse(run.stderr).error.code).toBe("pack.damaged");
    expect(await codeOf(["pack", "inspect", "--verify", at("damaged.smolmachine")])).toBe("pack.damaged");
    writeFileSync(at("short.smolmachine"), sound.subarray(0, sound.length - 1));
    expect(await codeOf(["pack", "run", "--sidecar", at("short.smolmachine")])).toBe("pack.not_a_pack");
    expect(await codeOf(["machine", "create", "--from", at("nowhere.smolmachine")])).toBe("pack.not_found");
    expect(await codeOf(["machine", "run", "--from", at("app.smolmachine"), "--image", image])).toBe(
      "cli.conflict",
    );
  });
});
