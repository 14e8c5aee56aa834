import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { manifestOf, noise, writePack } from "../../src/pack/pack.fixture.ts";
import { hostArchitecture } from "../image/layout.ts";
import {
  crane,
  isBlobOf,
  PullHome,
  type Server,
  startCraneRegistry,
  startDockerRegistry,
  startProxy,
  useRegistry,
} from "../support/registry/index.ts";

/** Packs in registries: what comes back is what was pushed, byte for byte. */

setDefaultTimeout(60_000);

const { server, scratch } = useRegistry();
const here = `linux/${hostArchitecture}`;
const there = hostArchitecture === "amd64" ? "linux/arm64" : "linux/amd64";
const PASSWORD = "canary-5b1d";
const IMAGE_DIGEST = `sha256:${"1".repeat(64)}`;

let docker: Server;
let closed: Server;
let go: Server;
let own: string;
let other: string;

beforeAll(async () => {
  [docker, closed, go] = await Promise.all([
    startDockerRegistry(),
    startDockerRegistry({ users: { me: PASSWORD } }),
    startCraneRegistry(),
  ]);
  for (const one of [docker, closed, go]) server(one);
  own = `${scratch.path}/own.smolmachine`;
  other = `${scratch.path}/other.smolmachine`;
  await writePack(own, noise(3_500_000, 1), {
    manifest: manifestOf({ platform: here, image: "docker.io/library/alpine:3.20", digest: IMAGE_DIGEST }),
  });
  await writePack(other, noise(200_000, 2), { manifest: manifestOf({ platform: there }) });
});

const sha256 = (path: string) =>
  `sha256:${new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex")}`;

async function pack(home: PullHome, ...words: string[]) {
  const result = await home.smolvm(["pack", ...words], { cwd: home.path });
  if (result.exitCode !== 0) throw new Error(`pack ${words.join(" ")}: ${result.exitCode}: ${result.stderr}`);
  return result;
}

async function refused(home: PullHome, ...words: string[]): Promise<string> {
  const { exitCode, stderr } = await home.smolvm(["--error-format", "json", "pack", ...words], {
    cwd: home.path,
  });
  expect(exitCode).not.toBe(0);
  return JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code;
}

function homeWithLogin(): PullHome {
  const home = new PullHome();
  const auth = Buffer.from(`me:${PASSWORD}`).toString("base64");
  home.dockerConfig({ auths: { [closed.host]: { auth } } });
  return home;
}

describe.each([
  ["docker-registry", () => docker],
  ["docker-registry with a password", () => closed],
  ["go-containerregistry", () => go],
])("%s", (_, registry) => {
  test("push, push again, pull by tag and by digest, for two platforms", async () => {
    using home = homeWithLogin();
    const name = `${registry().host}/team/app:1.0`;
    const { output } = await pack(home, "push", name, "-f", own);
    expect(output).toMatch(/^Layer sha256:[0-9a-f]{64}: pushed\nPushed successfully: /);
    expect(output).toContain(sha256(own));
    const digest = output.match(/sha256:[0-9a-f]{64}/g)?.at(-1) ?? "";
    expect((await pack(home, "push", name, "-f", own)).output).toContain("already exists, skipping");
    await pack(home, "push", name, "-f", other);

    const inspected = JSON.parse((await pack(home, "inspect", "--json", name)).output);
    expect(inspected).toMatchObject({
      ...{ image: "docker.io/library/alpine:3.20", platform: here, smolvm_version: "0.0.0" },
      ...{ layer_digest: sha256(own), layer_size: readFileSync(own).length },
    });
    const lines = (await pack(home, "inspect", name)).output.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^Reference: /);
    expect(lines.at(-1)).toBe(`Manifest:   ${inspected.manifest_digest}`);
    expect(lines.filter((line) => line.startsWith("Digest:"))).toEqual([`Digest:     ${IMAGE_DIGEST}`]);

    expect((await pack(home, "pull", name)).output).toBe("app.smolmachine\n");
    expect(sha256(`${home.path}/app.smolmachine`)).toBe(sha256(own));
    await pack(home, "pull", `${registry().host}/team/app@${digest}`, "-o", "by-digest");
    expect(sha256(`${home.path}/by-digest`)).toBe(sha256(own));
    await pack(home, "pull", "--oci-platform", there, name, "-o", "for-another");
    expect(sha256(`${home.path}/for-another`)).toBe(sha256(other));
    await pack(
      home,
      "pull",
      `${registry().host}/team/app:1.0-${here.replace("/", "-")}`,
      "-o",
      "by-platform",
    );
    expect(sha256(`${home.path}/by-platform`)).toBe(sha256(own));
  });

  test("what is not there, or no pack", async () => {
    using home = homeWithLogin();
    const name = `${registry().host}/team/app`;
    expect(await refused(home, "pull", `${name}:no-such`)).toBe("registry.not_found");
    expect(await refused(home, "inspect", `${name}:no-such`)).toBe("registry.not_found");
    expect(await refused(home, "push", `${name}:2`, "-f", "/etc/hostname")).toBe("pack.not_a_pack");
    expect(await refused(home, "push", `${name}:2`, "-f", "no-such.smolmachine")).toBe("pack.not_found");
    expect(await refused(home, "push", `${name}@${sha256(own)}`, "-f", own)).toBe("registry.bad_reference");
    expect(await refused(home, "pull", name.toUpperCase())).toBe("registry.bad_reference");
    symlinkSync("/dev/null", `${home.path}/link`);
    expect(await refused(home, "pull", `${name}:1.0`, "-o", "link")).toBe("pack.unwritable");
    expect(readlinkSync(`${home.path}/link`)).toBe("/dev/null");
  });
});

