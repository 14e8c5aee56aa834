import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { e2fs, format, GIB, isClean, temporaryDirectory } from "./disks.fixture.ts";
import { type DisksPlan, diskPath, makeDisks } from "./machine-disks.ts";

/** A plan whose files lie in a directory, and the directory of its machine. */
function setUp(root: string, ephemeral: boolean, sizes = { overlayGib: 2, storageGib: 1 }) {
  for (const name of ["overlay", "storage"]) format(`${root}/${name}`, GIB);
  const plan: DisksPlan = {
    files: {
      system: `${root}/system`,
      image: { path: `${root}/image`, format: "vmdk" },
      overlayTemplate: `${root}/overlay`,
      storageTemplate: `${root}/storage`,
    },
    record: { ephemeral, ...sizes },
  };
  const directory = `${root}/vm`;
  mkdirSync(directory);
  return { plan, directory };
}

describe.each([true, false])("a machine's disks (ephemeral: %p)", (ephemeral) => {
  test("at a first start", async () => {
    using root = temporaryDirectory();
    const { plan, directory } = setUp(root.path, ephemeral);
    const { list, made, ...rest } = await makeDisks(plan, directory);
    expect(list).toEqual([
      { path: `${root.path}/vm/storage.ext4`, readOnly: false, format: "raw" },
      { path: `${root.path}/vm/overlay.ext4`, readOnly: false, format: "raw" },
      { path: `${root.path}/system`, readOnly: true, format: "raw" },
      { path: `${root.path}/image`, readOnly: true, format: "vmdk" },
    ]);
    expect(rest).toEqual({
      system: "/dev/vdc",
      root: {
        image: "/dev/vdd",
        overlay: { device: "/dev/vdb", grow: true },
        storage: { device: "/dev/vda", grow: false },
      },
      damaged: [],
      notes: [],
    });
    expect(made).toEqual(ephemeral ? [] : ["overlay", "storage"]);
    for (const { path, readOnly } of list) if (!readOnly) expect(isClean(path)).toBe(true);
  });
});

describe("a later start", () => {
  test("finds what there is, grows it, and makes what somebody has removed", async () => {
    using root = temporaryDirectory();
    const { plan, directory } = setUp(root.path, false);
    await makeDisks(plan, directory);
    const larger = { ...plan, record: { ...plan.record, storageGib: 4 } };
    const grown = await makeDisks(larger, directory);
    expect(grown).toMatchObject({ made: [], notes: [], root: { storage: { grow: true } } });
    expect(statSync(diskPath(directory, "storage")).size).toBe(4 * GIB);
    rmSync(diskPath(directory, "overlay"));
    expect((await makeDisks(larger, directory)).made).toEqual(["overlay"]);
    await expect(makeDisks(plan, directory)).rejects.toMatchObject({ code: "machine.disk_shrink" });
  });

  test("says what a kernel has noted on the disks", async () => {
    using root = temporaryDirectory();
    const { plan, directory } = setUp(root.path, false);
    await makeDisks(plan, directory);
    for (const disk of ["overlay", "storage"] as const)
      expect(e2fs("debugfs", "-w", "-R", "feature needs_recovery", diskPath(directory, disk)).exitCode).toBe(
        0,
      );
    e2fs("debugfs", "-w", "-R", "ssv state 2", diskPath(directory, "storage"));
    expect(await makeDisks(plan, directory)).toMatchObject({
      damaged: ["/dev/vda"],
      notes: [
        "the machine did not end in order the last time; its filesystems are recovered from their journals",
      ],
    });
  });
});
