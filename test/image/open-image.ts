/** A process that opens an image, for the tests: `open-image.ts SOURCE CACHE` prints what came out as JSON. */
import { openLocalImage } from "../../src/image/index.ts";

const [source = "", cacheDir = ""] = process.argv.slice(2);
try {
  const { id, path, cached } = await openLocalImage(source, { cacheDir });
  console.log(JSON.stringify({ id, path, cached }));
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  console.log(JSON.stringify({ code, message }));
}
