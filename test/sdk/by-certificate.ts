/** A program with a machine of a server that asks for certificates: `by-certificate.ts URL CA CERT KEY`. */
import { readFileSync } from "node:fs";
import { Smolvm } from "../../sdk/src/index.ts";
import { SMALL } from "./cases.ts";

async function main(url: string, ...files: readonly string[]): Promise<void> {
  const [ca = "", cert = "", key = ""] = files.map((file) => readFileSync(file, "utf8"));
  await using client = new Smolvm({ url, tls: { ca, cert, key } });
  try {
    const machine = await client.create(SMALL);
    const { output } = await machine.exec(["cat"], { stdin: "over TLS" });
    await machine.fs.writeFile("/root/file", "a file");
    console.log(output, await machine.fs.readFile("/root/file", "utf8"));
  } catch (error) {
    console.log((error as { code?: string }).code ?? String(error));
  }
}

const [url = "", ...files] = process.argv.slice(2);
void main(url, ...files);
