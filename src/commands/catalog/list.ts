import { BaseCommand } from '../../cli/base-command.ts';
import { catalogFlags } from '../../cli/flags.ts';
import { familiesText, summaryOf } from '../../cli/render/catalog.ts';
import type { CatalogListData } from '../../provision/plan/catalog-files.ts';

export default class CatalogList extends BaseCommand<CatalogListData> {
  static override summary = 'List the families, models and quants of the catalog.';
  static override examples = [
    '<%= config.bin %> catalog list',
    '<%= config.bin %> catalog list --catalog ./mine.json --json',
  ];
  static override flags = { ...catalogFlags };

  override async run(): Promise<CatalogListData> {
    const { flags } = await this.parse(CatalogList);
    const app = await this.app(flags);
    const { families: loaded } = await app.catalog();
    const families = loaded.map(summaryOf);
    this.log(familiesText(families));
    return { families };
  }
}
