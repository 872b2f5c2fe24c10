import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, networkFlags, runtimeFlags } from '../cli/flags.ts';
import { repairText } from '../cli/render/verify.ts';
import { type RepairReport, repairExit } from '../provision/maintain/problems.ts';

export default class Repair extends BaseCommand<RepairReport> {
  static override summary = 'Fix what verify found wrong with an installed model.';
  static override description =
    'Uses a good copy on this machine if there is one: the file that the model came from, the cache, or another runtime; otherwise the network. A model that is missing is created again as recorded and tested. A model that was changed outside this tool is left alone unless --force is given; then it is lost. A record that cannot be read is kept beside the new one. Exits with 18 when a problem remains.';
  static override examples = [
    '<%= config.bin %> repair gemma-3n-e4b:q4_k_m',
    { description: 'without using the network', command: '<%= config.bin %> repair gemma-3n-e4b:q4_k_m --offline' },
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
    ...networkFlags,
    ...catalogFlags,
    force: Flags.boolean({ description: 'also replace a model that was changed outside this tool' }),
    'no-smoke': Flags.boolean({ description: 'skip the smoke test of a recreated model' }),
  };

  override async run(): Promise<RepairReport> {
    const { args, flags } = await this.parse(Repair);
    const app = await this.app(flags);
    const { repair } = await import('../provision/maintain/repair.ts');
    const report = await this.progress(repair(app, args.name, flags));
    const code = repairExit(report.results);
    if (code > 0) this.negative(code);
    this.log(repairText(report, this.terminal));
    return report;
  }
}
