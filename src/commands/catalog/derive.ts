import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { catalogFlags, outputFlags } from '../../cli/flags.ts';
import { safe } from '../../cli/redaction.ts';
import { deriveText } from '../../cli/render/derive.ts';
import type { CatalogDeriveData } from '../../provision/plan/catalog-derive.ts';

export default class CatalogDerive extends BaseCommand<CatalogDeriveData> {
  static override summary = 'Derive a catalog entry from a model file, to be completed by you.';
  static override description =
    'Reads the header of a GGUF file, or the config.json of a repository, and writes what it says: shape, tokens, sizes, weights, source, commit and digest. What it does not say is left out and listed; catalog validate lists it again until the entry is complete.';
  static override examples = [
    '<%= config.bin %> catalog derive ./model.gguf --output ./mine.json',
    '<%= config.bin %> catalog derive hf:OWNER/REPO/FILE.gguf --family my-family',
    '<%= config.bin %> catalog derive hf:OWNER/REPO',
  ];
  static override args = {
    ref: Args.string({
      required: true,
      ignoreStdin: true,
      description:
        'GGUF file or hf:OWNER/REPO[@REVISION]/FILE.gguf, or a repository (hf:OWNER/REPO), whose config.json is read then',
    }),
  };
  static override flags = {
    output: Flags.string({ helpValue: 'FILE', description: 'write the entry to this file instead of stdout' }),
    family: Flags.string({
      helpValue: 'FAMILY',
      description: 'family of the catalog that gets the model, or the id of a new one (default: by architecture)',
    }),
    id: Flags.string({ helpValue: 'ID', description: 'id of the model (default: from its name)' }),
    ...catalogFlags,
    ...outputFlags,
  };

  override async run(): Promise<CatalogDeriveData> {
    const { args, flags } = await this.parse(CatalogDerive);
    const app = await this.app(flags);
    const { deriveCatalog } = await import('../../provision/plan/catalog-derive.ts');
    const { output, family, id, force = false } = flags;
    const data = await this.progress(deriveCatalog(app, { ref: args.ref, output, family, id, force }));
    if (!this.jsonEnabled()) this.terminal.err.text(`${safe(deriveText(data))}\n`);
    this.log(data.file === undefined ? JSON.stringify(data.document, undefined, 2) : `Wrote ${data.file}`);
    return data;
  }
}
