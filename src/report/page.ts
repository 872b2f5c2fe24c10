import { join } from 'node:path';
import { realDisk } from '../disk/disk.ts';
import { headOf, type OutputKind, requireOutput } from '../disk/output-file.ts';
import type { RecommendData } from '../provision/plan/recommend.ts';
import { isOurPage } from './marker.ts';
import { recommendationPage } from './recommendation.ts';

/** Where the template is inside this package. */
const TEMPLATE = 'templates/report/recommend.html.hbs';
/** The marker is in the page's head. */
const HEAD_BYTES = 4096;

const PAGE: OutputKind = {
  name: 'a page',
  example: 'recommendation.html',
  matches: async (file) => isOurPage((await headOf(file, HEAD_BYTES)).toString('utf8')),
};

/** Writes a recommendation as one page and returns its absolute path. Throws `bad-usage`, `file-access`, `disk-full`. */
export async function writePage(
  { file, force }: { readonly file: string; readonly force: boolean },
  data: RecommendData,
  root: string,
): Promise<string> {
  const path = await requireOutput(realDisk, { typed: file, flag: '--html', kind: PAGE, force });
  const template = await realDisk.readFile(join(root, TEMPLATE), 'utf8');
  await realDisk.replaceOutput(path, recommendationPage(data, template));
  return path;
}
