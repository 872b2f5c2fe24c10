import { BaseCommand } from '../../cli/base-command.ts';
import { contentsText } from '../../cli/render/cache.ts';
import type { CacheContents } from '../../sources/cache/schema.ts';

export default class CacheList extends BaseCommand<CacheContents> {
  static override summary = 'List cached files and partial downloads.';
  static override examples = ['<%= config.bin %> cache list', '<%= config.bin %> cache list --json'];

  override async run(): Promise<CacheContents> {
    const { flags } = await this.parse(CacheList);
    const app = await this.app(flags);
    const { listCache } = await import('../../provision/maintain/cache.ts');
    const contents = await listCache(app);
    this.log(contentsText(contents));
    return contents;
  }
}
