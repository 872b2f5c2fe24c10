import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, runtimeFlags } from '../cli/flags.ts';
import { rollbackText } from '../cli/render/upgrade.ts';
import type { InstallReport } from '../provision/install/schema.ts';

export default class Rollback extends BaseCommand<InstallReport> {
  static override summary = 'Roll a model back to its previous version.';
  static override description =
    'The previous version is tested before it gets the name. The current version becomes the previous one, so a second rollback reverses the first. Exits with 18, and changes nothing, when the previous version is missing or differs from its record.';
  static override examples = [
    '<%= config.bin %> rollback gemma-3n-e4b:q4_k_m',
    {
      description: 'immediately, without the smoke test',
      command: '<%= config.bin %> rollback gemma-3n-e4b:q4_k_m --no-smoke',
    },
  ];
  static override args = {
    name: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'name of the installed model, as shown by list',
    }),
  };
  static override flags = {
    ...runtimeFlags,
    ...catalogFlags,
    suite: Flags.string({ helpValue: 'SUITE', description: 'built-in smoke suite or your own file: ./suite.json' }),
    'no-smoke': Flags.boolean({ description: 'skip the smoke test of the previous version' }),
    force: Flags.boolean({ description: 'even if the model was changed since it was installed' }),
  };

  override async run(): Promise<InstallReport> {
    const { args, flags } = await this.parse(Rollback);
    const app = await this.app(flags);
    const { rollback } = await import('../provision/maintain/rollback.ts');
    const report = await this.progress(await rollback(app, args.name, flags));
    this.log(rollbackText(report, this.terminal));
    return report;
  }
}
