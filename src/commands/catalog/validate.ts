import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { EXIT_CODE } from '../../core/errors.ts';
import { issueText } from '../../core/parse.ts';
import type { CatalogValidateData } from '../../provision/plan/catalog-files.ts';

export default class CatalogValidate extends BaseCommand<CatalogValidateData> {
  static override summary = 'Check a catalog file for errors.';
  static override description = 'Exits with 16 when the file has errors, and shows where they are.';
  static override examples = ['<%= config.bin %> catalog validate ./my-family.json'];
  static override args = {
    file: Args.string({ required: true, ignoreStdin: true, description: 'catalog file' }),
  };

  override async run(): Promise<CatalogValidateData> {
    const { args, flags } = await this.parse(CatalogValidate);
    const app = await this.app(flags);
    const { validateCatalogFile } = await import('../../provision/plan/catalog.ts');
    const errors = await validateCatalogFile(app.options.root, app.paths, args.file);
    if (errors.length > 0) this.negative(EXIT_CODE['bad-catalog']);
    this.log(errors.length === 0 ? `${args.file} is valid.` : errors.map(issueText).join('\n'));
    return { file: args.file, errors };
  }
}
