import { describe, expect, test } from "bun:test";
import { StreamFailure } from "../../protocol/index.ts";
import { fakeGuest, fields, rootInput, runs } from "../machine.fixture.ts";
import { planRoot } from "../root/index.ts";
import { makeMainRoot, type UnreadyDisks } from "./main-root.ts";

const plan = planRoot(rootInput);
const ready: UnreadyDisks = { blank: [], damaged: [] };

/** The number of the step that mounts a device. */
const mountOf = (device: string) =>
  plan.steps.findIndex((step) => step.kind === "mount" && step.source === device);

const EIO = 5;
const EBUSY = 16;

const careful = "exec e2fsck -p -f /dev/vdc";
const thorough = "exec e2fsck -y -f /dev/vdc";
const format = (device: string) =>
  `exec mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard ${device}`;

describe("the main root", () => {
  test("is one request, and the watch follows at once", async () => {
    const { guest, asked } = await fakeGuest(({ verb, fields: request, stream }) => {
      if (verb === "root") expect(request.optionalInt(5)).toBe(plan.reservedBytes);
      if (verb !== "watch") stream.finish();
    });
    const root = makeMainRoot(guest, plan, ready, () => {});
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
    await new Promise<void>((resolve) => void makeMainRoot(guest, plan, ready, resolve));
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
    expect(await makeMainRoot(guest, plan, ready, () => {}).made).toEqual([
      "the image's /workspace is no directory and stays as it is; the storage disk is at /storage",
    ]);
    guest.close();
  });

  test("waits until blank disks are formatted and damaged ones are checked", async () => {
    const { guest, asked } = await fakeGuest(({ verb, stream }) => {
      if (verb === "exec") runs(stream);
      else stream.finish();
    });
    await makeMainRoot(guest, plan, { blank: ["/dev/vdd"], damaged: ["/dev/vdc"] }, () => {}).made;
    expect(asked.slice(0, 3)).toEqual([format("/dev/vdd"), careful, "root"]);
    guest.close();
  });

  test("is not asked for when a disk cannot be formatted", async () => {
    const { guest, asked } = await fakeGuest(async ({ stream }) => {
      stream.accept(fields().int(1, 2).finish());
      await stream.write(2, Buffer.from("mke2fs 1.47\nno \u001b[31mspace\n"));
      stream.finish(fields().int(1, 1).finish());
    });
    const root = makeMainRoot(guest, plan, { ...ready, blank: ["/dev/vdd"] }, () => {});
    expect(await root.made.catch((e: unknown) => e)).toMatchObject({
      code: "disk.format_failed",
      message: expect.stringContaining("mke2fs ended with code 1: no"),
    });
    expect(await root.requested.catch((e: unknown) => e)).toMatchObject({ code: "disk.format_failed" });
    expect(asked).toEqual([format("/dev/vdd")]);
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
    expect(await makeMainRoot(guest, plan, ready, () => {}).made).toEqual([
      "the machine's disk /dev/vdc was damaged; e2fsck has repaired it, and what it could not place is in its lost+found",
    ]);
    expect(asked.filter((what) => what !== "watch")).toEqual(["root", careful, thorough, "root"]);
    guest.close();
  });

  test("a repair happens once", async () => {
    const { guest, asked } = await fakeGuest(({ verb, stream }) => {
      if (verb === "exec") runs(stream);
      if (verb === "root")
        stream.fail({ code: "step.failed", message: "mount", errno: EIO, step: mountOf("/dev/vdc") });
    });
    const error = await makeMainRoot(guest, plan, ready, () => {}).made.catch((e: unknown) => e);
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
    const error = await makeMainRoot(guest, plan, ready, () => {}).made.catch((e: unknown) => e);
    expect(error).toMatchObject({ code });
    guest.close();
  });

  test("a step that was never asked for is nobody's disk", async () => {
    const { guest } = await fakeGuest(({ verb, stream }) => {
      if (verb === "root") stream.fail({ code: "step.failed", message: "x", errno: EIO, step: 60_000 });
    });
    const error = await makeMainRoot(guest, plan, ready, () => {}).made.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StreamFailure);
    guest.close();
  });
});
