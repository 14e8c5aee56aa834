import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { TestVolume } from "../src/files/files.fixture.ts";
import { Session } from "../src/files/index.ts";
import { Opcode } from "../src/files/wire/opcodes.ts";
import { RequestReader } from "../src/files/wire/request.ts";
import { type GuestFuse, MountFlag, StepFlag } from "../src/guest/index.ts";
import { output, run, startGuest, type TestGuest } from "./testing/index.ts";

setDefaultTimeout(60_000);

/** The real kernel, the real agent and the real file server, without a VM: needs /dev/fuse. */

let it: TestGuest;
const made: TestVolume[] = [];
beforeAll(async () => {
  it = await startGuest();
}, 120_000);
afterAll(async () => {
  await it.stop();
  for (const volume of made) volume.stop();
});

const OPTIONS = "user_id=0,group_id=0,default_permissions,allow_other,max_read=122880";
const directory = "/run/volumes/0";
const file = "/run/volumes/1";

function mount(isFile: boolean): GuestFuse {
  const options = `rootmode=${isFile ? "100000" : "40000"},${OPTIONS}`;
  return it.guest.fuse({ path: isFile ? file : directory, isFile, options, mountFlags: MountFlag.noDevices });
}

/** Answers until the filesystem ends. @param onRequest called with each opcode */
async function serve(
  fuse: GuestFuse,
  volume: TestVolume,
  readOnly = false,
  onRequest = (_opcode: number): void => {},
): Promise<void> {
  made.push(volume);
  const session = new Session(volume.folder, { readOnly });
  const reader = new RequestReader();
  for await (const chunk of fuse.read()) {
    for (const request of reader.read(chunk)) {
      onRequest(new DataView(request.buffer, request.byteOffset).getUint32(4, true));
      const reply = session.answer(request);
      if (reply !== undefined) await fuse.write(reply);
    }
  }
}

async function bound(target: string): Promise<void> {
  await it.guest.steps("main", [
    { kind: "hold", path: directory, slot: 90 },
    { kind: "enter", path: "/" },
    { kind: "attach", slot: 90, path: target, flags: StepFlag.makeDirectory },
  ]);
}

async function share(target: string, readOnly = false): Promise<{ fuse: GuestFuse; volume: TestVolume }> {
  const volume = new TestVolume();
  const fuse = mount(false);
  void serve(fuse, volume, readOnly);
  await fuse.mounted;
  await bound(target);
  return { fuse, volume };
}

