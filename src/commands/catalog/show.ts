import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { catalogFlags } from '../../cli/flags.ts';
import { modelText } from '../../cli/render/catalog.ts';
import type { CatalogShowData } from '../../provision/plan/catalog-files.ts';

export default class CatalogShow extends BaseCommand<CatalogShowData> {
  static override summary = 'Show everything the catalog knows about a model.';
  static override examples = [
    '<%= config.bin %> catalog show gemma-3n-e4b',
    '<%= config.bin %> catalog show gemma-3n-e4b:q4_0',
    '<%= config.bin %> catalog show gemma-3n-e4b --json',
  ];
  static override args = {
    model: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'model of the catalog, with or without a quant',
    }),
  };
  static override flags = { ...catalogFlags };

  override async run(): Promise<CatalogShowData> {
    const { args, flags } = await this.parse(CatalogShow);
    const app = await this.app(flags);
    const { resolveModel } = await import('../../catalog/lookup.ts');
    const { family, model: whole, quant } = resolveModel(await app.catalog(), args.model);
    const model = quant === undefined ? whole : { ...whole, quants: [quant] };
    this.log(modelText(family, model));
    const { models: _models, ...rest } = family;
    return { family: rest, model };
  }
}
