import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { runtimeFlags } from '../cli/flags.ts';
import { verifyText } from '../cli/render/verify.ts';
import { exitOf, type VerifyReport } from '../provision/maintain/problems.ts';

export default class Verify extends BaseCommand<VerifyReport> {
  static override summary = 'Verify installed models against their records, including file hashes.';
  static override description =
    'Reads every byte again where possible and reports what could not be read. Exits with the first of these that applies: 18 for a damaged record or manifest or an interrupted run, 11 for corrupt or missing files, 13 for a server that does not answer, 4 for a model that is missing or was changed. Changes nothing.';
  static override examples = [
    '<%= config.bin %> verify',
    '<%= config.bin %> verify gemma-3n-e4b:q4_k_m',
    { description: 'without reading the files', command: '<%= config.bin %> verify --quick' },
  ];
  static override args = {
    name: Args.string({ ignoreStdin: true, description: 'name of the installed model, as shown by list' }),
  };
  static override flags = {
    ...runtimeFlags,
    quick: Flags.boolean({ description: 'only check that all files exist, without reading them' }),
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
