import { expect, test } from "bun:test";
import { describeDisk } from "./vmdk.ts";

const layer = (digit: string, bytes: number) => ({ diffId: `sha256:${digit.repeat(64)}`, bytes });
const id = `sha256:${"c0ffee00".repeat(8)}`;

test("block 0, each layer once and only if it has data, the rest", () => {
  const layers = [layer("1", 8192), layer("2", 0), layer("1", 8192), layer("3", 2 ** 40)];
  expect(describeDisk({ id, layers, metadataBytes: 12_288 })).toMatchInlineSnapshot(`
    "# Disk DescriptorFile
    version=1
    CID=c0ffee00
    parentCID=ffffffff
    createType="twoGbMaxExtentFlat"
    RW 8 FLAT "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00.erofs" 0
    RW 16 FLAT "layers/1111111111111111111111111111111111111111111111111111111111111111.data" 0
    RW 2147483648 FLAT "layers/3333333333333333333333333333333333333333333333333333333333333333.data" 0
    RW 16 FLAT "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00.erofs" 8
    ddb.adapterType = "ide"
    ddb.geometry.sectors = "63"
    ddb.geometry.heads = "16"
    ddb.geometry.cylinders = "1"
    "
  `);
});

test("an image of nothing is block 0", () => {
  const extents = describeDisk({ id, layers: [], metadataBytes: 4096 }).match(/^RW .*$/gm);
  expect(extents).toEqual([`RW 8 FLAT "${"c0ffee00".repeat(8)}.erofs" 0`]);
});

test("no line is empty: QEMU would take the extent behind it twice", () => {
  const text = describeDisk({ id, layers: [layer("1", 4096)], metadataBytes: 8192 });
  expect(text.trimEnd().split("\n")).not.toContain("");
});
