import { describe, expect } from "bun:test";
import {
  chmodSync,
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { testImages } from "./support/images.ts";
import { sharedCache } from "./support/program.ts";
import { onQemu, useHome } from "./support/register.ts";

/** When something is missing, damaged or full: a clear error, the right exit code, nothing left. */

const home = useHome();
const images = await testImages();

/** One line that says what is wrong, and perhaps one that says what to do. */
function expectClearError(
  { stderr, output }: { stderr: string; output: string },
  ...words: (string | RegExp)[]
): void {
  expect(output).toBe("");
  for (const word of words) expect(stderr).toMatch(word);
  expect(stderr).not.toMatch(/\bat .*:\d+:\d+/); // a stack trace
  expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(3);
}

describe("a full disk of the guest", () => {
  onQemu(
    "is the workload's to see, and nobody else's",
    async () => {
      const script =
        "dd if=/dev/zero of=/big bs=1M count=3000; echo code $?; df / | tail -n 1; rm /big; echo again > /small && cat /small";
      const result = await home.run(["sh", "-c", script], { options: ["--overlay", "1"] });
      expect(result.output).toMatch(/^code 1\n.* 100% \/\nagain\n$/);
      expect(result.stderr).toContain("No space left on device");
      expect(result.exitCode).toBe(0);
    },
    90,
  );
});

/** Runs a script with a tmpfs at `small/`, in a mount namespace of its own: the host does not see it. */
function onSmallDisk(size: string, script: string) {
  mkdirSync(`${home.path}/tmp/small`, { recursive: true });
  const root = process.getuid?.() === 0 ? [] : ["-r"];
  const inside = `mount -t tmpfs -o size=${size} none ${home.path}/tmp/small && ${script}`;
  return home
    .shell(
      `unshare ${root.join(" ")} -m --propagation private bash -c '${inside}'; code=$?; rmdir tmp/small; exit $code`,
    )
    .then((result) => result);
}

describe("a full disk of the host", () => {
  onQemu("keeps the assets from being unpacked", async () => {
    const script =
      "export XDG_CACHE_HOME=$PWD/tmp/small; $RUN -- true; echo code $?; find tmp/small -type f -size +4k";
    const result = await onSmallDisk("8m", script);
    expect(result.output).toBe("code 125\n");
    expectClearError({ ...result, output: "" }, /space/);
  });

  onQemu("keeps an image from being made", async () => {
    const script = `cp -r ${sharedCache()}/smolvm/runtime tmp/runtime; mkdir -p tmp/small/smolvm; ln -s $PWD/tmp/runtime tmp/small/smolvm/runtime; export XDG_CACHE_HOME=$PWD/tmp/small; $RUN --image ${images.archive} --entrypoint "" -- hello; echo code $?; find tmp/small -type f -size +64k; rm -r tmp/runtime`;
    const result = await onSmallDisk("1m", script);
    expect(result.output).toBe("code 125\n");
    expectClearError({ ...result, output: "" }, /space/);
  });

  onQemu("keeps the machine's disks from being made", async () => {
    const script = "export XDG_DATA_HOME=$PWD/tmp/small; $RUN -- true; echo code $?; find tmp/small -type f";
    const result = await onSmallDisk("64k", script);
    expect(result.output).toBe("code 125\n");
    expectClearError({ ...result, output: "" }, /space/);
  });

  onQemu("while the guest writes does not hang", async () => {
    const write = 'sh -c "dd if=/dev/urandom of=/big bs=1M count=200; sync; echo code $?"';
    const script = `export XDG_DATA_HOME=$PWD/tmp/small; timeout 40 $RUN -- ${write}; echo ended $?; find tmp/small -type f`;
    const result = await onSmallDisk("48m", script);
    expect(result.output).toMatch(/ended (?!124)\d+\n$/);
  });
});

describe("a missing or unusable program", () => {
  onQemu("QEMU that is not installed is named, with what to install", async () => {
    const result = await home.run(["true"], { env: { PATH: `${home.path}/tmp` } });
    expect(result.exitCode).toBe(125);
    expectClearError(result, /qemu/i, /qemu-system/);
  });

  onQemu("QEMU that fails is reported with its own words", async () => {
    const bin = `${home.path}/tmp/bin`;
    mkdirSync(bin);
    writeFileSync(`${bin}/qemu-system-x86_64`, "#!/bin/sh\necho this is no QEMU >&2\nexit 3\n", {
      mode: 0o755,
    });
    const result = await home.run(["true"], { env: { PATH: `${bin}:/usr/bin:/bin` } });
    await home.shell("rm -r tmp/bin");
    expect(result.exitCode).toBe(125);
    expectClearError(result, /qemu/i);
  });
});

describe("a damaged cache", () => {
  const damages: Record<string, (path: string) => void> = {
    "cut short": (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
    overwritten: (path) => {
      const file = openSync(path, "r+");
      for (const offset of [0, 1024, 4096, 65_536]) writeSync(file, Buffer.alloc(600, 0xa5), 0, 600, offset);
      closeSync(file);
    },
    empty: (path) => truncateSync(path, 0),
  };

  const ownCache = () => `${home.path}/tmp/cache`;
  const run = (...options: string[]) =>
    home.run(["hello"], {
      options: ["--image", images.archive, "--entrypoint", "", ...options],
      env: { XDG_CACHE_HOME: ownCache() },
    });

  for (const [how, damage] of Object.entries(damages)) {
    onQemu(
      `heals when every file in it is ${how}`,
      async () => {
        expect(await run()).toMatchObject({ output: "hello from PATH\n", exitCode: 0 });
        const files = (readdirSync(ownCache(), { recursive: true }) as string[])
          .map((name) => `${ownCache()}/${name}`)
          .filter((path) => statSync(path).isFile() && statSync(path).size > 4096);
        expect(files.length).toBeGreaterThanOrEqual(5);
        for (const path of files) {
          chmodSync(path, 0o600);
          damage(path);
        }
        const result = await run();
        await home.shell("rm -rf tmp/cache");
        expect(result).toMatchObject({ output: "hello from PATH\n", exitCode: 0 });
      },
      90,
    );
  }
});

describe("an unreadable image", () => {
  const cases: Record<string, { make?: (path: string) => void; error: string }> = {
    "does not exist": { error: "error: no such file or directory: " },
    "is empty": { make: (path) => writeFileSync(path, ""), error: "image.tar: it is empty\n" },
    "is no archive": {
      make: (path) => writeFileSync(path, "#!/bin/sh\necho hello\n".repeat(500)),
      error: "image.tar: it is a script\n",
    },
    "is cut short": {
      make: (path) => {
        cpSync(images.archive, path);
        truncateSync(path, 500_000);
      },
      error: "it ends in the middle of a member\n",
    },
    "is an archive of something else": {
      make: (path) => void Bun.spawnSync(["tar", "-cf", path, "-C", "/etc", "hostname"]),
      error: "image.tar: the archive holds neither a saved image nor a root filesystem\n",
    },
    "is a link to nowhere": {
      make: (path) => symlinkSync("nowhere", path),
      error: "error: no such file or directory: ",
    },
    "is a device": {
      make: (path) => symlinkSync("/dev/zero", path),
      error: ": neither a file nor a directory: ",
    },
  };
  for (const [what, { make, error }] of Object.entries(cases)) {
    onQemu(`that ${what} is refused`, async () => {
      const path = `${home.path}/tmp/image.tar`;
      make?.(path);
      const result = await home.run(["true"], { options: ["--image", path], seconds: 20 });
      await home.shell("rm -f tmp/image.tar");
      expect(result.exitCode).toBe(125);
      expectClearError(result, error, "image.tar");
    });
  }
});
