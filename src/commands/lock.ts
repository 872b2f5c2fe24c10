import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, choiceFlags, hostProfileFlags, runtimeFlags, whatFlags } from '../cli/flags.ts';
import { lockText } from '../cli/render/lock.ts';
import { installRequest } from '../cli/requests.ts';
import type { LockData } from '../provision/share/lock.ts';

export default class Lock extends BaseCommand<LockData> {
  static override summary = 'write down exactly what an install would put in place';
  static override description =
    'Plans as install does and changes nothing but the lock file: source revision and digest, template, parameters, licence, suite and the servers that can load it. The same inputs write the same bytes; install --frozen obeys the file.';
  static override examples = [
    '<%= config.bin %> lock gemma-3n-e4b:q5_k_m --from ./models',
    '<%= config.bin %> lock tiny-gemma-3n:q4_k_m --file ./deploy/gemma-provision.lock',
    { description: 'is it still true? exits with 4 when it is not', command: '<%= config.bin %> lock --check' },
    { description: 'then, on every host', command: '<%= config.bin %> install --frozen' },
  ];
  static override args = {
    model: Args.string({ ignoreStdin: true, description: 'a model of the catalog, with a quant if you like' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...choiceFlags,
    ...hostProfileFlags,
    ...catalogFlags,
    ...whatFlags,
    file: Flags.string({ helpValue: 'FILE', description: 'the lock file (default: gemma-provision.lock here)' }),
    check: Flags.boolean({ description: 'write nothing; compare the file with what would be planned now' }),
  };

  override async run(): Promise<LockData> {
    const { args, flags } = await this.parse(Lock);
    const app = await this.app(flags);
    const { lockModel } = await import('../provision/share/lock.ts');
    // A lock file holds for all hosts, so the settings of this one do not apply to it.
    const request = installRequest(args.model, flags, flags.check ? {} : app.settings);
    const data = await this.progress(lockModel(app, request, flags));
    if (data.differences.length > 0) this.negative();
    this.log(lockText(data, flags.check));
    return data;
  }
}
