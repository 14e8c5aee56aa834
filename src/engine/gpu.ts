/**
 * Why no machine of this release has a GPU, for each place that can ask for one: options, Smolfiles, HTTP. All of it is
 * the build's doing (recipes/libkrun, recipes/kernel), so nothing of the host is looked at. When a reason is gone,
 * recipes/libkrun/features.test.ts or recipes/kernel/kernel.test.ts fails.
 */
export const NO_GPU =
  "machines are without GPU support: libkrun is built without virglrenderer, QEMU's microvm has no virtio-gpu, and " +
  "the machines' kernel has no driver for one";

/** What can be done instead. */
export const NO_GPU_REMEDY =
  "run what needs the GPU on the host, and reach it from the machine with --allow-host-loopback";
