import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { explainSkipped } from "../src/machine/root/index.ts";
import { makeRoot, output, startGuest, stepsFor, type TestGuest } from "./testing/index.ts";

/** /storage, /workspace and VOLUME, with the product's own steps. */

let it: TestGuest | undefined;
afterEach(async () => {
  await it?.stop();
  it = undefined;
});

const boot = async (
  prepare: (root: string) => void = () => {},
  machine: Parameters<typeof stepsFor>[1] = {},
): Promise<TestGuest> => {
  it = await startGuest({
    prepare: (root) => {
      makeRoot(root);
      prepare(root);
    },
    machine,
  });
  return it;
};

/** What the notes of a start mean to the user. */
const explained = ({ notes }: TestGuest, machine: Parameters<typeof stepsFor>[1] = {}) => {
  const steps = stepsFor("", machine);
  return notes.map(({ step }) => explainSkipped(steps[step] as (typeof steps)[number])).filter(Boolean);
};

function made(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout.toString();
}

describe("/workspace", () => {
  test("has the image's content, with owners, modes, times, links, holes and attributes", async () => {
    const guest = await boot((root) => {
      const at = `${root}/workspace`;
      mkdirSync(`${at}/deep/er`, { recursive: true });
      writeFileSync(`${at}/run.sh`, "#!/bin/sh\necho ran\n", { mode: 0o755 });
      writeFileSync(`${at}/secret`, "x", { mode: 0o600 });
      chownSync(`${at}/secret`, 12, 34);
      chmodSync(`${at}/secret`, 0o4711);
      linkSync(`${at}/secret`, `${at}/deep/same`);
      symlinkSync("../../run.sh", `${at}/deep/er/link`);
      symlinkSync("/etc/passwd", `${at}/absolute`);
      made("mkfifo", `${at}/pipe`);
      made("mknod", `${at}/null`, "c", "1", "3");
      made("truncate", "-s", "64M", `${at}/holes`);
      made("setfattr", "-n", "trusted.colour", "-v", "red", `${at}/run.sh`);
      made("setfattr", "-n", "trusted.colour", "-v", "blue", `${at}/deep`);
      chownSync(at, 1000, 1001);
      chmodSync(at, 0o2775);
      made("find", at, "-exec", "touch", "-h", "-d", "@1234567890", "{}", "+");
    });
    const list = await output(
      guest.guest,
      "cd /workspace && stat -c '%n: %F %a %u:%g %Y' . * deep/* deep/er/*; stat -c '%n: %h links, %s bytes, %b blocks' secret holes",
    );
    expect(list).toMatchInlineSnapshot(`
      ".: directory 2775 1000:1001 1234567890
      absolute: symbolic link 777 0:0 1234567890
      deep: directory 755 0:0 1234567890
      holes: regular file 644 0:0 1234567890
      null: character special file 644 0:0 1234567890
      pipe: fifo 644 0:0 1234567890
      run.sh: regular file 755 0:0 1234567890
      secret: regular file 4711 12:34 1234567890
      deep/er: directory 755 0:0 1234567890
      deep/same: regular file 4711 12:34 1234567890
      deep/er/link: symbolic link 777 0:0 1234567890
      secret: 2 links, 1 bytes, 8 blocks
      holes: 1 links, 67108864 bytes, 0 blocks
      "
    `);
    expect(await output(guest.guest, "/workspace/run.sh; readlink /workspace/absolute")).toBe(
      "ran\n/etc/passwd\n",
    );
    // Looked at from this machine, through the first process's root.
    const seen = `/proc/${guest.agent.processes("main")[0]}/root/workspace`;
    const attribute = (path: string) =>
      made("getfattr", "-n", "trusted.colour", "--only-values", "--absolute-names", path);
    expect([attribute(`${seen}/run.sh`), attribute(`${seen}/deep`)]).toEqual(["red", "blue"]);
    expect(explained(guest)).toEqual([]);
  }, 60_000);

  test("is writable for the owner that the image names", async () => {
    const guest = await boot((root) => {
      mkdirSync(`${root}/workspace`);
      chownSync(`${root}/workspace`, 1000, 1000);
    });
    expect(await output(guest.guest, "touch /workspace/f && stat -c %u /workspace/f", { user: "1000" })).toBe(
      "1000\n",
    );
  }, 60_000);

  test("is part of the storage disk, empty where the image has nothing", async () => {
    const guest = await boot();
    expect(
      await output(guest.guest, "echo x > /workspace/f; cat /storage/workspace/f; ls -a /workspace | wc -l"),
    ).toBe("x\n3\n");
    expect(await output(guest.guest, "stat -c '%a %u:%g' /workspace /storage")).toBe("755 0:0\n755 0:0\n");
  }, 60_000);

  test("that is a file in the image stays one, with a note", async () => {
    const guest = await boot((root) => writeFileSync(`${root}/workspace`, "text\n"));
    expect(await output(guest.guest, "cat /workspace; ls /storage")).toBe("text\nworkspace\n");
    expect(explained(guest)).toEqual([expect.stringContaining("/workspace")]);
  }, 60_000);

  test("that is a link in the image stays one, and its target is not hidden", async () => {
    const guest = await boot((root) => {
      mkdirSync(`${root}/srv`);
      writeFileSync(`${root}/srv/mine`, "");
      symlinkSync("/srv", `${root}/workspace`);
    });
    expect(await output(guest.guest, "readlink /workspace; ls /srv")).toBe("/srv\nmine\n");
    expect(explained(guest)).toEqual([expect.stringContaining("/workspace")]);
  }, 60_000);

  test("of a bare machine is a link", async () => {
    const guest = await boot(undefined, { bare: true });
    expect(
      await output(guest.guest, "readlink /workspace; echo x > /workspace/f; ls /storage/workspace"),
    ).toBe("/storage/workspace\nf\n");
  }, 60_000);

  test("whose content cannot be read in full ends the start", async () => {
    const failed = await boot((root) => {
      // Deeper than anything that a directory is copied for.
      mkdirSync(`${root}/workspace/${"d/".repeat(250)}`, { recursive: true });
    }).catch((error) => error);
    expect([failed.code, failed.message]).toEqual([
      "exec.no_root",
      expect.stringContaining("200 directories"),
    ]);
  }, 60_000);
});

