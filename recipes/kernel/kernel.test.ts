import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { distributionSources, extractPackages, resolvePackages, withFreshLists } from "../../build/apt.ts";
import { readComponents } from "../../build/components.ts";
import { architecture, run } from "../../build/host.ts";
import { formatConfig, readConfig, unfulfilled, wanted } from "./fragments.ts";
import { kernel } from "./kernel.ts";

describe("wishes", () => {
  test("are read and written in Kconfig's format", () => {
    const text = 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="text"\n';
    expect(readConfig(`# a reason\n\n${text}`)).toEqual(
      new Map(Object.entries({ A: "y", B: "n", C: '"text"' })),
    );
    expect(formatConfig(readConfig(text))).toBe(text);
  });

  test("that cannot be read, or are named twice, are refused", () => {
    expect(() => readConfig("CONFIG_A\n")).toThrow("not a line of a configuration: CONFIG_A");
    expect(() => readConfig("CONFIG_A=y\n# CONFIG_A is not set\n")).toThrow("CONFIG_A is named twice");
  });

  test("that a configuration does not grant are named", () => {
    const wishes = readConfig(
      "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=64\n# CONFIG_D is not set\nCONFIG_E=y\n",
    );
    const config = readConfig("CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=32\n# CONFIG_D is not set\n");
    expect(unfulfilled(wishes, config)).toEqual([
      "CONFIG_B=n (is y)",
      "CONFIG_C=64 (is 32)",
      "CONFIG_E=y (is n)",
    ]);
  });

  test("for both architectures are free of contradictions", () => {
    for (const name of ["x64", "arm64"] as const) expect(wanted(name).size).toBeGreaterThan(300);
  });
});

describe("the kernel that a full build makes", () => {
  const work = mkdtempSync(`${tmpdir()}/smolvm-kernel-`);
  let made = "";
  let config = new Map<string, string>();

  beforeAll(async () => {
    made = await kernel("full");
    config = readConfig(readFileSync(`${made}/config`, "utf8"));
  }, 1_800_000);

  afterAll(() => rmSync(work, { recursive: true }));

  test("has all that is wanted, and nothing of what it shall not have", () => {
    expect(unfulfilled(wanted(architecture()), config)).toEqual([]);
    const unwanted = [
      "MODULES",
      "NET_9P",
      "FB",
      "DRM_VIRTIO_GPU_KMS",
      "SOUND",
      "KVM",
      "KSM",
      "PCI",
      "INPUT",
      "SERIAL_8250",
    ];
    expect(unwanted.filter((symbol) => config.get(symbol) === "y")).toEqual([]);
  });

  test("has its source's version, checksum and copyright in the manifest", () => {
    const { components, licences } = readComponents(made);
    expect(components).toHaveLength(1);
    const [linux] = components;
    expect(linux).toMatchObject({ name: "linux", part: "kernel" });
    expect(linux?.licence).toStartWith("GPL-2.0-only");
    expect(linux?.version).toMatch(/^6\.\d+\.\d+-/);
    expect(linux?.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(licences[0]?.text).toContain("License: GPL-2");
  });

  test.if(process.arch === "x64")(
    "is an ELF file with both entries, at addresses where nothing else is",
    async () => {
      const headers = await run([
        "readelf",
        "--file-header",
        "--program-headers",
        "--notes",
        "--wide",
        `${made}/kernel`,
      ]);
      const entry = Number(headers.match(/Entry point address: +(0x[0-9a-f]+)/)?.[1]);
      const segments = [...headers.matchAll(/^ +LOAD +\S+ +\S+ +(\S+) +\S+ +(\S+)/gm)].map(
        ([, at, size]) => ({
          start: Number(at),
          end: Number(at) + Number(size),
        }),
      );
      expect(segments.length).toBeGreaterThan(0);
      for (const { start, end } of segments) {
        expect(start).toBeGreaterThanOrEqual(0x1000000);
        expect(end).toBeLessThan(0x4000000);
      }
      expect(segments.some(({ start, end }) => start <= entry && entry < end)).toBe(true);
      expect(headers).toMatch(/Xen\s+0x0000000\d\s+Unknown note type: \(0x00000012\)/);
    },
  );

  test("passes the check that Docker's engine ships", async () => {
    const script = await dockersCheck(work);
    // It asks the running kernel for the version to judge by.
    mkdirSync(`${work}/bin`);
    writeFileSync(`${work}/bin/uname`, "#!/bin/sh\necho 6.12.0\n", { mode: 0o755 });
    const env = { ...process.env, PATH: `${work}/bin:${process.env.PATH}`, CONFIG: `${made}/config` };
    const judge = Bun.spawnSync(["bash", script], { env });
    const [required, optional] = Bun.stripANSI(judge.stdout.toString()).split("Optional Features:");
    const missing = (text = "") =>
      [...text.matchAll(/CONFIG_(\w+): missing/g)].map(([, symbol]) => symbol ?? "");
    expect(required).toContain("CONFIG_NETFILTER_XT_MATCH_ADDRTYPE: enabled");
    expect(missing(required)).toEqual([]);
    // Gone from Linux since 6.1; would take away the cpu controller of cgroup v2; storage drivers beside overlay.
    const known = ["MEMCG_SWAP", "RT_GROUP_SCHED", "AUFS_FS", "BTRFS_FS", "BTRFS_FS_POSIX_ACL"];
    known.push("BLK_DEV_DM", "DM_THIN_PROVISIONING");
    expect(missing(optional).filter((symbol) => !known.includes(symbol))).toEqual([]);
    expect(optional).toContain("CONFIG_OVERLAY_FS: enabled");
  }, 120_000);
});

/** `check-config.sh` of the distribution's docker.io package. */
async function dockersCheck(directory: string): Promise<string> {
  const sources = await distributionSources();
  const docker = (await resolvePackages(["docker.io"], sources)).filter(({ name }) => name === "docker.io");
  await withFreshLists(() => extractPackages(docker, sources, directory));
  return `${directory}/usr/share/docker.io/contrib/check-config.sh`;
}
