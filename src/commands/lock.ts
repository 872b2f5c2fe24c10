import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import {
  catalogFlags,
  choiceFlags,
  hostProfileFlags,
  networkFlags,
  outputFlags,
  runtimeFlags,
  visionFlags,
  whatFlags,
} from '../cli/flags.ts';
import { lockText } from '../cli/render/lock.ts';
import { installRequest } from '../cli/requests.ts';
import type { LockData } from '../provision/share/lock.ts';

export default class Lock extends BaseCommand<LockData> {
  static override summary = 'Write down exactly what an install would put in place.';
  static override description =
    'Makes the same plan as install and writes only the lock file: source revision and digest, template, parameters, licence, suite and the servers that can load it. The same inputs always write the same bytes; install --frozen installs exactly that.';
  static override examples = [
    '<%= config.bin %> lock gemma-3n-e4b:q5_k_m --from ./models',
    '<%= config.bin %> lock tiny-gemma-3n:q4_k_m --file ./deploy/gemma-provision.lock',
    {
      description: 'check whether it is still up to date; exits with 4 if not',
      command: '<%= config.bin %> lock --check',
    },
    { description: 'then, on every host', command: '<%= config.bin %> install --frozen' },
  ];
  static override args = {
    model: Args.string({ ignoreStdin: true, description: 'model of the catalog, optionally with a quant' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...networkFlags,
    ...choiceFlags,
    ...hostProfileFlags,
    ...catalogFlags,
    ...whatFlags,
    ...visionFlags,
    file: Flags.string({
      helpValue: 'FILE',
      description: 'lock file (default: gemma-provision.lock in the current folder)',
    }),
    check: Flags.boolean({ description: 'only compare the file with the current plan' }),
    ...outputFlags,
  };

  override async run(): Promise<LockData> {
    const { args, flags } = await this.parse(Lock);
    const app = await this.app(flags);
    const { lockModel } = await import('../provision/share/lock.ts');
    // A lock file holds for all hosts, so the settings of this one do not apply to it. `--force` is about the file.
    const request = installRequest(args.model, { ...flags, force: false }, flags.check ? {} : app.settings);
    const data = await this.progress(lockModel(app, request, flags));
    if (data.differences.length > 0) this.negative();
    this.log(lockText(data, flags.check));
    return data;
  }
}
