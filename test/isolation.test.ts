import { describe, expect } from "bun:test";
import { readdirSync } from "node:fs";
import { testImages } from "./support/images.ts";
import { sharedCache } from "./support/program.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** What a workload can see and reach. */

const home = useHome();
const images = await testImages();
const shell = (script: string) => home.run(["sh", "-c", script]);

describe("a workload", () => {
  onBoth("sees its own processes and no others", async () => {
    const { output, exitCode } = await shell(
      "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null",
    );
    expect(exitCode).toBe(0);
    expect(output).toContain("sh -c");
    expect(output).not.toContain("agent");
    expect(output).not.toContain("smolvm");
    expect(output.trim().split("\n").filter(Boolean).length).toBeLessThanOrEqual(3);
  });

  onBoth("sees nothing of the system image", async () => {
    const { output, exitCode } = await shell("ls -A /; cat /proc/self/mountinfo; ls /proc/1/root/");
    expect(exitCode).toBe(0);
    expect(output).toContain(" - overlay overlay ");
    expect(output).not.toMatch(/^init$/m);
    // The machine's own disk is its /storage, and nothing else.
    const withoutStorage = output.replace(/^.* \/storage .* - ext4 \/dev\/vd[a-z] .*$/m, "");
    expect(withoutStorage).not.toMatch(/erofs|virtiofs|\/dev\/vd[a-z]/);
  });

  onQemu("has no disks in /dev, and standard devices that work", async () => {
    const { output, exitCode } = await shell(
      "ls /dev | grep -E '^(vd|hvc|vport|mem|port)' ; [ -c /dev/null ] && [ -c /dev/urandom ] && [ -d /dev/pts ] && [ -d /dev/shm ] && echo x > /dev/null && echo fine",
    );
    expect({ output, exitCode }).toEqual({ output: "fine\n", exitCode: 0 });
  });

  onBoth("has no network but its own loopback", async () => {
    expect(await shell("ls /sys/class/net; cat /proc/net/route | wc -l")).toMatchObject({
      output: "lo\n1\n",
      exitCode: 0,
    });
  });

  onQemu("can use its loopback", async () => {
    const { output } = await shell("cat /sys/class/net/lo/flags");
    expect(Number.parseInt(output, 16) & 1).toBe(1); // IFF_UP
  });

  onQemu("does not see the host's environment, name or files", async () => {
    const { output } = await home.run(["sh", "-c", "env; hostname; cat /proc/cmdline"], {
      env: { SECRET_OF_THE_HOST: "hunter2" },
      options: ["--name", "inside"],
    });
    expect(output).not.toContain("hunter2");
    expect(output).not.toContain(home.path);
    expect(output).toContain("\ninside\n");
  });

  onBoth("cannot write the files that machines share, whatever it does", async () => {
    const options = ["--image", images.archive, "--entrypoint", "/bin/sh", "-u", "0"];
    expect(await home.run(["-c", "true"], { options })).toMatchObject({ exitCode: 0 });
    const before = await hashes();
    expect(Object.keys(before).length).toBeGreaterThan(3);
    // As root of the guest, with device nodes and mounts of its own, and busybox for everything that takes.
    const script = `
       for disk in /sys/block/vd*; do
         [ $(cat $disk/ro) = 1 ] || continue
         mknod /tmp/node b $(tr : " " < $disk/dev)
         dd if=/dev/zero of=/tmp/node bs=4096 count=64 conv=fsync && echo "wrote to $disk"
         rm -f /tmp/node
       done 2>/dev/null
       echo tried`;
    const { output } = await home.run(["-c", script], { options });
    expect(output).toBe("tried\n");
    expect(await hashes()).toEqual(before);
    expect(await shell("echo still fine")).toMatchObject({ output: "still fine\n", exitCode: 0 });
  });
});

/** Content of everything in the cache that VMs are given. */
async function hashes(): Promise<Record<string, string>> {
  const directory = `${sharedCache()}/smolvm`;
  const found: Record<string, string> = {};
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    if (!/\.(erofs|data|vmdk)$|kernel$/.test(name)) continue;
    const hash = new Bun.CryptoHasher("sha256");
    for await (const chunk of Bun.file(`${directory}/${name}`).stream()) hash.update(chunk);
    found[name] = hash.digest("hex");
  }
  return found;
}

describe("the guest", () => {
  onQemu(
    "mitigates faults of the processor, and runs programs at random addresses, when asked to",
    async () => {
      const files = [
        "/proc/sys/kernel/randomize_va_space",
        "/sys/devices/system/cpu/vulnerabilities/spectre_v1",
      ];
      const plain = await home.smolvm(["machine", "run", "--", "cat", ...files]);
      expect(plain.output).toStartWith("0\nVulnerable");
      const asked = await home.smolvm(["machine", "run", "--mitigations", "--", "cat", ...files]);
      expect(asked.output).toStartWith("2\nMitigation");
    },
  );

  onBoth("has the host's time", async () => {
    const { output } = await shell("date +%s");
    expect(Math.abs(Number(output) - Date.now() / 1000)).toBeLessThan(20);
  });

  onQemu("has the processors, memory and disks that were asked for", async () => {
    const { output } = await home.smolvm(
      ["machine", "run", "--cpus", "3", "--mem", "700", "--storage", "5", "--overlay", "3", "--"].concat([
        "sh",
        "-c",
        "nproc; grep MemTotal /proc/meminfo; df -k / /workspace",
      ]),
    );
    const [processors, memory, , overlay, storage] = output.split("\n");
    expect(processors).toBe("3");
    const kib = Number(memory?.match(/\d+/)?.[0]);
    expect(kib).toBeGreaterThan(600 * 1024);
    expect(kib).toBeLessThanOrEqual(700 * 1024);
    const gib = (line = "") => Number(line.split(/\s+/)[1]) / 1024 ** 2;
    expect(gib(overlay)).toBeWithin(2.6, 3.01);
    expect(gib(storage)).toBeWithin(4.5, 5.01);
  });
});
