import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { refreshText } from '../../cli/render/refresh.ts';
import { EXIT_CODE } from '../../core/errors.ts';
import type { CatalogRefreshData } from '../../provision/plan/catalog-refresh.ts';

export default class CatalogRefresh extends BaseCommand<CatalogRefreshData> {
  static override summary = 'Pin every source of the catalog to what the hub has now.';
  static override description =
    'Asks each Hugging Face repository for its branches and files once, and writes commit, size and SHA-256 of every source: into overlays in the config folder, or in place into your own files with --catalog. Exits with 3 when a source has vanished. A catalog of your own that is signed must be signed again.';
  static override examples = [
    '<%= config.bin %> catalog refresh --dry-run',
    '<%= config.bin %> catalog refresh',
    '<%= config.bin %> catalog refresh --catalog ./my-family.json',
  ];
  static override flags = {
    catalog: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'FILE',
      description: 'catalog file to change in place, instead of overlays of the built-in ones (may be repeated)',
    }),
    'dry-run': Flags.boolean({ description: 'show what would change without writing anything' }),
  };

  override async run(): Promise<CatalogRefreshData> {
    const { flags } = await this.parse(CatalogRefresh);
    // The files are what is to be changed, so they are not part of this run's catalog.
    const { catalog: files = [], ...others } = flags;
    const app = await this.app(others);
    const { refreshCatalog } = await import('../../provision/plan/catalog-refresh.ts');
    const data = await this.progress(refreshCatalog(app, { files, dryRun: flags['dry-run'] ?? false }));
    if (data.changes.some(({ kind }) => kind === 'vanished')) this.negative(EXIT_CODE['source-not-found']);
    this.log(refreshText(data));
    return data;
  }
}
