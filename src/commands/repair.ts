import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, runtimeFlags } from '../cli/flags.ts';
import { repairText } from '../cli/render/verify.ts';
import { type RepairReport, repairExit } from '../provision/maintain/problems.ts';

export default class Repair extends BaseCommand<RepairReport> {
  static override summary = 'put right what verify finds wrong with an installed model';
  static override description =
    'Takes the bytes from a good copy on this machine: the file that the model came from, our cache, another runtime; only then from the network. A model that is gone or was changed is made again as it was recorded, and tested; what answered instead is lost. A record that cannot be read is kept beside the new one. Exits with 18 when something is still wrong.';
  static override examples = [
    '<%= config.bin %> repair gemma-3n-e4b:q4_k_m',
    { description: 'never over the network', command: '<%= config.bin %> repair gemma-3n-e4b:q4_k_m --offline' },
  ];
  static override args = {
    name: Args.string({ required: true, ignoreStdin: true, description: 'name as in list' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...catalogFlags,
    offline: Flags.boolean({ description: 'fetch nothing over the network' }),
    'no-smoke': Flags.boolean({ description: 'do not test a model that is made again' }),
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
