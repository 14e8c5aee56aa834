import { describe, expect, test } from "bun:test";
import { StreamFailure } from "../../protocol/index.ts";
import { fakeGuest, fields, rootInput, runs } from "../machine.fixture.ts";
import { planRoot } from "../root/index.ts";
import { type DisksBefore, makeMainRoot } from "./main-root.ts";

const plan = planRoot(rootInput);
const before: DisksBefore = { root: rootInput.disks, damaged: [] };

/** The number of the step that mounts a device. */
const mountOf = (device: string) =>
  plan.steps.findIndex((step) => step.kind === "mount" && step.source === device);

const EIO = 5;
const EBUSY = 16;

const careful = "exec e2fsck -p -f /dev/vdc";
const thorough = "exec e2fsck -y -f /dev/vdc";

const overlayRepaired =
  "the overlay disk, with the changes to the image's files, was damaged and has been repaired";

describe("the main root", () => {
  test("is one request, and the watch follows at once", async () => {
    const { guest, asked } = await fakeGuest(({ verb, fields: request, stream }) => {
      if (verb === "root") expect(request.optionalInt(5)).toBe(plan.reservedBytes);
      if (verb !== "watch") stream.finish();
    });
    const root = makeMainRoot(guest, plan, before, () => {});
    await root.requested;
    expect(await root.made).toEqual([]);
    await guest.clock(1n);
    expect(asked).toEqual(["root", "watch", "clock"]);
    guest.close();
  });

  test("that lacks memory says so", async () => {
    const { guest } = await fakeGuest(({ verb, stream }) => {
      if (verb === "root") stream.finish();
      if (verb === "watch") stream.event(fields().int(1, 1).int(2, 1).finish());
    });
    await new Promise<void>((resolve) => void makeMainRoot(guest, plan, before, resolve));
    guest.close();
  });

  test("tells the user about what stays as it is, once, and nothing of what concerns nobody", async () => {
    const { steps } = plan;
    const skipped = steps.findIndex((step) => step.kind === "attach" && step.path === "/workspace");
    const note = (step: number) =>
      Buffer.concat([Buffer.from([step >> 8, step & 255]), Buffer.from("skipped")]);
    const { guest } = await fakeGuest(({ verb, stream }) => {
      const notes = fields()
        .bytes(1, note(skipped))
        .bytes(1, note(0))
        .bytes(1, note(9999))
        .bytes(1, note(skipped));
      if (verb === "root") stream.finish(notes.finish());
    });
    expect(await makeMainRoot(guest, plan, before, () => {}).made).toEqual([
      "the image's /workspace is no directory and stays as it is; the storage disk is at /storage",
    ]);
    guest.close();
  });

  test.each([
    [0, "found whole", []],
    [
      1,
      "mended",
      [
        "the storage disk was damaged and has been repaired; files that lost their names are in /storage/lost+found",
      ],
    ],
  ])("waits until damaged disks are checked: exit code %i, %s", async (exitCode, _what, notes) => {
    const { guest, asked } = await fakeGuest(({ verb, stream }) => {
      if (verb === "exec") runs(stream, exitCode);
      else stream.finish();
    });
    const { made } = makeMainRoot(guest, plan, { ...before, damaged: ["/dev/vdd"] }, () => {});
    expect(await made).toEqual(notes);
    expect(asked.slice(0, 2)).toEqual(["exec e2fsck -p -f /dev/vdd", "root"]);
    guest.close();
  });

  test("is not asked for when a disk cannot be repaired", async () => {
    const { guest, asked } = await fakeGuest(async ({ stream }) => {
      stream.accept(fields().int(1, 2).finish());
      await stream.write(2, Buffer.from("e2fsck 1.47\nno \u001b[31mroot inode\n"));
      stream.finish(fields().int(1, 8).finish());
    });
    const root = makeMainRoot(guest, plan, { ...before, damaged: ["/dev/vdc"] }, () => {});
    expect(await root.made.catch((e: unknown) => e)).toMatchObject({
      code: "disk.repair_failed",
      message: expect.stringContaining("e2fsck ended with code 8: no"),
    });
    expect(await root.requested.catch((e: unknown) => e)).toMatchObject({ code: "disk.repair_failed" });
    expect(asked).toEqual([careful, thorough]);
    guest.close();
  });

  test("a filesystem that does not grow is told of", async () => {
    const { steps } = plan;
    const grow = steps.findIndex(({ kind }) => kind === "grow");
    const { guest } = await fakeGuest(({ verb, stream }) => {
      const note = Buffer.concat([Buffer.from([grow >> 8, grow & 255]), Buffer.from("grow: ENOSPC")]);
      if (verb === "root") stream.finish(fields().bytes(1, note).finish());
    });
    expect(await makeMainRoot(guest, plan, before, () => {}).made).toEqual([
      "the storage disk's filesystem could not grow to the disk, and keeps its size",
    ]);
    guest.close();
  });

  test("a disk whose mount says that it is damaged is repaired, and the root made again", async () => {
    let tries = 0;
    const { guest, asked } = await fakeGuest(({ verb, stream }) => {
      if (verb === "exec") runs(stream, asked.at(-1) === careful ? 4 : 1);
      if (verb !== "root") return;
      tries += 1;
      if (tries === 2) stream.finish();
      else stream.fail({ code: "step.failed", message: "mount", errno: EIO, step: mountOf("/dev/vdc") });
    });
    expect(await makeMainRoot(guest, plan, before, () => {}).made).toEqual([overlayRepaired]);
    expect(asked.filter((what) => what !== "watch")).toEqual(["root", careful, thorough, "root"]);
    guest.close();
  });

  test("a repair happens once", async () => {
    const { guest, asked } = await fakeGuest(({ verb, stream }) => {
      if (verb === "exec") runs(stream);
      if (verb === "root")
        stream.fail({ code: "step.failed", message: "mount", errno: EIO, step: mountOf("/dev/vdc") });
    });
    const error = await makeMainRoot(guest, plan, before, () => {}).made.catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "step.failed" });
    expect(asked.filter((what) => what !== "watch")).toEqual(["root", careful, "root"]);
    guest.close();
  });

  test.each([
    ["a disk that cannot be repaired", EIO, "/dev/vdc", 8, "disk.repair_failed"],
    ["another reason", EBUSY, "/dev/vdc", 0, "step.failed"],
    ["an image, which nobody repairs", EIO, "/dev/vdb", 0, "step.failed"],
  ])("%s is the end of it", async (_name, errno, device, exitCode, code) => {
    const { guest } = await fakeGuest(({ verb, stream }) => {
      if (verb === "exec") runs(stream, exitCode);
      if (verb === "root")
        stream.fail({ code: "step.failed", message: "mount", errno, step: mountOf(device) });
    });
    const error = await makeMainRoot(guest, plan, before, () => {}).made.catch((e: unknown) => e);
    expect(error).toMatchObject({ code });
    guest.close();
  });

  test("a step that was never asked for is nobody's disk", async () => {
    const { guest } = await fakeGuest(({ verb, stream }) => {
      if (verb === "root") stream.fail({ code: "step.failed", message: "x", errno: EIO, step: 60_000 });
    });
    const error = await makeMainRoot(guest, plan, before, () => {}).made.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StreamFailure);
    guest.close();
  });
});
