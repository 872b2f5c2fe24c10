import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, changeFlags, keepFlags, networkFlags, runtimeFlags, visionFlags } from '../cli/flags.ts';
import { upgradeText } from '../cli/render/upgrade.ts';
import { visionOf } from '../cli/requests.ts';
import type { UpgradeReport } from '../provision/install/schema.ts';

export default class Upgrade extends BaseCommand<UpgradeReport> {
  static override summary = 'Upgrade models to the latest version of their source, or to another model.';
  static override description =
    'Keeps model, quant, use case, settings and name. The replaced version is kept for a rollback. Without NAME, a failure of one model does not stop the others, and the exit code is the highest of all. With --to, the name gets another model: its quant, sampling and chat template are chosen anew; use case, context length and name stay.';
  static override examples = [
    '<%= config.bin %> upgrade gemma-3n-e4b:q4_k_m',
    { description: 'all models that this tool installed', command: '<%= config.bin %> upgrade' },
    {
      description: 'the same name, for another model',
      command: '<%= config.bin %> upgrade gemma-3n-e4b:q4_k_m --to gemma-4-e4b',
    },
    {
      description: 'without keeping the replaced version',
      command: '<%= config.bin %> upgrade gemma-3n-e4b:q4_k_m --no-keep',
    },
  ];
  static override args = {
    name: Args.string({ ignoreStdin: true, description: 'name of the installed model, as shown by list' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...networkFlags,
    ...catalogFlags,
    ...keepFlags,
    to: Flags.string({
      helpValue: 'MODEL',
      description: 'another model of the catalog for NAME, optionally with a quant: gemma-4-e4b:q4_k_m',
    }),
    ...visionFlags,
    suite: Flags.string({ helpValue: 'SUITE', description: 'built-in smoke suite or your own file: ./suite.json' }),
    ...changeFlags,
  };

  override async run(): Promise<UpgradeReport> {
    const { args, flags } = await this.parse(Upgrade);
    const app = await this.app(flags);
    const { upgradeInstalled } = await import('../provision/share/pinned.ts');
    const report = await this.progress(
      upgradeInstalled(app, args.name, { ...flags, eyes: visionOf(flags) }, this.consent(flags)),
    );
    const worst = Math.max(0, ...report.results.map(({ error }) => error?.exitCode ?? 0));
    if (worst > 0) this.negative(worst);
    this.log(upgradeText(report, this.terminal));
    return report;
  }
}
