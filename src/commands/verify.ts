import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { runtimeFlags } from '../cli/flags.ts';
import { verifyText } from '../cli/render/verify.ts';
import { exitOf, type VerifyReport } from '../provision/maintain/problems.ts';

export default class Verify extends BaseCommand<VerifyReport> {
  static override summary =
    'hold what is installed against what was recorded, down to the bytes; all models without NAME';
  static override description =
    'Reads every byte again where it lies on this machine, and says what could not be read. Exits with the first of these that applies: 18 for a record or a manifest that is broken or a run that was interrupted, 11 for bytes that are corrupt or gone, 13 for a server that does not answer, 4 for a model that is gone or was changed. Changes nothing.';
  static override examples = [
    '<%= config.bin %> verify',
    '<%= config.bin %> verify gemma-3n-e4b:q4_k_m',
    { description: 'without reading the bytes', command: '<%= config.bin %> verify --quick' },
  ];
  static override args = {
    name: Args.string({ ignoreStdin: true, description: 'name as in list' }),
  };
  static override flags = {
    ...runtimeFlags,
    quick: Flags.boolean({ description: 'read no bytes: only look whether all is there' }),
  };

  override async run(): Promise<VerifyReport> {
    const { args, flags } = await this.parse(Verify);
    const app = await this.app(flags);
    const { verify } = await import('../provision/maintain/verify.ts');
    const report = await this.progress(await verify(app, args.name, flags));
    const code = exitOf(report.results);
    if (code > 0) this.negative(code);
    this.log(verifyText(report, this.terminal));
    return report;
  }
}