test("crane, another tool, sees an artifact with an index", async () => {
  using home = new PullHome();
  const name = `${go.host}/seen/by-crane:1`;
  await pack(home, "push", name, "-f", own);
  const index = JSON.parse(await crane("manifest", name));
  const [member] = index.manifests;
  expect(member.platform).toEqual({ os: "linux", architecture: hostArchitecture });
  const manifest = JSON.parse(await crane("manifest", `${go.host}/seen/by-crane@${member.digest}`));
  expect(manifest).toMatchObject({
    artifactType: "application/vnd.smolmachines.smolmachine.v1",
    config: { mediaType: "application/vnd.smolmachines.machine.config.v1+json" },
    layers: [{ mediaType: "application/vnd.smolmachines.smolmachine.v1", digest: sha256(own) }],
    annotations: { "com.smolmachines.pack.mode": "container" },
  });
  expect(JSON.parse(await crane("blob", `${go.host}/seen/by-crane@${manifest.config.digest}`))).toMatchObject(
    { platform: here, image: "docker.io/library/alpine:3.20" },
  );
});

test("a pack is no image, and says what it is", async () => {
  using home = new PullHome();
  const name = `${go.host}/no/image:1`;
  await pack(home, "push", name, "-f", own);
  const { code, hint } = await home.refused(name);
  expect([code, hint]).toEqual(["image.is_a_pack", expect.stringContaining("smolvm machine run")]);
});

test("an image is no pack", async () => {
  using home = new PullHome();
  const image = await useImage();
  expect(await refused(home, "pull", image)).toBe("pack.not_a_pack");

  async function useImage(): Promise<string> {
    const archive = `${scratch.path}/layer.tar`;
    writeFileSync(archive, Buffer.alloc(1024));
    const reference = `${go.host}/an/image:1`;
    await crane("append", "--oci-empty-base", "-t", reference, "-f", archive);
    return reference;
  }
});

describe("a registry that does not tell the truth", () => {
  test.each([
    ["other bytes", noise(3_600_000, 3)],
    ["nothing", Buffer.alloc(0)],
  ])("%s in the place of a pack: refused, and nothing is left", async (_, bytes) => {
    using home = new PullHome();
    await pack(home, "push", `${docker.host}/lie/app:1`, "-f", own);
    const proxy = server(await startProxy({ upstream: docker.url }));
    const { size } = Bun.file(own);
    const wrong = Buffer.alloc(bytes.length === 0 ? 0 : size);
    bytes.copy(wrong);
    proxy.add({
      when: isBlobOf(sha256(own)),
      act: (exchange) => exchange.respond(200, { "content-type": "application/octet-stream" }, wrong),
    });
    const code = await refused(home, "pull", `${proxy.host}/lie/app:1`);
    expect(["registry.digest_mismatch", "registry.bad_answer"]).toContain(code);
    expect(await Bun.file(`${home.path}/app.smolmachine`).exists()).toBe(false);
  });

  test("a description of another pack", async () => {
    using home = new PullHome();
    await pack(home, "push", `${docker.host}/lie/two:1`, "-f", own);
    const proxy = server(await startProxy({ upstream: docker.url }));
    const name = "lie/two";
    const index = JSON.parse(await crane("manifest", `${docker.host}/${name}:1`));
    const manifest = JSON.parse(
      await crane("manifest", `${docker.host}/${name}@${index.manifests[0].digest}`),
    );
    const config = Buffer.from(
      JSON.stringify({ ...manifestOf(), platform: here, image: "something harmless" }),
    );
    const digest = (bytes: Buffer) => `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
    const lie = Buffer.from(
      JSON.stringify({
        ...manifest,
        config: { ...manifest.config, digest: digest(config), size: config.length },
      }),
    );
    proxy.add(
      {
        when: ({ path }) => path.includes("/manifests/"),
        act: (exchange) => exchange.respond(200, { "content-type": manifest.mediaType }, lie),
      },
      { when: isBlobOf(digest(config)), act: (exchange) => exchange.respond(200, {}, config) },
    );
    expect(await refused(home, "pull", `${proxy.host}/${name}:1`)).toBe("pack.damaged");
  });
});
