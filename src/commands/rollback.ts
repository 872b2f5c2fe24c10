import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, runtimeFlags } from '../cli/flags.ts';
import { rollbackText } from '../cli/render/upgrade.ts';
import type { InstallReport } from '../provision/install/schema.ts';

export default class Rollback extends BaseCommand<InstallReport> {
  static override summary = 'give a name back to the version that an upgrade replaced';
  static override description =
    'The earlier version is tested before it gets the name; what answered until then is kept in its place, so that a second rollback goes forward again. Exits with 18, and changes nothing, when the earlier version is gone or is not what was recorded.';
  static override examples = [
    '<%= config.bin %> rollback gemma-3n-e4b:q4_k_m',
    {
      description: 'at once, without the test',
      command: '<%= config.bin %> rollback gemma-3n-e4b:q4_k_m --no-smoke',
    },
  ];
  static override args = {
    name: Args.string({ required: true, ignoreStdin: true, description: 'name as in list' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...catalogFlags,
    suite: Flags.string({ helpValue: 'FILE', description: 'a smoke suite of your own' }),
    'no-smoke': Flags.boolean({ description: 'do not test the earlier version' }),
    force: Flags.boolean({ description: 'also when somebody changed the model since it was installed' }),
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
