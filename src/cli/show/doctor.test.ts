import { expect, test } from "bun:test";
import { version } from "../../version.ts";
import { type FullReport, formatReport } from "./doctor.ts";

const usable = (path: string) => ({ path, writable: true, problem: null, freeMib: 1000 });

const report: FullReport = {
  host: {
    os: "linux",
    arch: "x64",
    kernel: "6.1.0",
    system: "Debian GNU/Linux 12",
    cpu: "A CPU\u001b[31m",
    cores: 2,
    memoryMib: 16_000,
    virtualization: null,
    glibc: "2.36",
  },
  directories: {
    data: usable("/home/a/.local/share/smolvm"),
    cache: {
      path: "/cache/smolvm",
      writable: false,
      problem: "/cache: read-only file system",
      freeMib: null,
    },
    config: usable("/home/a/.config/smolvm"),
    runtime: usable("/run/user/1000/smolvm"),
  },
  engines: [
    {
      name: "krun",
      works: false,
      reason: "there is no /dev/kvm",
      fix: "modprobe kvm_intel",
      details: {},
      gpu: null,
    },
    {
      ...{ name: "qemu", works: true, reason: "QEMU 9.2 emulates", fix: null },
      details: { path: "/usr/bin/qemu" },
      gpu: {
        works: false,
        reason: "no permission to open /dev/dri/renderD128",
        fix: "usermod -aG render me",
      },
    },
  ],
  confinement: [
    { name: "landlock", inForce: true, detail: "version 7", fix: null },
    { name: "namespaces", inForce: false, detail: "missing: errno 1", fix: "sysctl …" },
  ],
  processes: [
    { name: "machine", inForce: true, detail: "seccomp: it starts no program", fix: null },
    { name: "files", inForce: false, detail: "landlock: missing", fix: "Linux 5.19" },
  ],
  chosen: "qemu",
  ok: false,
  templates: { count: 2, bytes: 340_000_000, failures: ["no room\u001b"] },
};

test("what works, why not, and what to do, without control characters", () => {
  expect(formatReport(report).replace(version, "X.Y.Z")).toMatchInlineSnapshot(`
    "smolvm          X.Y.Z
    host            Debian GNU/Linux 12, linux x64, kernel 6.1.0, glibc 2.36
    cpu             A CPU [31m, 2 usable, no hardware virtualization
    memory          16000 MiB

    krun            does not work: there is no /dev/kvm
      to do         modprobe kvm_intel

    qemu            works: QEMU 9.2 emulates
      path          /usr/bin/qemu
      gpu           none for machines: no permission to open /dev/dri/renderD128
        to do       usermod -aG render me

    landlock        confines machines: version 7
    namespaces      does not confine machines: missing: errno 1
      to do         sysctl …
    its process     confined by seccomp: it starts no program
    file server     not confined: landlock: missing
      to do         Linux 5.19

    data            /home/a/.local/share/smolvm (1000 MiB free)
    cache           /cache/smolvm: cannot be written: /cache: read-only file system
    runtime         /run/user/1000/smolvm (1000 MiB free)
    saved guests    2, 324 MiB
      not made      no room

    Machines cannot run here: a directory cannot be written.
    "
  `);
});

test("the last line is the verdict", () => {
  const verdict = (changes: Partial<FullReport>) =>
    formatReport({ ...report, ...changes })
      .trimEnd()
      .split("\n")
      .at(-1);
  expect(verdict({ ok: true })).toBe("Machines run here, on qemu.");
  expect(verdict({ chosen: null })).toBe("Machines cannot run here: no engine works.");
  expect(verdict({})).toBe("Machines cannot run here: a directory cannot be written.");
});
