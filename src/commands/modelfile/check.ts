import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { catalogFlags } from '../../cli/flags.ts';
import type { ModelfileCheckData } from '../../provision/plan/modelfiles.ts';

export default class ModelfileCheck extends BaseCommand<ModelfileCheckData> {
  static override summary = 'Check that generated Modelfiles are up to date.';
  static override description = 'Exits with 4 when a Modelfile is outdated, missing or orphaned.';
  static override examples = [
    '<%= config.bin %> modelfile check',
    '<%= config.bin %> modelfile check --folder ./modelfiles --json',
  ];
  static override flags = {
    ...catalogFlags,
    folder: Flags.string({ helpValue: 'FOLDER', description: 'folder to check (default: that of this package)' }),
  };

  override async run(): Promise<ModelfileCheckData> {
    const { flags } = await this.parse(ModelfileCheck);
    const app = await this.app(flags);
    const { checkModelfiles } = await import('../../provision/plan/modelfiles.ts');
    const data = await checkModelfiles(app, flags.folder);
    for (const { path, kind, detail } of data.differences) this.log(`${kind}: ${path} (${detail})`);
    this.log(`${data.checked} Modelfiles checked, ${data.differences.length} wrong.`);
    if (data.differences.length > 0) this.negative();
    return data;
  }
}
