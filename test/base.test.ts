import { expect } from "bun:test";
import { debianImage } from "./support/debian.ts";
import { inLab } from "./support/program.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** A machine that was given no image: Alpine's minimal root; and Debian, as an image that others made. */

const home = useHome();
/** Takes a minute to make, once. */
const debian = inLab ? undefined : await debianImage();

onBoth("a machine without an image is Alpine, and apk finds nothing changed", async () => {
  const script = `
    . /etc/os-release; echo "$ID $VERSION_ID"
    apk audit --system && echo unchanged
    apk info -v
    sha256sum /etc/apk/keys/* | wc -l
    apk --no-network fix --simulate 2>/dev/null | tail -n 1`;
  const { output, exitCode } = await home.run(["sh", "-c", script]);
  const [system, audit, ...packages] = output.trim().split("\n");
  const [keys, fix] = packages.splice(-2);
  expect(exitCode).toBe(0);
  expect(system).toMatch(/^alpine 3\.\d+\.\d+$/);
  expect(audit).toBe("unchanged");
  expect(packages.map((line) => line.replace(/-[^-]+-r\d+$/, "")).sort()).toEqual([
    "alpine-baselayout",
    "alpine-baselayout-data",
    "alpine-keys",
    "alpine-release",
    "apk-tools",
    "busybox",
    "busybox-binsh",
    "ca-certificates-bundle",
    "libapk",
    "libcrypto3",
    "libssl3",
    "musl",
    "musl-utils",
    "scanelf",
    "ssl_client",
    "zlib",
  ]);
  expect(keys).toBe("3");
  expect(fix).toMatch(/^OK: .* in 16 packages$/);
});

onQemu("its tools are those that people expect of Alpine, and they run", async () => {
  const script = `
    for name in nslookup nc wget ip ps mount vi top tar sed awk find adduser crontab; do
      command -v "$name" >/dev/null || echo "no $name"
    done
    ip addr show lo | grep -c LOOPBACK
    mkdir -p /mnt/a && mount -t tmpfs none /mnt/a && mount | grep -c /mnt/a
    ps | head -n 1 | awk '{ print $1 }'
    getconf PAGESIZE; id -un; getent passwd nobody | cut -d: -f1`;
  const { output, stderr, exitCode } = await home.run(["sh", "-c", script]);
  expect({ output, stderr, exitCode }).toEqual({
    output: "1\n1\nPID\n4096\nroot\nnobody\n",
    stderr: "",
    exitCode: 0,
  });
});

onQemu("nobody gets root without a password in it", async () => {
  const { output } = await home.run(["sh", "-c", "head -n 1 /etc/shadow; stat -c '%U:%G %a' /etc/shadow"]);
  expect(output).toBe("root:*::0:::::\nroot:shadow 640\n");
});

onQemu("Debian as an image: dpkg finds nothing changed", async () => {
  const options = ["--image", debian ?? ""];
  // The image has no documentation: only what is there and differs counts.
  const script = `. /etc/os-release; echo "$ID"; dpkg --audit; dpkg --verify | grep -v ^missing; echo checked`;
  const { output, exitCode } = await home.run(["bash", "-c", script], { options, seconds: 180 });
  expect(output).toMatch(/^(debian|ubuntu)\nchecked\n$/);
  expect(exitCode).toBe(0);
});
