import { expect, test } from "bun:test";
import { gpuArguments, kernelParameters, qemuArguments, qemuMachine } from "./arguments.ts";

const x86 = qemuMachine("x64");
const arm = qemuMachine("arm64");
const channels = { agent: "/a", card: "" };

test("a network card, when there is one", () => {
  const spec = {
    ...{ cpus: 1, memoryMib: 64, kernel: "/k", commandLine: [], disks: [], shares: [] },
    ...{ agentSocket: "/a", agentPort: 6000, ephemeral: true },
  };
  const card = { socket: "/run/a,b/net.sock", mac: "02:53:4d:00:00:02" };
  expect(qemuArguments({ ...spec, card }, [], "", { agent: "/a", card: card.socket }).slice(8, 12)).toEqual([
    ...["-netdev", "stream,id=net,server=off,addr.type=unix,addr.path=/run/a,,b/net.sock"],
    ...["-device", "virtio-net-device,netdev=net,mac=02:53:4d:00:00:02,mq=off,rx_queue_size=1024"],
  ]);
  expect(qemuArguments(spec, [], "", channels).join(" ")).not.toContain("net");
});

test("channels that are connected already are given by descriptor", () => {
  const spec = {
    ...{ cpus: 1, memoryMib: 64, kernel: "/k", commandLine: [], disks: [], shares: [] },
    ...{ agentSocket: "/a", agentPort: 6000, ephemeral: true },
    card: { socket: "/n", mac: "02:53:4d:00:00:02" },
  };
  const words = qemuArguments(spec, [], "", { agent: 10, card: 11 });
  expect(words).toContain("stream,id=net,server=off,addr.type=fd,addr.str=11");
  expect(words).toContain("socket,id=agent,fd=10");
  expect(words.join(" ")).not.toMatch(/path=/);
});

test("the whole command on x86", () => {
  const spec = {
    cpus: 2,
    memoryMib: 8192,
    kernel: "/cache/kernel",
    commandLine: [],
    disks: [
      { path: "/cache/system.erofs", readOnly: true },
      { path: "/data/a,b/overlay.ext4", readOnly: false },
      { path: "/cache/image.vmdk", readOnly: true, format: "vmdk" as const },
    ],
    shares: [],
    agentSocket: "/run/a,b/agent.sock",
    agentPort: 6000,
    ephemeral: false,
  };
  expect(
    qemuArguments(spec, x86?.machineArguments ?? [], "quiet root=/dev/vda", {
      ...channels,
      agent: spec.agentSocket,
    }).join("\n"),
  ).toMatchInlineSnapshot(`
    "-M
    microvm,rtc=on,acpi=off,auto-kernel-cmdline=on,isa-serial=off,x-option-roms=off
    -accel
    tcg,thread=multi
    -cpu
    max,-svm,-la57,-erms
    -global
    virtio-mmio.force-legacy=false
    -nodefaults
    -no-user-config
    -display
    none
    -no-reboot
    -device
    virtio-serial-device,max_ports=2
    -device
    virtio-balloon-device,free-page-reporting=on
    -sandbox
    on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
    -m
    8192M
    -smp
    2
    -kernel
    /cache/kernel
    -append
    quiet root=/dev/vda
    -blockdev
    {"driver":"raw","node-name":"disk0","read-only":true,"cache":{"no-flush":false},"file":{"driver":"file","filename":"/cache/system.erofs","locking":"off","cache":{"no-flush":false}}}
    -device
    virtio-blk-device,drive=disk0,werror=report,rerror=report
    -blockdev
    {"driver":"raw","node-name":"disk1","read-only":false,"discard":"unmap","detect-zeroes":"unmap","cache":{"no-flush":false},"file":{"driver":"file","filename":"/data/a,b/overlay.ext4","locking":"auto","cache":{"no-flush":false}}}
    -device
    virtio-blk-device,drive=disk1,werror=report,rerror=report
    -blockdev
    {"driver":"vmdk","node-name":"disk2","read-only":true,"cache":{"no-flush":false},"file":{"driver":"file","filename":"/cache/image.vmdk","locking":"off","cache":{"no-flush":false}}}
    -device
    virtio-blk-device,drive=disk2,werror=report,rerror=report
    -chardev
    stdio,id=console,signal=off
    -device
    virtconsole,chardev=console
    -chardev
    socket,id=agent,path=/run/a,,b/agent.sock
    -device
    virtserialport,chardev=agent,name=smolvm.agent"
  `);
  const cache = (ephemeral: boolean) =>
    qemuArguments({ ...spec, ephemeral }, [], "", channels).filter((word) => word.includes('"no-flush":true'))
      .length;
  expect(cache(true)).toBe(3);
  expect(cache(false)).toBe(0);
});

test("a GPU: drawn by the host's, or a card alone", () => {
  const renderNode = "/dev/dri/renderD128";
  expect(gpuArguments({ vramMib: 4096, renderNode })).toEqual([
    ...["-display", "egl-headless,rendernode=/dev/dri/renderD128"],
    ...["-device", "virtio-gpu-gl-device,max_hostmem=4096M"],
  ]);
  expect(gpuArguments({ vramMib: 1, renderNode: null })).toEqual([
    "-device",
    "virtio-gpu-device,max_hostmem=1M",
  ]);
});

test("what the machines allow", () => {
  expect(x86?.limits).toEqual({ commandLineBytes: 1743, devices: 5 });
  expect(arm?.limits).toEqual({ commandLineBytes: 2047, devices: 29 });
  expect(qemuMachine("s390x")).toBeUndefined();
});

test("secondary CPUs are left to init on every machine: QEMU before 8.1 is not safe otherwise", () => {
  for (const machine of [x86, arm]) expect(machine?.parameters).toContain("maxcpus=1");
});

test("who asks for mitigations has programs at random addresses", () => {
  const own = x86?.parameters ?? [];
  expect(kernelParameters(own, ["root=/dev/vda"])).toEqual([...own, "root=/dev/vda"]);
  const asked = kernelParameters(own, ["mitigations=auto"]);
  expect([...asked, "norandmaps"].sort()).toEqual([...own, "mitigations=auto"].sort());
  expect(asked.at(-1)).toBe("mitigations=auto");
});