describe("/storage", () => {
  test("of the image is copied to the disk; what is no directory stays what it is, with a note", async () => {
    const guest = await boot((root) => {
      mkdirSync(`${root}/storage`);
      writeFileSync(`${root}/storage/own`, "");
    });
    expect(await output(guest.guest, "ls /storage; echo x > /workspace/f")).toBe("own\nworkspace\n");
    expect(explained(guest)).toEqual([]);
    await guest.stop();
    const other = await boot((root) => writeFileSync(`${root}/storage`, "text"));
    expect(await output(other.guest, "cat /storage; echo x > /workspace/f")).toBe("text");
    expect(explained(other)).toEqual([expect.stringContaining("/storage")]);
  }, 60_000);
});

describe("VOLUME", () => {
  const machine = { volumes: ["/data/deep", "/workspace/db", "/etc/passwd/no", "/was/there"] };
  test("paths are made where they are missing, others left alone", async () => {
    const guest = await boot((root) => {
      mkdirSync(`${root}/was/there`, { recursive: true });
      chownSync(`${root}/was/there`, 5, 5);
    }, machine);
    expect(
      await output(
        guest.guest,
        "stat -c '%n %a %u:%g' /data/deep /storage/workspace/db /was/there; touch /data/deep/f",
      ),
    ).toBe("/data/deep 755 0:0\n/storage/workspace/db 755 0:0\n/was/there 755 5:5\n");
    expect(explained(guest, machine)).toEqual([]);
  }, 60_000);
});

describe("init systems", () => {
  test("get an empty tmpfs on /run with the image's content, /run/lock, and a read-only /sys", async () => {
    const guest = await boot(
      (root) => {
        mkdirSync(`${root}/run/state`, { recursive: true });
        writeFileSync(`${root}/run/state/file`, "kept\n");
        chownSync(`${root}/run/state`, 3, 4);
      },
      { initSystem: true },
    );
    expect(
      await output(guest.guest, "cat /run/state/file; stat -c '%a %u:%g' /run /run/lock /run/state"),
    ).toBe("kept\n755 0:0\n1777 0:0\n755 3:4\n");
    expect(
      await output(guest.guest, "grep -E ' /(run|run/lock|sys) ' /proc/self/mounts | cut -d ' ' -f 2-4"),
    ).toMatch(
      /^\/sys sysfs ro,.*\n\/run tmpfs rw,nosuid,nodev,.*\n\/run\/lock tmpfs rw,nosuid,nodev,noexec,/,
    );
    expect(
      await output(guest.guest, "mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine && echo writable"),
    ).toBe("writable\n");
  }, 60_000);
});
