import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { EXIT_CODE } from '../../core/errors.ts';
import type { CatalogValidateData } from '../../provision/plan/catalog-files.ts';

export default class CatalogValidate extends BaseCommand<CatalogValidateData> {
  static override summary = 'is a catalog file of your own right';
  static override description = 'Exits with 16 when it is not, and says where.';
  static override examples = ['<%= config.bin %> catalog validate ./my-family.json'];
  static override args = {
    file: Args.string({ required: true, ignoreStdin: true, description: 'the catalog file' }),
  };

  override async run(): Promise<CatalogValidateData> {
    const { args, flags } = await this.parse(CatalogValidate);
    const app = await this.app(flags);
    const { validateCatalogFile } = await import('../../provision/plan/catalog.ts');
    const errors = await validateCatalogFile(app.options.root, app.paths, args.file);
    if (errors.length > 0) this.negative(EXIT_CODE['bad-catalog']);
    this.log(
      errors.length === 0
        ? `${args.file} is valid.`
        : errors.map(({ path, message }) => `${path}: ${message}`).join('\n'),
    );
    return { file: args.file, errors };
  }
}
