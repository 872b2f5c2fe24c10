import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, runtimeFlags } from '../cli/flags.ts';
import { checkText } from '../cli/render/check.ts';
import type { CheckData } from '../provision/check/check.ts';

export default class Check extends BaseCommand<CheckData> {
  static override summary = 'Check whether an Ollama server supports a model.';
  static override description =
    'Sends the server a few cheap requests that change nothing, and does not look at this machine. Exits with 4 when the server does not support the model.';
  static override examples = [
    '<%= config.bin %> check',
    '<%= config.bin %> check gemma-3n-e4b:q5_k_m --host 10.0.0.7 --json',
    '<%= config.bin %> check gemma-3n-e4b:q5_k_m --server-version 0.6.5',
    '<%= config.bin %> check --from ./some.gguf --timeout 3',
  ];
  static override args = {
    // A rollout script that reads hosts from stdin would lose them to a MODEL that it does not give.
    model: Args.string({ description: 'model of the catalog, with or without a quant', ignoreStdin: true }),
  };
  static override flags = {
    host: runtimeFlags.host,
    'require-tls': runtimeFlags['require-tls'],
    ...catalogFlags,
    from: Flags.string({ helpValue: 'FILE', description: 'check this GGUF file: its header says what it needs' }),
    family: Flags.string({
      helpValue: 'FAMILY',
      description: 'check a family, or treat the file as one of this family',
    }),
    'server-version': Flags.string({
      helpValue: 'V',
      description: 'check against this Ollama version without contacting a server',
    }),
    timeout: Flags.integer({
      helpValue: 'SECONDS',
      min: 1,
      max: 3600,
      description: 'time limit for all requests (default: 10)',
    }),
  };

  override async run(): Promise<CheckData> {
    const { args, flags } = await this.parse(Check);
    const app = await this.app(flags);
    const { checkSupport } = await import('../provision/check/check.ts');
    const { data, warnings } = await checkSupport(app, { model: args.model, ...flags });
    for (const warning of warnings) this.warn(warning);
    if (!this.jsonEnabled()) this.log(checkText(data, { terminal: this.terminal, all: flags.verbose }));
    if (!data.supported) this.negative();
    return data;
  }
}