describe("a volume", () => {
  test("is read and written by ordinary programs, large files too", async () => {
    const { fuse, volume } = await share("/v1");
    writeFileSync(`${volume.path}/from-host`, "host\n");
    const big = crypto.getRandomValues(new Uint8Array(50_000));
    writeFileSync(`${volume.path}/big`, Buffer.concat(Array(20).fill(big)));
    const script =
      "cat from-host && echo guest > new && mkdir -p a/b && ln -s ../new a/link && cat a/link && " +
      "cat big > copy && wc -c < copy && mv a c && ls && rm -r c && ls";
    const text = await output(it.guest, `cd /v1 && ${script}`);
    expect(text).toBe("host\nguest\n1000000\nbig\nc\ncopy\nfrom-host\nnew\nbig\ncopy\nfrom-host\nnew\n");
    expect(readFileSync(`${volume.path}/copy`).equals(readFileSync(`${volume.path}/big`))).toBe(true);
    expect(readFileSync(`${volume.path}/new`, "utf8")).toBe("guest\n");
    fuse.cancel();
    await fuse.ended;
    expect((await run(it.guest, ["ls", "/v1"])).stderr).toContain("not connected");
  });

  test("goes on however its requests fill the windows", async () => {
    const { fuse, volume } = await share("/v5");
    const script =
      "cd /v5 && i=0; while [ $i -lt 60 ]; do i=$((i+1)); head -c $((i * 3001)) /dev/zero > f$i; " +
      "cat f$i > g$i; mv g$i h$i; ls > /dev/null; rm f$i; done; ls | wc -l";
    expect(await output(it.guest, script)).toBe("60\n");
    expect(readFileSync(`${volume.path}/h60`).length).toBe(60 * 3001);
    fuse.cancel();
    await fuse.ended;
  });

  test("that is read-only stays so, whatever root of the guest does", async () => {
    const { fuse, volume } = await share("/v2", true);
    writeFileSync(`${volume.path}/a`, "text");
    const { stderr } = await run(it.guest, [
      "sh",
      "-c",
      "mount -o remount,rw /v2; echo x > /v2/a; rm /v2/a; touch /v2/b; cat /v2/a",
    ]);
    expect(stderr.match(/Read-only file system/g)?.length).toBe(3);
    expect(readFileSync(`${volume.path}/a`, "utf8")).toBe("text");
    fuse.cancel();
    await fuse.ended;
  });

  test("does not have the host asked for capabilities of files that are written", async () => {
    const volume = new TestVolume();
    const fuse = mount(false);
    const opcodes: number[] = [];
    void serve(fuse, volume, false, (opcode) => opcodes.push(opcode));
    await fuse.mounted;
    await bound("/v6");
    await output(it.guest, "cd /v6 && echo 1 > a && echo 2 > a && echo 3 >> a && chown 1:1 a");
    expect(opcodes.filter((opcode) => opcode === Opcode.write).length).toBe(3);
    expect(opcodes).not.toContain(Opcode.getxattr);
    expect(readFileSync(`${volume.path}/a`, "utf8")).toBe("2\n3\n");
    fuse.cancel();
    await fuse.ended;
  });

  test("may be one file", async () => {
    const host = mkdtempSync(`${tmpdir()}/smolvm-file-`);
    writeFileSync(`${host}/config`, "text\n");
    const fuse = mount(true);
    void serve(fuse, new TestVolume({ path: `${host}/config` }));
    await it.guest.steps("main", [
      { kind: "hold", path: file, slot: 90 },
      { kind: "enter", path: "/" },
      { kind: "attach", slot: 90, path: "/etc/app/config", flags: StepFlag.makeFile },
    ]);
    expect(await output(it.guest, "cat /etc/app/config && echo more >> /etc/app/config")).toBe("text\n");
    expect(readFileSync(`${host}/config`, "utf8")).toBe("text\nmore\n");
    fuse.cancel();
    await fuse.ended;
    rmSync(host, { recursive: true });
  });

  test("whose server is silent keeps nobody for ever: its end is an error for who waits", async () => {
    const fuse = mount(false);
    await fuse.mounted;
    await bound("/v4");
    const waiting = run(it.guest, ["ls", "/v4/x"]);
    // The kernel has asked, and nobody answers.
    for await (const _ of fuse.read()) break;
    fuse.cancel();
    expect((await waiting).end).toBe("exit 1");
  });
});

/** Replies that no server would give. */
const reply = fc
  .tuple(fc.oneof(fc.nat(40), fc.nat(200_000), fc.nat(2 ** 31)), fc.nat(3), fc.uint8Array({ maxLength: 60 }))
  .map(([length, unique, rest]) => {
    const bytes = Buffer.alloc(16 + rest.length);
    bytes.writeUInt32LE(length);
    bytes.writeUInt32LE(unique, 8);
    bytes.set(rest, 16);
    return bytes;
  });

test("replies of any bytes, cut anywhere, end the filesystem and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(reply, { minLength: 1, maxLength: 6 }), fc.nat(40), async (replies, cut) => {
      const fuse = mount(false);
      await fuse.mounted;
      const bytes = Buffer.concat(replies);
      await fuse.write(bytes.subarray(0, cut));
      await fuse.write(bytes.subarray(cut));
      fuse.cancel();
      await fuse.ended.catch(() => {});
      expect((await run(it.guest, ["true"])).end).toBe("exit 0");
    }),
    { numRuns: 40 },
  );
}, 120_000);

test("is unmounted when the machine ends, with what was written", async () => {
  const other = await startGuest();
  const before = it;
  it = other;
  try {
    const { volume } = await share("/v1");
    await output(other.guest, "echo last > /v1/last");
    await other.guest.shutdown();
    expect(readFileSync(`${volume.path}/last`, "utf8")).toBe("last\n");
  } finally {
    it = before;
    await other.stop();
  }
}, 60_000);
