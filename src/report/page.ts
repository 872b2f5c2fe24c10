import { dirname, join, resolve } from 'node:path';
import { errnoOf, messageOf, ProvisionError } from '../core/errors.ts';
import { realDisk, withFile } from '../disk/disk.ts';
import type { RecommendData } from '../provision/plan/recommend.ts';
import { isOurPage } from './marker.ts';
import { recommendationPage } from './recommendation.ts';

/** Where the template is inside this package. */
const TEMPLATE = 'templates/report/recommend.html.hbs';
/** The marker is in the page's head. */
const HEAD_BYTES = 4096;

/**
 * Writes a recommendation as one page and returns its absolute path. A file that this tool did not write is left alone:
 * one slip, and a model that took an hour to download would be a page. Throws `bad-usage`, `file-access`.
 */
export async function writePage(file: string, data: RecommendData, root: string): Promise<string> {
  const path = resolve(file);
  await refuseForeign(path, file);
  const template = await realDisk.readFile(join(root, TEMPLATE), 'utf8');
  try {
    await realDisk.replaceText(path, recommendationPage(data, template));
  } catch (cause) {
    throw new ProvisionError('file-access', `${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
  return path;
}

async function refuseForeign(path: string, file: string): Promise<void> {
  const folder = await realDisk.stat(dirname(path), { bigint: true }).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    throw new ProvisionError('bad-usage', `--html ${file}: there is no folder ${dirname(path)}`);
  }
  const found = await realDisk.stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isFile()) {
    throw new ProvisionError('bad-usage', `--html ${file} is not a file`, {
      suggestions: [`Name a file: --html ${join(file, 'recommendation.html')}`],
    });
  }
  if (found.size === 0n || isOurPage(await headOf(path))) return;
  throw new ProvisionError('bad-usage', `--html ${file} exists and was not written by this tool`, {
    suggestions: ['Choose another name, or remove that file first.'],
  });
}

async function headOf(path: string): Promise<string> {
  try {
    return await withFile(realDisk, path, async (handle) => {
      const buffer = Buffer.alloc(HEAD_BYTES);
      const { bytesRead } = await handle.read(buffer, 0, HEAD_BYTES, 0);
      return buffer.toString('utf8', 0, bytesRead);
    });
  } catch (cause) {
    throw new ProvisionError('file-access', `${path} cannot be read: ${errnoOf(cause) ?? messageOf(cause)}`, { cause });
  }
}
