import { licenceTexts } from "../../assets/index.ts";
import { print } from "../output.ts";

/** `licences`. A reader that has seen enough (`| head`, a pager that is left) is no error. */
export async function run(): Promise<number> {
  const texts = await licenceTexts();
  await print(texts.endsWith("\n") ? texts : `${texts}\n`);
  return 0;
}
