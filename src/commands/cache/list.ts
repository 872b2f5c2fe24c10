import { BaseCommand } from '../../cli/base-command.ts';
import { contentsText } from '../../cli/render/cache.ts';
import type { CacheListData } from '../../cli/results.ts';

export default class CacheList extends BaseCommand<CacheListData> {
  static override summary = 'fetched files, and what is left of fetches that broke off';
  static override examples = ['<%= config.bin %> cache list', '<%= config.bin %> cache list --json'];

  override async run(): Promise<CacheListData> {
    const { flags } = await this.parse(CacheList);
    const services = await this.services(flags);
    const contents = await services.cacheList();
    this.log(contentsText(contents));
    return contents;
  }
}
